// A long text, of which only the lines in view are in the page: ten megabytes scroll like ten lines.
import { h, put, say, look } from './dom.js';

const LINE = 18;
const SPARE = 12;
/** Browsers draw nothing beyond some millions of pixels: a longer text scrolls faster than the wheel. */
const HEIGHT_MAX = 15e6;
const CHARS_MAX = 4000;
const AT_END = 24;

export class Lines {
  /** `kind` gives a line its class; with `follows`, the end stays in view for whoever looks at it. */
  constructor(label, { kind = () => '', follows = false } = {}) {
    Object.assign(this, { kind, follows, all: [], found: new Set(), current: -1, isAtEnd: follows, rows: [] });
    this.inside = h('div', { class: 'lines-inside' });
    this.node = h('div', { class: 'lines', tabindex: 0, role: 'region', 'aria-label': label }, this.inside);
    this.node.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#resized()).observe(this.node);
    this.set([]);
  }

  /** Shows these lines. Whoever reads in the middle stays where they are. */
  set(all) {
    const first = this.scale > 1 ? (this.node.scrollTop * this.scale) / LINE : null;
    this.all = all;
    const whole = Math.max(1, all.length) * LINE;
    const height = Math.min(whole, HEIGHT_MAX);
    this.scale = whole / height;
    put(this.node, { 'data-lines': all.length });
    look(this.inside, { height: `${height}px` });
    if (this.isAtEnd) this.node.scrollTop = height;
    else if (first !== null) this.node.scrollTop = (first * LINE) / this.scale;
    this.draw();
  }

  #scrolled() {
    this.isAtEnd = this.follows && this.node.scrollTop + this.node.clientHeight >= this.node.scrollHeight - AT_END;
    this.drawing ||= requestAnimationFrame(() => {
      this.drawing = 0;
      this.draw();
    });
  }

  #resized() {
    if (this.isAtEnd) this.node.scrollTop = this.node.scrollHeight;
    this.draw();
  }

  draw() {
    const top = this.node.scrollTop;
    const height = this.node.clientHeight || 400;
    const at = this.scale > 1 ? (top / Math.max(1, this.inside.offsetHeight - height)) * (this.all.length - height / LINE) : top / LINE;
    const first = Math.max(0, Math.floor(at) - SPARE);
    const count = Math.max(0, Math.min(this.all.length - first, Math.ceil(height / LINE) + 2 * SPARE));
    while (this.rows.length < count) this.rows.push(this.inside.appendChild(h('div', { class: 'line' })));
    while (this.rows.length > count) this.rows.pop().remove();
    const shift = this.scale > 1 ? top - at * LINE : 0;
    this.rows.forEach((row, offset) => {
      const index = first + offset;
      const line = this.all[index];
      say(row, line.length > CHARS_MAX ? `${line.slice(0, CHARS_MAX)}…` : line || ' ');
      const marks = `${this.found.has(index) ? ' is-found' : ''}${index === this.current ? ' is-current' : ''}`;
      put(row, { class: `line ${this.kind(line, index)}${marks}` });
      look(row, { top: `${index * LINE + shift}px` });
    });
  }

  /** Brings a line into view, a third from the top. */
  reveal(index) {
    const height = this.node.clientHeight || 400;
    const at = Math.max(0, index - height / LINE / 3);
    const span = Math.max(1, this.inside.offsetHeight - height);
    this.node.scrollTop = this.scale > 1 ? (at / Math.max(1, this.all.length - height / LINE)) * span : at * LINE;
    this.node.scrollLeft = 0;
    this.draw();
  }

  toEnd() {
    this.isAtEnd = this.follows;
    this.node.scrollTop = this.node.scrollHeight;
    this.draw();
  }
}

/** A box that finds text in lines: Enter goes on, Shift and Enter go back. */
export function finder(lines) {
  const input = h('input', {
    type: 'search',
    placeholder: 'Find',
    'aria-label': `Find in ${lines.node.getAttribute('aria-label')}`,
    autocomplete: 'off',
    spellcheck: 'false',
  });
  const count = h('span', { class: 'found', role: 'status' });
  let hits = [];
  let at = -1;
  const draw = () => {
    lines.current = at >= 0 ? hits[at] : -1;
    say(count, input.value === '' ? '' : hits.length === 0 ? 'not found' : `${at + 1} of ${hits.length}`);
    if (at >= 0) lines.reveal(hits[at]);
    else lines.draw();
  };
  const search = () => {
    const wanted = input.value.toLowerCase();
    hits = [];
    if (wanted)
      lines.all.forEach((line, index) => {
        if (line.toLowerCase().includes(wanted)) hits.push(index);
      });
    lines.found = new Set(hits);
    at = hits.length > 0 ? 0 : -1;
    draw();
  };
  let timer = 0;
  input.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(search, 120);
  });
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && input.value !== '') {
      event.stopPropagation();
      input.value = '';
      search();
    }
    if (event.key !== 'Enter' || hits.length === 0) return;
    at = (at + (event.shiftKey ? hits.length - 1 : 1)) % hits.length;
    draw();
  });
  return h('div', { class: 'find' }, input, count);
}
