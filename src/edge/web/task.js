// One task: what its agent says, what it was asked, what it changed, what it used. Made once, for whichever task is shown.
import { read, taskPath } from './api.js';
import { h, put, say, show, keyed } from './dom.js';
import { badge } from './icons.js';
import { Lines, finder } from './lines.js';
import { Diff } from './diff.js';
import { PAGE_BYTES, Transcript } from './transcript.js';
import { calm } from './store.js';
import { tabs } from './tabs.js';
import { PHASES, amount, duration, elapsed, moment, number, plural } from './words.js';

/** As much of a diff as the server gives at most. */
const DIFF_BYTES = 16 * 1024 * 1024;
const WHAT = { transcript: 'The transcript', task: 'The task' };
/** How often a running agent's transcript is looked at, also when it tells nothing. */
const LOOK_MS = 2000;

export class TaskPanel {
  /** `acts` has `close` and `retry`. */
  constructor(node, acts) {
    this.node = node;
    this.id = h('code', { class: 'id' });
    this.title = h('h2', { id: 'task-title' });
    this.status = badge('Pending');
    this.phase = h('span', { class: 'phase' });
    this.retry = h('button', { type: 'button', onclick: () => acts.retry(this.taskId) }, 'Retry task');
    this.error = h('p', { class: 'error' });
    this.facts = h('dl', { class: 'facts' });
    this.tokens = fact(this.facts, 'Tokens', 'tokens');
    this.cost = fact(this.facts, 'Cost', 'cost');
    this.time = fact(this.facts, 'Agent time', 'time');
    this.outside = fact(this.facts, 'Outside its claim', 'outside');
    this.#makeTranscript();
    this.failure = makeFailure(() => this.#again());
    this.prompt = h('pre', { class: 'prose', tabindex: 0 });
    this.files = h('p', { class: 'legend' });
    this.diff = new Diff();
    this.attempts = h('ol', { class: 'attempts' });
    this.none = h('p', { class: 'none' }, 'No attempt has been made.');
    this.tabs = tabs(
      'task',
      {
        Transcript: this.transcriptNode,
        Prompt: h('div', { class: 'prompt' }, this.files, this.prompt),
        Diff: this.diff.node,
        Attempts: h('div', { class: 'scroll-y', tabindex: '0', role: 'group', 'aria-label': 'Attempts' }, this.attempts, this.none),
      },
      () => this.#load(),
    );
    node.append(
      h(
        'header',
        null,
        h('div', { class: 'names' }, this.id, this.title),
        h('button', { type: 'button', class: 'quiet close', 'aria-label': 'Close the task', onclick: acts.close }, '✕'),
      ),
      h('div', { class: 'status-line' }, this.status.node, this.phase, this.retry),
      this.error,
      this.facts,
      this.failure.node,
      this.tabs.list,
      ...this.tabs.panels,
    );
    put(node, { 'aria-labelledby': 'task-title' });
    setInterval(() => {
      if (this.taskId && this.isRunning && this.tabs.chosen === 'Transcript' && !document.hidden) this.#tail();
    }, LOOK_MS);
  }

  #makeTranscript() {
    this.lines = new Lines('Transcript', { follows: true, kind: lineKind });
    this.which = h('select', { 'aria-label': 'Attempt', onchange: () => this.#chooseAttempt(Number(this.which.value)) });
    this.end = h('button', { type: 'button', class: 'quiet', onclick: () => this.lines.toEnd() }, 'To the end');
    this.said = h('span', { class: 'legend' });
    this.transcriptNode = h(
      'div',
      { class: 'transcript' },
      h('div', { class: 'bar-of-lines' }, this.which, this.said, this.end, finder(this.lines)),
      this.lines.node,
    );
  }

  update({ status, story, log, taskId }) {
    const task = taskId && status?.tasks.find((one) => one.id === taskId);
    show(this.node, taskId && status);
    if (!taskId || !status) {
      this.taskId = null;
      put(this.node, { 'data-task': null });
      return;
    }
    if (taskId !== this.taskId || story?.id !== this.storyId) this.#open(story?.id ?? status.storyId, taskId, Boolean(task));
    put(this.node, { 'data-task': taskId });
    say(this.id, taskId);
    say(this.title, task ? (log.plan.get(taskId)?.title ?? task.title) : 'There is no such task');
    show(this.status.node, task);
    show(this.retry, task && ['Failed', 'Skipped'].includes(task.status));
    show(this.error, task?.error);
    // Nothing of the task that was shown before stays where there is none.
    for (const node of [this.facts, this.tabs.list, ...this.tabs.panels]) put(node, { 'data-none': task ? null : true });
    if (!task) {
      say(this.phase, '');
      this.isRunning = false;
      return;
    }
    this.status.draw(task.status);
    this.isRunning = task.status === 'Running';
    const running = log.running(taskId);
    say(
      this.phase,
      running
        ? `${PHASES[task.phase] ?? task.phase}, attempt ${running.number}, ${elapsed(Date.now() - running.from)}`
        : (PHASES[task.phase] ?? ''),
    );
    say(this.error, this.output?.error ?? task.error ?? '');
    this.#updateFacts(task, log);
    if (this.version !== log.version) {
      this.version = log.version;
      this.#changed(log, taskId);
    }
  }

  #updateFacts(task, log) {
    const used = log
      .attemptsOf(task.id)
      .map((one) => one.usage)
      .filter(Boolean);
    const sum = (name) => used.reduce((total, usage) => total + (usage[name] ?? 0), 0);
    say(this.tokens, `${amount(sum('inputTokens'))} in, ${amount(sum('outputTokens'))} out`);
    put(this.tokens, { title: `${number(sum('cachedTokens'))} of those that went in were cached` });
    const credits = log.credits(task.id) / 1e9;
    say(this.cost, `${plural(sum('premiumRequests'), 'premium request')}${credits > 0 ? `, ${number(credits)} credits` : ''}`);
    const worked = log.worked(task.id, Date.now());
    say(this.time, worked > 0 ? (this.isRunning ? elapsed(worked) : duration(worked)) : '–');
    show(this.outside.parentNode, task.outsideClaim?.length > 0);
    say(this.outside, (this.output?.outsideClaim ?? task.outsideClaim ?? []).join(', '));
  }

  #open(storyId, taskId, isThere) {
    Object.assign(this, {
      storyId,
      taskId,
      output: null,
      attempt: null,
      made: undefined,
      transcript: new Transcript(),
      version: -1,
      ofTask: '',
    });
    this.lines.isAtEnd = true;
    this.lines.set([]);
    this.failures = {};
    this.#showFailures();
    say(this.said, isThere ? 'Loading…' : '');
    say(this.prompt, '');
    this.diff.set('', '');
    keyed(this.attempts, [], () => '');
    this.#tail = isThere ? calm(() => this.#try('transcript', () => this.#readTail()), 250) : () => {};
    this.#load = isThere ? calm(() => this.#try('task', () => this.#read()), 250) : () => {};
    if (isThere) {
      this.#try('transcript', () => this.#readTail());
      this.#load();
    }
  }
  #tail = () => {};
  #load = () => {};

  /** Something happened in the story: is it about this task? */
  #changed(log, taskId) {
    const seen =
      log
        .attemptsOf(taskId)
        .map((one) => `${one.key} ${one.to}`)
        .join() + (log.landedAt.get(taskId) ?? '');
    if (this.ofTask === seen) return;
    const isFirst = this.ofTask === '';
    this.ofTask = seen;
    if (!isFirst || this.output) this.#load();
    this.#tail();
  }

  heard(event) {
    if (event.task === this.taskId && event.kind === 'attemptActivity') this.#tail();
  }

  #path(more) {
    const attempt = this.attempt ? { attempt: this.attempt } : {};
    return `${taskPath(this.storyId, this.taskId)}/output?${new URLSearchParams({ ...attempt, ...more })}`;
  }

  /** Everything but the transcript. The diff is asked for only where it is looked at. */
  async #read() {
    const { taskId, storyId } = this;
    if (!taskId) return;
    const output = await read(this.#path(this.tabs.chosen === 'Diff' ? { diff: true, maxBytes: DIFF_BYTES } : { maxBytes: 1 }), {
      isKept: true,
    });
    if (taskId !== this.taskId || storyId !== this.storyId) return;
    this.output = output;
    say(this.prompt, output.description);
    say(this.files, output.files?.length > 0 ? `Claims ${output.files.join(', ')}` : 'Claims no file in particular');
    if (this.tabs.chosen === 'Diff') this.diff.set(output.diff ?? '', 'Nothing of it has landed yet.');
    show(this.none, output.attemptsMade.length === 0);
    keyed(this.attempts, output.attemptsMade, (one) => one.number, makeAttempt, updateAttempt);
    this.#listAttempts(output.attemptsMade);
  }

  #listAttempts(made) {
    show(this.which, made.length > 1);
    keyed(
      this.which,
      made,
      (one) => one.number,
      (one) => ({ node: h('option', { value: one.number }, `Attempt ${one.number}, ${one.purpose}`) }),
    );
    this.which.value = String(this.attempt ?? made.at(-1)?.number ?? '');
  }

  #chooseAttempt(number) {
    const last = this.output?.attemptsMade.at(-1)?.number;
    Object.assign(this, { attempt: number === last ? null : number, transcript: new Transcript() });
    this.lines.isAtEnd = true;
    this.lines.set([]);
    this.#try('transcript', () => this.#readTail());
  }

  /** Reads; a failure is shown at its place until the same has been read. */
  async #try(what, call) {
    const { taskId, storyId } = this;
    try {
      await call();
      if (taskId !== this.taskId || storyId !== this.storyId) return;
      delete this.failures[what];
    } catch (error) {
      if (error.name === 'AbortError' || taskId !== this.taskId || storyId !== this.storyId) return;
      this.failures[what] = error;
      if (what === 'transcript') say(this.said, 'It could not be read.');
    }
    this.#showFailures();
  }

  #showFailures() {
    const failed = Object.entries(this.failures);
    show(this.failure.node, failed.length > 0);
    const words = ([what, error]) => `${WHAT[what]} could not be read: ${error.message} ${error.hint ?? ''}`.trim();
    say(this.failure.text, failed.map(words).join('\n'));
  }

  #again() {
    this.#tail();
    this.#load();
  }

  /** What is new of the transcript, a page at a time. */
  async #readTail() {
    const { taskId } = this;
    while (taskId) {
      const { transcript } = this;
      const { cursor } = transcript;
      const attempt = this.attempt ?? this.made;
      const answer = await read(this.#path({ ...(attempt ? { attempt } : {}), cursor, maxBytes: PAGE_BYTES }));
      if (taskId !== this.taskId || transcript !== this.transcript || cursor !== transcript.cursor) return;
      const isAnother = this.attempt === null && this.made !== undefined && answer.attempts > this.made;
      this.made = answer.attempts;
      if (isAnother) {
        this.transcript = new Transcript();
        continue;
      }
      transcript.take(answer.transcript, answer.nextCursor);
      this.lines.set(transcript.lines);
      say(this.said, transcript.lines.length > 0 ? plural(transcript.lines.length, 'line') : 'Nothing has been said yet.');
      if (answer.transcript === '') return;
    }
  }
}

function makeFailure(again) {
  const text = h('span', null);
  const node = h('div', { class: 'failure', role: 'alert' }, text, h('button', { type: 'button', onclick: again }, 'Try again'));
  node.hidden = true;
  return { node, text };
}

function fact(list, name, field) {
  const value = h('dd', { 'data-field': field });
  list.append(h('div', null, h('dt', null, name), value));
  return value;
}

function lineKind(line) {
  if (/^\s*(\(sub-agent\) )?▸/.test(line)) return 'is-tool';
  if (/^\s*(✗|exit code [1-9])/.test(line)) return 'is-bad';
  if (line.startsWith('✓')) return 'is-good';
  return '';
}

function makeAttempt(one) {
  const status = badge('Running');
  const parts = {
    took: h('span', { class: 'time' }),
    outcome: h('p', { class: 'outcome' }),
    summary: h('p', { class: 'said' }),
    used: h('p', { class: 'legend' }),
    rescue: h('p', { class: 'legend' }),
  };
  const node = h(
    'li',
    null,
    h(
      'div',
      { class: 'attempt-head' },
      h('b', null, `#${one.number} ${one.purpose}`),
      status.node,
      h('span', { class: 'agent' }, one.agent),
      parts.took,
    ),
    parts.outcome,
    parts.summary,
    parts.used,
    parts.rescue,
  );
  put(node, { title: `session ${one.sessionId}, from ${moment(one.startedAt)}` });
  return { node, status, ...parts };
}

function updateAttempt(row, one) {
  row.status.draw(one.endedAt === null ? 'Running' : one.outcome === 'done' ? 'done' : 'failed');
  say(row.took, duration((one.endedAt ? Date.parse(one.endedAt) : Date.now()) - Date.parse(one.startedAt)));
  show(row.outcome, one.outcome && one.outcome !== 'done');
  say(row.outcome, one.outcome ?? '');
  show(row.summary, one.summary);
  say(row.summary, one.summary ?? '');
  const usage = one.usage;
  say(row.used, usage ? usedWords(usage) : 'What it used is told when it ends.');
  show(row.rescue, one.rescue);
  say(row.rescue, one.rescue ? `What it left is kept under ${one.rescue}` : '');
}

function usedWords(usage) {
  const tokens = `${number(usage.inputTokens)} tokens in (${number(usage.cachedTokens)} cached), ${number(usage.outputTokens)} out`;
  return `${tokens} · ${plural(usage.modelRequests, 'request')}, ${number(usage.premiumRequests)} premium`;
}
