// What the gate found: every check, and the output of those that failed, with what failed in view.
import { h, put, say, show, keyed } from './dom.js';
import { badge, icon } from './icons.js';
import { Lines } from './lines.js';
import { duration, elapsed, plural } from './words.js';

/** What a line looks like that says what failed, the surest first. */
const SIGNS = [
  /assert(ion)?\b.*\bfail|panicked at|AssertionError|^\s*E\s{2,}|Expected.*(but|got|received)/i,
  /^\s*error(\[\w+\])?:|error (TS|CS)\d+|: error:|^\s*(✕|✗|not ok)\b|\bFAIL(ED|URE)?\b/,
  /\b(error|exception|failed|failure|fatal)\b/i,
];
const HARMLESS = /\b0 (failed|errors?|failures?)\b|test result: ok/i;

/** The line to show, and every line that says that something failed. */
export function failingPart(lines) {
  const sign = lines.map((line) => (HARMLESS.test(line) ? -1 : SIGNS.findIndex((one) => one.test(line))));
  const found = SIGNS.map((_, rank) => sign.indexOf(rank)).find((index) => index >= 0) ?? lines.length - 1;
  return { index: found, marks: new Set(sign.map((rank, index) => (rank === 0 || rank === 1 ? index : -1)).filter((index) => index >= 0)) };
}

const RESULTS = {
  passed: 'passed',
  flaky: 'passed when run again',
  failed: 'failed',
  timedOut: 'took too long',
  missing: 'not found',
  notRun: 'not run',
  ranNothing: 'ran no tests',
  unavailable: 'could not get what it needs',
};

export class Gate {
  constructor() {
    this.status = badge('Pending');
    this.title = h('h3', { id: 'gate-title' });
    this.facts = h('p', { class: 'legend' });
    this.running = h('p', { class: 'running' });
    this.held = h('p', { class: 'held', role: 'status' });
    this.history = h('div', { class: 'gates', role: 'group', 'aria-label': 'Gates so far' });
    this.checks = h('ul', { class: 'checks' });
    this.node = h(
      'section',
      { class: 'gate', 'aria-labelledby': 'gate-title' },
      h('header', null, this.title, this.status.node, this.facts),
      this.running,
      this.held,
      this.history,
      this.checks,
    );
    this.chosen = null;
  }

  update({ log, storyId }) {
    if (this.storyId !== storyId) Object.assign(this, { storyId, chosen: null });
    const done = log.gates.filter((gate) => gate.report);
    const gate = done.find((one) => one.key === this.chosen) ?? log.gate ?? done.at(-1);
    const { runningGate } = log;
    show(this.node, gate || runningGate);
    show(this.running, runningGate);
    const { held } = log;
    show(this.held, held.length > 0);
    if (held.length > 0) {
      const paths = [...new Set(held.map((one) => one.path))];
      say(this.held, `Held for a person: ${plural(held.length, 'change')} to what decides the gate, in ${paths.slice(0, 5).join(', ')}.`);
    }
    if (runningGate) say(this.running, `The gate after wave ${runningGate.wave} runs, ${elapsed(Date.now() - runningGate.from)}.`);
    if (!gate) {
      say(this.title, 'Gate');
      show(this.status.node, false);
      return;
    }
    show(this.status.node, true);
    const { report } = gate;
    put(this.node, { 'data-verdict': report.verdict });
    this.status.draw(report.verdict);
    say(this.title, gate.wave > 0 ? `Gate after wave ${gate.wave}` : 'Search for the culprit');
    say(this.facts, this.#words(gate, log));
    show(this.history, done.length > 1);
    keyed(
      this.history,
      done,
      (one) => `${storyId} ${one.key} ${one.report.verdict}`,
      (one) => this.#makeChip(one, log),
      (row, one) => put(row.node, { 'aria-pressed': one === gate ? 'true' : 'false' }),
    );
    // A row is made once: whatever it shows is part of its key, the story first of all.
    const checks = report.checks.map((check, index) => ({ check, key: JSON.stringify([storyId, gate.key, index, check]) }));
    keyed(
      this.checks,
      checks,
      (one) => one.key,
      ({ check }) => makeCheck(check),
      (row) => row.reveal(),
    );
  }

  #words(gate, log) {
    const { report } = gate;
    const sum = (name) => report.checks.reduce((total, check) => total + (check[name] ?? 0), 0);
    const words = [`at ${report.commit.slice(0, 10)}`, duration(report.checks.reduce((total, check) => total + check.durationMs, 0))];
    if (sum('testsPassed') + sum('testsFailed') > 0)
      words.push(`${plural(sum('testsPassed'), 'test')} passed, ${sum('testsFailed')} failed`);
    if (report.reused) words.push('known from an equal tree');
    const { culprit } = log;
    if (culprit?.commit === report.commit) words.push(culprit.task ? `${culprit.task} turned it red` : `nobody found: ${culprit.why}`);
    return words.join(' · ');
  }

  #makeChip(gate, log) {
    const shape = icon(gate.report.verdict);
    const name = gate.wave > 0 ? `wave ${gate.wave}` : gate.commit.slice(0, 7);
    const node = h(
      'button',
      {
        type: 'button',
        class: 'chip',
        onclick: () => {
          this.chosen = gate.key;
          this.update({ log, storyId: this.storyId });
        },
      },
      shape.node,
      h('span', null, name),
      h('span', { class: 'hidden' }, `: ${gate.report.verdict}`),
    );
    return { node };
  }
}

function makeCheck(check) {
  const shape = icon(check.result);
  const tests =
    check.testsPassed === null && check.testsFailed === null ? '' : `${check.testsPassed ?? 0} passed, ${check.testsFailed ?? 0} failed`;
  const head = [
    shape.node,
    h('b', null, check.name),
    h('span', { class: 'word' }, RESULTS[check.result] ?? check.result),
    h('span', { class: 'folder' }, check.folder === '.' ? '' : check.folder),
    h('span', { class: 'tests' }, tests),
    h('span', { class: 'time' }, duration(check.durationMs)),
  ];
  const isBad = ['failed', 'timedOut', 'missing', 'ranNothing', 'unavailable'].includes(check.result);
  const node = h('li', { 'data-check': check.name, 'data-result': check.result });
  const output = (check.output ?? '').replace(/\n$/, '');
  if (!output) {
    node.append(h('div', { class: 'check' }, head));
    return { node, reveal: () => {} };
  }
  const all = output.split('\n');
  const { index, marks } = isBad ? failingPart(all) : { index: all.length - 1, marks: new Set() };
  const lines = new Lines(`Output of ${check.name}`, { kind: (_, at) => (marks.has(at) ? 'is-bad' : '') });
  lines.node.classList.add(all.length > 14 ? 'is-tall' : 'is-short');
  lines.set(all);
  const details = h('details', { open: isBad, ontoggle: () => lines.reveal(index) }, h('summary', { class: 'check' }, head), lines.node);
  node.append(details);
  let isShown = false;
  // It can be scrolled only once it is in the page.
  const reveal = () => {
    if (!isShown && node.isConnected && lines.node.clientHeight > 0) {
      isShown = true;
      lines.reveal(index);
    }
  };
  requestAnimationFrame(reveal);
  return { node, reveal };
}
