// A story's log as the page needs it: the plan, attempts, landings, gates, runs. Events come in order, each once.

const at = (event) => Date.parse(event.at);

export class Log {
  constructor() {
    this.seq = 0;
    this.plan = new Map();
    /** By `task/number`, in the order of their beginning. */
    this.attempts = new Map();
    this.ofTask = new Map();
    /** `{ task, from, to, how }`: an accepted result on its way to the story branch. */
    this.landings = [];
    this.landedAt = new Map();
    /** `{ key, wave, commit, from, to, report }`; wave 0 is a search for a culprit. */
    this.gates = [];
    this.findings = [];
    this.accepted = new Set();
    this.runs = [];
    this.activity = new Map();
    this.culprit = null;
    /** Changes with everything but activity. */
    this.version = 0;
  }

  /** Takes an event; false for one that it has. */
  take(event) {
    if (event.seq <= this.seq) return false;
    this.seq = event.seq;
    if (event.kind !== 'attemptActivity') this.version += 1;
    this[`_${event.kind}`]?.(event);
    return true;
  }

  attemptsOf(task) {
    return this.ofTask.get(task) ?? [];
  }

  /** The attempt that runs, of a task. */
  running(task) {
    const last = this.attemptsOf(task).at(-1);
    return last && last.to === null ? last : null;
  }

  /** Milliseconds that agents have worked on a task. */
  worked(task, now) {
    return this.attemptsOf(task).reduce((sum, one) => sum + (one.to ?? now) - one.from, 0);
  }

  get gate() {
    return this.gates.findLast((gate) => gate.wave > 0 && gate.report) ?? null;
  }
  get runningGate() {
    return this.gates.findLast((gate) => gate.to === null) ?? null;
  }

  _planAccepted(event) {
    this.plan = new Map(event.tasks.map((task) => [task.id, task]));
    this.addedOrders = event.addedOrders ?? [];
  }

  _runRequested(event) {
    this.runs.push({ from: at(event), to: null, scope: event.scope, mode: event.mode });
  }
  _runEnded(event) {
    const run = this.runs.at(-1);
    if (run) Object.assign(run, { to: at(event), outcome: event.outcome });
    // A gate that was running with it has no end of its own.
    for (const gate of this.gates) if (gate.to === null) Object.assign(gate, { to: at(event), isLeft: true });
  }

  _attemptStarted(event) {
    const { task, attempt: number, agent, purpose } = event;
    const attempt = {
      key: `${task}/${number}`,
      task,
      number,
      agent,
      purpose: purpose.purpose,
      from: at(event),
      to: null,
      outcome: null,
      usage: null,
    };
    this.attempts.set(attempt.key, attempt);
    this.ofTask.set(task, [...this.attemptsOf(task), attempt]);
    this.activity.delete(task);
  }
  _attemptActivity(event) {
    this.activity.set(event.task, event.text);
  }
  _attemptEnded(event) {
    const attempt = this.attempts.get(`${event.task}/${event.attempt}`);
    if (attempt) Object.assign(attempt, { to: at(event), outcome: event.outcome, usage: event.usage, summary: event.summary });
    this.activity.delete(event.task);
  }

  _taskAccepted(event) {
    this.landings.push({ task: event.task, from: at(event), to: null, how: 'lands', files: event.files });
  }
  _landingEnds(event, how) {
    const landing = this.landings.findLast((one) => one.task === event.task && one.to === null);
    if (landing) Object.assign(landing, { to: at(event), how });
  }
  _taskLanded(event) {
    this._landingEnds(event, 'landed');
    this.landedAt.set(event.task, at(event));
  }
  _landingConflicted(event) {
    this._landingEnds(event, 'conflict');
  }
  _taskFailed(event) {
    this._landingEnds(event, 'failed');
  }

  _gateStarted(event) {
    this.#gate({ wave: event.wave, commit: event.commit, from: at(event), to: null, report: null });
  }
  _gateFinished(event) {
    const { report, wave } = event;
    const open = this.gates.findLast((gate) => gate.to === null && gate.commit === report.commit);
    if (open) Object.assign(open, { to: at(event), report, wave: wave || open.wave });
    else {
      const took = report.reused ? 0 : report.checks.reduce((sum, check) => sum + check.durationMs, 0);
      this.#gate({ wave, commit: report.commit, from: at(event) - took, to: at(event), report });
    }
  }
  #gate(gate) {
    this.gates.push({ key: `gate/${this.gates.length + 1}`, ...gate });
  }
  _judged(event) {
    this.findings = event.findings;
  }
  _findingsAccepted(event) {
    for (const id of event.ids) this.accepted.add(id);
  }
  /** Changes to what decides the gate that nobody has accepted. */
  get held() {
    const isOpen = (one) => one.standing === 'refused' || (one.standing === 'held' && !this.accepted.has(one.id));
    return this.findings.filter(isOpen);
  }
  _culpritFound(event) {
    this.culprit = { task: event.task, commit: event.commit };
  }
  _culpritUnknown(event) {
    this.culprit = { why: event.why, commit: event.commit };
  }

  /** Billionths of an AI credit, of a task or of all. */
  credits(task) {
    const attempts = task ? this.attemptsOf(task) : [...this.attempts.values()];
    return attempts.reduce((sum, one) => sum + (one.usage?.nanoCredits ?? 0), 0);
  }
}
