// A long text, of which only the lines in view are in the page: ten megabytes scroll like ten lines.
import { h } from './dom.js';

const [LINE, SPARE, HEIGHT_MAX] = [18, 20, 8000000];

/** `kind` gives a line its class. */
export function lines(text, label, kind) {
  const all = text.split('\n');
  const view = h('div', { class: 'lines', tabindex: 0, role: 'region', 'aria-label': label });
  const inside = h('div', { class: 'lines-inside' });
  const height = Math.min(all.length * LINE, HEIGHT_MAX);
  // Browsers draw nothing beyond some millions of pixels: a longer text scrolls faster than the wheel.
  const scale = all.length * LINE / height;
  inside.style.height = `${height}px`;
  view.append(inside);
  let drawn = -1;
  const draw = () => {
    const first = Math.max(0, Math.floor(view.scrollTop * scale / LINE) - SPARE);
    if (first === drawn) return;
    drawn = first;
    const count = Math.ceil((view.clientHeight || 400) / LINE) + 2 * SPARE;
    inside.replaceChildren(...all.slice(first, first + count).map((line, at) => {
      const row = h('div', { class: `line ${kind?.(line) ?? ''}` }, line.slice(0, 4000));
      row.style.top = `${(first + at) * LINE - view.scrollTop * (scale - 1)}px`;
      return row;
    }));
  };
  view.addEventListener('scroll', () => requestAnimationFrame(draw));
  draw();
  return view;
}
