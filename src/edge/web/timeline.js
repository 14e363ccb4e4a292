// Where the time went: a row for the gates and for each task, a bar for each attempt, thin lines for waiting and for landing.
import { h, svg, put, say, show, look, keyed } from './dom.js';
import { axis, parallelism, ticks } from './time.js';
import { PURPOSES, clock, duration, elapsed, outcomeWords, plural } from './words.js';

const TICK_PIXELS = 90;
const percent = (part) => `${(100 * part).toFixed(3)}%`;

export class Timeline {
  constructor(pick) {
    this.pick = pick;
    this.facts = h('p', { class: 'legend' });
    this.ticks = h('div', { class: 'ticks' });
    this.area = svg('path', {});
    this.most = h('span', { class: 'most' });
    this.agents = h('div', { class: 'agents' }, h('span', { class: 'label' }, 'Agents at once'),
      h('div', { class: 'track' }, svg('svg', { viewBox: '0 0 1000 100', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, this.area), this.most));
    this.rows = h('div', { class: 'rows' });
    this.chart = h('div', { class: 'chart', tabindex: 0, role: 'group', 'aria-label': 'Timeline of attempts and gates; the table below says the same' },
      h('div', { class: 'axis' }, h('span', { class: 'label' }), this.ticks), this.agents, this.rows);
    this.body = h('tbody', null);
    const heads = ['What', 'Why', 'Began', 'Took', 'Outcome'].map((text) => h('th', { scope: 'col' }, text));
    this.table = h('details', { class: 'as-table', ontoggle: () => this.#fillTable() }, h('summary', null, 'As a table'),
      h('div', { class: 'scroll-x', tabindex: 0, role: 'region', 'aria-label': 'Attempts and gates as a table' },
        h('table', null, h('thead', null, h('tr', null, heads)), this.body)));
    this.node = h('section', { class: 'timeline', 'aria-labelledby': 'timeline-title' },
      h('header', null, h('h3', { id: 'timeline-title' }, 'Timeline'), this.facts, legend()), this.chart, this.table);
  }

  update({ status, log, taskId }) {
    const attempts = [...log.attempts.values()];
    show(this.node, attempts.length + log.gates.length > 0);
    const isRunning = attempts.some((one) => one.to === null) || log.gates.some((one) => one.to === null);
    if (!isRunning && this.seen === log && this.version === log.version && this.tasks === status.tasks && this.chosen === taskId) return;
    Object.assign(this, { seen: log, version: log.version, tasks: status.tasks, chosen: taskId, now: Date.now() });
    const rows = rowsOf(status, log);
    this.scale = axis([...attempts, ...log.gates, ...log.landings], this.now);
    this.#axis();
    this.#agents(attempts);
    keyed(this.rows, rows, (row) => row.key, (row) => this.#makeRow(row), (made, row) => this.#updateRow(made, row, taskId));
    const worked = attempts.reduce((sum, one) => sum + (one.to ?? this.now) - one.from, 0);
    const gated = log.gates.reduce((sum, one) => sum + (one.to ?? this.now) - one.from, 0);
    say(this.facts, `${plural(attempts.length, 'attempt')}, ${elapsed(worked)} of agents and ${elapsed(gated)} of gates in ${elapsed(this.scale.length)}`);
    this.#fillTable();
  }

  #axis() {
    const most = Math.max(2, Math.floor((this.chart.clientWidth - 180) / TICK_PIXELS));
    keyed(this.ticks, ticks(this.scale.length, most), (tick) => tick.ms, () => ({ node: h('span', { class: 'tick' }) }), (row, tick) => {
      look(row.node, { left: percent(tick.at) });
      say(row.node, shortTime(tick.ms));
    });
  }

  #agents(attempts) {
    const steps = parallelism(attempts, this.now);
    const most = Math.max(1, ...steps.map(([, count]) => count));
    const y = (count) => 100 - (count / most) * 92;
    const x = (time) => (this.scale.at(time) * 1000).toFixed(1);
    put(this.area, { d: `M0 100${steps.map(([time, count]) => `H${x(time)}V${y(count)}`).join('')}V100Z` });
    say(this.most, `max ${most}`);
  }

  #makeRow(row) {
    const label = row.task
      ? h('button', { type: 'button', class: 'label', tabindex: -1, onclick: () => this.pick(row.task) }) : h('span', { class: 'label' });
    const track = h('div', { class: 'track' });
    return { node: h('div', { class: row.task ? 'row' : 'row is-gates' }, label, track), label, track };
  }

  #updateRow(made, row, chosen) {
    say(made.label, row.name);
    put(made.label, { title: row.title });
    put(made.node, { 'data-chosen': row.task && row.task === chosen ? 'true' : null });
    keyed(made.track, row.bars, (bar) => bar.id, (bar) => ({ node: h('span', { class: `bar is-${bar.kind}`, 'data-bar': bar.key ?? null }, h('span', null)) }), (one, bar) => {
      const [from, to] = [this.scale.at(bar.from), this.scale.at(bar.to ?? this.now)];
      look(one.node, { left: percent(from), width: percent(to - from) });
      put(one.node, { 'data-outcome': bar.outcome ?? null, title: `${bar.text}: ${duration((bar.to ?? this.now) - bar.from)}, from ${clock(bar.from)}` });
      say(one.node.firstChild, bar.word ?? '');
    });
  }

  #fillTable() {
    if (!this.table.open || !this.seen) return;
    const all = [...this.seen.attempts.values(), ...this.seen.gates].sort((a, b) => a.from - b.from);
    keyed(this.body, all, (one) => one.key, () => {
      const cells = [1, 2, 3, 4, 5].map(() => h('td', null));
      return { node: h('tr', null, cells), cells };
    }, ({ cells }, one) => {
      const texts = one.task
        ? [`${one.task}, attempt ${one.number}`, PURPOSES[one.purpose] ?? one.purpose, clock(one.from), duration((one.to ?? this.now) - one.from), outcomeWords(one.outcome)]
        : [gateName(one), one.wave > 0 ? 'gate' : 'search for the culprit', clock(one.from), duration((one.to ?? this.now) - one.from), gateWord(one)];
      cells.forEach((cell, index) => say(cell, texts[index]));
    });
  }
}

const gateName = (gate) => (gate.wave > 0 ? `Gate after wave ${gate.wave}` : `Check of ${gate.commit.slice(0, 8)}`);
const gateWord = (gate) => gate.report?.verdict ?? (gate.to === null ? 'running' : 'not finished');
const shortTime = (ms) => (ms === 0 ? '0' : ms < 60000 ? `${ms / 1000} s` : ms < 3600000 ? `${Math.round(ms / 6000) / 10} min` : `${Math.round(ms / 360000) / 10} h`);

function rowsOf(status, log) {
  const rows = [];
  const tasks = [];
  if (log.gates.length > 0) rows.push({ key: 'gates', name: 'Gates', title: 'Build and test after each wave', bars: log.gates.map(gateBar) });
  for (const task of status.tasks) {
    const bars = taskBars(task, log);
    if (bars.length > 0) tasks.push({ key: `task ${task.id}`, task: task.id, began: log.attemptsOf(task.id)[0]?.from ?? 0, name: log.plan.get(task.id)?.title ?? task.title, title: task.id, bars });
  }
  // In the order of their beginning: what comes next is further down.
  return [...rows, ...tasks.sort((a, b) => a.began - b.began)];
}

function gateBar(gate) {
  const outcome = gate.report ? (gate.report.verdict === 'Failed' ? 'failed' : 'done') : gate.to === null ? 'running' : 'failed';
  return {
    id: gate.key, key: gate.key, kind: gate.wave > 0 ? 'gate' : 'probe', from: gate.from, to: gate.to, outcome,
    text: `${gateName(gate)}: ${gateWord(gate)}`, word: gate.wave > 0 ? `w${gate.wave}` : '',
  };
}

function taskBars(task, log) {
  const attempts = log.attemptsOf(task.id);
  const bars = attempts.map((one) => ({
    id: one.key, key: one.key, kind: 'work', from: one.from, to: one.to,
    outcome: one.to === null ? 'running' : one.outcome?.result === 'done' ? 'done' : 'failed',
    text: `${task.id}, attempt ${one.number}, ${PURPOSES[one.purpose] ?? one.purpose}: ${outcomeWords(one.outcome)}`,
    word: one.purpose === 'work' ? '' : PURPOSES[one.purpose] ?? one.purpose,
  }));
  const began = attempts[0]?.from;
  const ready = readyAt(task, log);
  if (began && ready && began - ready > 50) bars.unshift({ id: 'wait', kind: 'wait', from: ready, to: began, text: `${task.id} could begin, and waited` });
  for (const [index, one] of log.landings.filter((landing) => landing.task === task.id).entries()) {
    bars.push({ id: `landing ${index}`, kind: one.how === 'conflict' ? 'conflict' : 'landing', from: one.from, to: one.to, text: `${task.id}: ${one.how === 'conflict' ? 'conflict while landing' : one.how}` });
  }
  return bars;
}

/** When the last of its forerunners had landed, in the run in which it began. */
function readyAt(task, log) {
  const began = log.attemptsOf(task.id)[0]?.from;
  const run = log.runs.findLast((one) => one.from <= began);
  if (!run) return null;
  return Math.max(run.from, ...task.dependsOn.map((id) => log.landedAt.get(id)).filter((time) => time && time <= began));
}

function legend() {
  const words = [['work', 'done', 'done'], ['work', 'running', 'running'], ['work', 'failed', 'failed'], ['gate', 'done', 'gate'], ['wait', null, 'waits'], ['landing', null, 'lands']];
  return h('ul', { class: 'keys-of-bars', 'aria-hidden': 'true' },
    words.map(([kind, outcome, word]) => h('li', null, h('span', { class: `bar is-${kind}`, 'data-sample': outcome }), word)));
}
