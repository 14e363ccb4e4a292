// Makes elements, and changes only what differs. Text is always text: nothing here, or anywhere on the page, parses markup.
const SVG = 'http://www.w3.org/2000/svg';
const KNOWN = Symbol('attributes as they were set last');
const SAID = Symbol('text as it was set last');
const ROWS = Symbol('rows by key');

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else put(node, { [name]: value });
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const h = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
export const svg = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

/** Sets attributes that differ from what was set last; null and false take them away. */
export function put(node, attributes) {
  const known = (node[KNOWN] ??= {});
  for (const [name, value] of Object.entries(attributes)) {
    if (known[name] === value) continue;
    known[name] = value;
    if (value === null || value === undefined || value === false) node.removeAttribute(name);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
}

/** Sets the text of an element, if it differs. */
export function say(node, value) {
  const text = String(value ?? '');
  if (node[SAID] === text) return;
  node[SAID] = text;
  node.textContent = text;
}

/** Shows or hides an element. */
export function show(node, isShown) {
  if (node.hidden === Boolean(isShown)) node.hidden = !isShown;
}

/** Sets properties of an element's style; the policy allows that, unlike a `style` in markup. */
export function look(node, properties) {
  const known = (node[KNOWN] ??= {});
  for (const [name, value] of Object.entries(properties)) {
    if (known[`style ${name}`] === value) continue;
    known[`style ${name}`] = value;
    node.style.setProperty(name, value);
  }
}

/**
 * One row for each item, made once and kept by its key. `make` gives `{ node }`, `update` gets the row and the item. The children
 * of `parent` are these rows and nothing else; a row that stays in its place is never taken out of the page.
 */
export function keyed(parent, items, key, make, update) {
  const rows = (parent[ROWS] ??= new Map());
  const wanted = new Set(items.map(key));
  for (const [id, row] of rows) {
    if (wanted.has(id)) continue;
    row.node.remove();
    rows.delete(id);
  }
  let at = parent.firstElementChild;
  for (const item of items) {
    const id = key(item);
    let row = rows.get(id);
    if (!row) rows.set(id, (row = make(item)));
    update?.(row, item);
    if (row.node === at) at = at.nextElementSibling;
    else parent.insertBefore(row.node, at);
  }
  return rows;
}

/** A row of `keyed` by its key. */
export const rowOf = (parent, id) => parent[ROWS]?.get(id);
