// A patch as lines with a kind, and the files in it.
import { h, say, keyed } from './dom.js';
import { Lines, finder } from './lines.js';
import { number, plural } from './words.js';

/** Files of a patch: path, where it begins, and how many lines came and went. */
export function filesOf(lines) {
  const files = [];
  lines.forEach((line, index) => {
    if (line.startsWith('diff --git ')) files.push({ path: line.replace(/^diff --git a\/.* b\//, ''), index, added: 0, removed: 0 });
    const file = files.at(-1);
    if (!file) return;
    if (line.startsWith('+') && !line.startsWith('+++ ')) file.added += 1;
    if (line.startsWith('-') && !line.startsWith('--- ')) file.removed += 1;
  });
  return files;
}

function kind(line) {
  if (line.startsWith('diff --git ')) return 'is-file';
  if (/^(index|new file|deleted file|similarity|rename|old mode|new mode|\+\+\+|---) ?/.test(line)) return 'is-dim';
  if (line.startsWith('@@')) return 'is-hunk';
  if (line.startsWith('+')) return 'is-added';
  if (line.startsWith('-')) return 'is-removed';
  return '';
}

export class Diff {
  constructor() {
    this.lines = new Lines('Diff', { kind });
    this.sum = h('p', { class: 'legend' });
    this.files = h('ul', { class: 'files' });
    this.node = h('div', { class: 'diff' }, h('div', { class: 'bar-of-lines' }, this.sum, finder(this.lines)), this.files, this.lines.node);
  }

  set(text, none) {
    if (this.text === text && this.none === none) return;
    Object.assign(this, { text, none });
    const lines = text ? text.replace(/\n$/, '').split('\n') : [];
    const files = filesOf(lines);
    const total = (name) => files.reduce((sum, file) => sum + file[name], 0);
    say(this.sum, text ? `${plural(files.length, 'file')}, +${number(total('added'))} −${number(total('removed'))}` : none);
    keyed(
      this.files,
      files,
      (file) => `${file.index} ${file.path}`,
      (file) => ({
        node: h(
          'li',
          null,
          h(
            'button',
            { type: 'button', onclick: () => this.lines.reveal(this.at(file)) },
            h('span', { class: 'path' }, file.path),
            h('span', { class: 'added' }, `+${number(file.added)}`),
            h('span', { class: 'removed' }, `−${number(file.removed)}`),
          ),
        ),
      }),
    );
    this.lines.set(lines);
  }

  /** A third is left above by `reveal`; a heading belongs to the top. */
  at(file) {
    return file.index + Math.floor(this.lines.node.clientHeight / 18 / 3);
  }
}
