// A story as its plan: one column for each wave, an arrow for each dependency, the longest chain in the accent colour.
import { svg, mark } from './dom.js';

const [W, H, GAP_X, GAP_Y, TOP] = [210, 58, 46, 12, 26];

/** Ids on a longest chain of dependencies. */
export function criticalPath(tasks) {
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const best = new Map();
  for (const task of [...tasks].sort((a, b) => a.wave - b.wave)) {
    const before = task.dependsOn.filter((id) => byId.has(id)).sort((a, b) => (best.get(b)?.length ?? 0) - (best.get(a)?.length ?? 0))[0];
    best.set(task.id, { length: (best.get(before)?.length ?? 0) + 1, before });
  }
  let at = [...best].sort((a, b) => b[1].length - a[1].length)[0]?.[0];
  const path = new Set();
  while (at !== undefined) { path.add(at); at = best.get(at).before; }
  return path;
}

const short = (text, chars) => (text.length > chars ? `${text.slice(0, chars - 1)}…` : text);

export function graph(tasks, selected, pick) {
  const path = criticalPath(tasks);
  const waves = [...new Set(tasks.map((task) => task.wave))].sort((a, b) => a - b);
  const columns = waves.map((wave) => tasks.filter((task) => task.wave === wave));
  const place = new Map();
  columns.forEach((column, x) => column.forEach((task, y) => place.set(task.id, { x: x * (W + GAP_X) + 4, y: TOP + y * (H + GAP_Y) })));
  const width = columns.length * (W + GAP_X) - GAP_X + 8;
  const height = TOP + Math.max(1, ...columns.map((column) => column.length)) * (H + GAP_Y) + 4;
  const edges = tasks.flatMap((task) => task.dependsOn.filter((id) => place.has(id)).map((id) => {
    const [from, to] = [place.get(id), place.get(task.id)];
    const [x1, y1, x2, y2] = [from.x + W, from.y + H / 2, to.x, to.y + H / 2];
    const critical = path.has(id) && path.has(task.id);
    return svg('path', { class: critical ? 'edge critical' : 'edge', d: `M${x1} ${y1}C${x1 + 24} ${y1} ${x2 - 24} ${y2} ${x2} ${y2}` });
  }));
  const heads = waves.map((wave, x) => svg('text', { class: 'wave', x: x * (W + GAP_X) + 4, y: 14 }, `Wave ${wave}`));
  const nodes = tasks.map((task) => {
    const { x, y } = place.get(task.id);
    const open = () => pick(task.id);
    const keys = (event) => { if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); open(); } };
    const words = `${task.id}, ${task.title}: ${task.status}, ${task.phase}${path.has(task.id) ? ', on the critical path' : ''}`;
    const classes = `node is-${task.status}${path.has(task.id) ? ' critical' : ''}${task.id === selected ? ' selected' : ''}`;
    return svg('g', { class: classes, tabindex: 0, role: 'button', 'aria-description': words, 'data-task': task.id, transform: `translate(${x} ${y})`, onclick: open, onkeydown: keys },
      svg('rect', { width: W, height: H, rx: 6 }),
      svg('text', { class: 'state', x: 10, y: 17 }, `${mark(task.status)} ${task.status} · ${task.phase}`),
      svg('text', { class: 'title', x: 10, y: 34 }, short(task.title, 28)),
      svg('text', { class: 'activity', x: 10, y: 50 }, short(task.activity ?? task.error ?? task.id, 34)));
  });
  return svg('svg', { class: 'graph', width, height, viewBox: `0 0 ${width} ${height}`, role: 'group', 'aria-label': 'Tasks in waves' }, ...heads, ...edges, ...nodes);
}
