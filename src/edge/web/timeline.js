// Where the time went: a bar for each attempt, and for each gate.
import { svg, seconds } from './dom.js';

const [ROW, LABEL, WIDTH] = [20, 90, 760];

/** Bars out of the log: `add` takes events in order. */
export class Bars {
  constructor() { this.bars = new Map(); }
  add(event) {
    const at = Date.parse(event.at);
    if (event.kind === 'attemptStarted') this.bars.set(`${event.task} ${event.attempt}`, { row: event.task, from: at, to: null, how: 'Running', text: `attempt ${event.attempt}` });
    if (event.kind === 'attemptEnded') this.#end(`${event.task} ${event.attempt}`, at, event.outcome?.outcome === 'done' ? 'Completed' : 'Failed');
    if (event.kind === 'gateStarted') this.bars.set(`gate ${event.commit}`, { row: 'gate', from: at, to: null, how: 'Running', text: `gate after wave ${event.wave}` });
    if (event.kind === 'gateFinished') this.#end(`gate ${event.report?.commit}`, at, event.report?.verdict === 'failed' ? 'Failed' : 'Completed');
  }
  #end(key, at, how) {
    const bar = this.bars.get(key);
    if (bar) Object.assign(bar, { to: at, how });
  }
}

export function timeline(bars) {
  const all = [...bars.bars.values()];
  if (all.length === 0) return null;
  const rows = [...new Set(all.map((bar) => bar.row))];
  const start = Math.min(...all.map((bar) => bar.from));
  const end = Math.max(start + 1000, ...all.map((bar) => bar.to ?? Date.now()));
  const x = (at) => LABEL + ((at - start) / (end - start)) * (WIDTH - LABEL - 8);
  const height = rows.length * ROW + 22;
  return svg('svg', { class: 'timeline', width: WIDTH, height, viewBox: `0 0 ${WIDTH} ${height}`, role: 'img', 'aria-label': `Timeline of ${all.length} attempts and gates over ${seconds(end - start)}` },
    ...rows.map((row, y) => svg('text', { class: 'row', x: 4, y: y * ROW + 14 }, row)),
    ...all.map((bar) => svg('rect', { class: `bar is-${bar.how}`, x: x(bar.from), y: rows.indexOf(bar.row) * ROW + 3, height: ROW - 6, rx: 2, width: Math.max(2, x(bar.to ?? end) - x(bar.from)) },
      svg('title', null, `${bar.row}, ${bar.text}: ${bar.how}, ${seconds((bar.to ?? end) - bar.from)}`))),
    svg('text', { class: 'row', x: LABEL, y: height - 4 }, '0 s'),
    svg('text', { class: 'row', x: WIDTH - 8, y: height - 4, 'text-anchor': 'end' }, seconds(end - start)));
}
