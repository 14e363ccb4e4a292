// Makes elements. Text is always text: nothing here, or anywhere on the page, parses markup.
const SVG = 'http://www.w3.org/2000/svg';

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const h = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
export const svg = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

const MARKS = { Pending: '○', Running: '◐', Completed: '✓', Failed: '✕', Skipped: '–' };

/** A status in colour, shape and word. */
export const badge = (status) => h('span', { class: `badge is-${status}` }, `${MARKS[status] ?? '•'} ${status}`);
export const mark = (status) => MARKS[status] ?? '•';

export function seconds(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

export function say(text) {
  document.getElementById('live').textContent = text;
}
