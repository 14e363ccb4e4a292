// A story as its plan: a column for each wave, an arrow for each dependency, the chain that takes longest drawn strongest.
import { h, svg, put, say, show, look, keyed, rowOf } from './dom.js';
import { icon } from './icons.js';
import { arrange, criticalPath, neighbour, way, weights } from './plan.js';
import { PHASES, duration, elapsed } from './words.js';

/** `pick` is called with the task that somebody opens. */
export class Graph {
  constructor(pick) {
    this.pick = pick;
    this.layout = null;
    this.key = '';
    this.path = { ids: [], ms: 0 };
    this.heads = h('div', { class: 'heads' });
    this.edges = svg('g', {});
    this.canvas = svg('svg', { class: 'edges', 'aria-hidden': 'true' }, this.edges);
    this.nodes = h('div', { class: 'nodes' });
    this.inside = h('div', { class: 'dag-inside' }, this.heads, this.canvas, this.nodes);
    this.dag = h('div', { class: 'dag', role: 'group', 'aria-label': 'Tasks in waves; arrow keys move between them' }, this.inside);
    this.legend = h('p', { class: 'legend' });
    this.node = h('section', { class: 'plan', 'aria-labelledby': 'plan-title' },
      h('header', null, h('h3', { id: 'plan-title' }, 'Plan'), this.legend), this.dag);
    this.dag.addEventListener('keydown', (event) => this.#move(event));
    this.dag.addEventListener('focusin', (event) => this.#focused(event.target.closest('[data-task]')?.dataset.task));
    this.dag.addEventListener('mouseover', (event) => this.#light(event.target.closest('[data-task]')?.dataset.task));
    this.dag.addEventListener('mouseleave', () => this.#light(null));
    this.current = null;
  }

  update({ status, log, taskId }) {
    const { tasks } = status;
    show(this.node, tasks.length > 0);
    const key = tasks.map((task) => `${task.id}:${task.wave}:${task.dependsOn.join(',')}`).join(' ');
    if (key !== this.key || this.storyId !== status.storyId) this.#arrange(key, status);
    if (this.seen !== status || this.version !== log.version) this.#critical(status, log);
    const now = Date.now();
    if (!this.layout.places.has(this.current)) this.current = tasks[0]?.id ?? null;
    keyed(this.nodes, tasks, (task) => task.id, (task) => this.#make(task), (row, task) => this.#update(row, task, log, taskId, now));
    this.#updateHeads(tasks, log);
  }

  #arrange(key, status) {
    const { tasks } = status;
    const isOther = this.storyId !== status.storyId;
    this.key = key;
    this.storyId = status.storyId;
    this.layout = arrange(tasks);
    const { width, height, isDense, places } = this.layout;
    look(this.inside, { width: `${width}px`, height: `${height}px` });
    put(this.canvas, { width: Math.max(0, width), height });
    put(this.dag, { class: isDense ? 'dag is-dense' : 'dag' });
    const edges = tasks.flatMap((task) => task.dependsOn.filter((id) => places.has(id)).map((from) => ({ key: `${from} ${task.id}`, from, to: task.id })));
    keyed(this.edges, edges, (edge) => edge.key, (edge) => ({ node: svg('path', { 'data-edge': edge.key }), ...edge }),
      (row, edge) => put(row.node, { d: way(this.layout, places.get(edge.from), places.get(edge.to)) }));
    this.list = edges;
    const first = this.layout.heads.find((head) => head.wave === status.currentWave);
    const left = status.run && first ? Math.max(0, first.x - 80) : 0;
    if (isOther) requestAnimationFrame(() => { this.dag.scrollLeft = left; });
  }

  #critical(status, log) {
    Object.assign(this, { seen: status, version: log.version });
    this.path = criticalPath(status.tasks, weights(status.tasks, log, Date.now()));
    const inPath = new Set(this.path.ids);
    for (const edge of this.list) {
      const at = this.path.ids.indexOf(edge.to);
      const isCritical = inPath.has(edge.from) && at > 0 && this.path.ids[at - 1] === edge.from;
      put(rowOf(this.edges, edge.key).node, { 'data-critical': isCritical ? 'true' : null });
    }
    show(this.legend, this.path.ids.length > 0);
    say(this.legend, `Critical path: ${this.path.ids.length} tasks, ${duration(this.path.ms)}`);
  }

  #make(task) {
    const shape = icon(task.status);
    const parts = {
      title: h('span', { class: 'title' }), word: h('span', { class: 'word' }), time: h('span', { class: 'time' }), activity: h('span', { class: 'activity' }),
    };
    const node = h('button', { type: 'button', class: 'node', 'data-task': task.id, onclick: () => this.pick(task.id) },
      shape.node, parts.title, h('span', { class: 'state' }, parts.word, parts.time), parts.activity);
    return { node, shape, ...parts };
  }

  #update(row, task, log, chosen, now) {
    const { x, y } = this.layout.places.get(task.id);
    const { width, height } = this.layout.size;
    look(row.node, { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` });
    const isCritical = this.path.ids.includes(task.id);
    put(row.node, {
      'data-status': task.status, 'data-critical': isCritical ? 'true' : null, tabindex: task.id === this.current ? 0 : -1,
      'aria-current': task.id === chosen ? 'true' : null, 'aria-description': isCritical ? 'on the critical path' : null,
    });
    row.shape.draw(task.status);
    const title = log.plan.get(task.id)?.title ?? task.title;
    say(row.title, title);
    put(row.node, { title: `${task.id}: ${title}` });
    const running = log.running(task.id);
    const phase = PHASES[task.phase] ?? task.phase;
    const isPlain = this.layout.isDense || task.status === 'Completed' || task.status === 'Failed' || task.status === 'Skipped' || task.status === 'Pending';
    say(row.word, isPlain && task.phase !== 'resolving' && task.phase !== 'repairing' ? task.status : `${task.status}, ${phase}`);
    const worked = log.worked(task.id, now);
    say(row.time, running ? elapsed(now - running.from) : worked > 0 ? duration(worked) : '');
    say(row.activity, (task.status === 'Running' && (log.activity.get(task.id) ?? task.activity)) || task.error || restingWords(task));
  }

  #updateHeads(tasks, log) {
    const byId = new Map(tasks.map((task) => [task.id, task]));
    keyed(this.heads, this.layout.heads, (head) => head.wave, (head) => {
      const [name, count, gate] = [h('b', null, `Wave ${head.wave}`), h('span', null), h('span', { class: 'wave-gate' })];
      return { node: h('div', { class: 'wave', 'data-wave': head.wave }, name, count, gate), count, gate };
    }, (row, head) => {
      look(row.node, { left: `${head.x}px`, width: `${head.width}px` });
      const landed = head.ids.filter((id) => byId.get(id).status === 'Completed').length;
      say(row.count, `${landed}/${head.ids.length}`);
      const gate = log.gates.findLast((one) => one.wave === head.wave);
      const verdict = gate && (gate.report ? `gate ${gate.report.verdict.toLowerCase()}` : gate.isLeft ? '' : 'gate is running');
      say(row.gate, verdict ?? '');
      put(row.gate, { 'data-verdict': gate?.report?.verdict ?? null });
    });
  }

  #focused(id) {
    if (!id || id === this.current) return;
    const before = rowOf(this.nodes, this.current);
    if (before) put(before.node, { tabindex: -1 });
    this.current = id;
    put(rowOf(this.nodes, id).node, { tabindex: 0 });
    this.#light(id);
  }

  #light(id) {
    if (this.lit === id) return;
    this.lit = id;
    put(this.dag, { 'data-lit': id ? 'true' : null });
    for (const edge of this.list ?? []) put(rowOf(this.edges, edge.key).node, { 'data-lit': id && (edge.from === id || edge.to === id) ? 'true' : null });
  }

  #move(event) {
    const id = event.target.closest('[data-task]')?.dataset.task;
    if (!id || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = neighbour(this.layout, id, event.key);
    if (next === null && !event.key.startsWith('Arrow')) return;
    event.preventDefault();
    if (next) this.focus(next);
  }

  focus(id) { rowOf(this.nodes, id)?.node.focus(); }
}

function restingWords(task) {
  if (task.status === 'Pending' && task.dependsOn.length > 0) return `after ${task.dependsOn.join(', ')}`;
  if (task.status === 'Completed' && task.attempts > 1) return `after ${task.attempts} attempts`;
  return task.id;
}
