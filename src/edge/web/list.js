// The stories, newest first, with a filter.
import { h, put, say, show, look, keyed } from './dom.js';
import { badge } from './icons.js';
import { ago, baseName, moment } from './words.js';

export class List {
  constructor(node, onFilter) {
    this.input = h('input', {
      type: 'search',
      placeholder: 'Filter stories',
      'aria-label': 'Filter stories',
      autocomplete: 'off',
      spellcheck: 'false',
    });
    this.input.addEventListener('input', () => onFilter(this.input.value));
    this.input.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') {
        this.input.value = '';
        onFilter('');
        this.input.blur();
      }
      if (event.key === 'ArrowDown') {
        event.preventDefault();
        this.items.querySelector('a')?.focus();
      }
    });
    this.items = h('ul', { 'aria-label': 'Stories' });
    this.items.addEventListener('keydown', (event) => this.#move(event));
    this.none = h('p', { class: 'none' });
    node.append(h('div', { class: 'filter' }, this.input, h('kbd', { 'aria-hidden': 'true' }, '/')), this.items, this.none);
  }

  update({ stories, filter, story, isListed }) {
    const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (one) =>
      words.every((word) => `${one.title} ${one.status} ${one.repositoryPath} ${one.shortId}`.toLowerCase().includes(word));
    const shown = words.length > 0 ? stories.filter(fits) : stories;
    const now = Date.now();
    keyed(
      this.items,
      shown,
      (one) => one.id,
      make,
      (row, one) => update(row, one, one.id === story?.id, now),
    );
    show(this.none, isListed && shown.length === 0);
    say(this.none, stories.length === 0 ? 'No stories yet.' : 'No story fits the filter.');
  }

  #move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const links = [...this.items.querySelectorAll('a')];
    const next = links[links.indexOf(document.activeElement) + step];
    event.preventDefault();
    (next ?? (step < 0 ? this.input : null))?.focus();
  }
}

function make(story) {
  const parts = {
    name: h('span', { class: 'name' }),
    repository: h('span', { class: 'repository' }),
    time: h('time', null),
    count: h('span', { class: 'count' }),
  };
  const status = badge(story.status);
  const [landed, bar] = [h('span', { class: 'fill' }), h('span', { class: 'meter', 'aria-hidden': 'true' })];
  bar.append(landed);
  const link = h(
    'a',
    { href: `#/${story.id}`, 'data-story': story.id },
    parts.name,
    h('span', { class: 'meta' }, status.node, parts.count),
    bar,
    h('span', { class: 'meta' }, parts.repository, parts.time),
  );
  return { node: h('li', null, link), link, status, landed, bar, ...parts };
}

function update(row, story, isShown, now) {
  put(row.link, { 'data-status': story.status, 'aria-current': isShown ? 'page' : null });
  say(row.name, story.title);
  row.status.draw(story.status);
  say(row.count, story.stepCount > 0 ? `${story.completedSteps}/${story.stepCount}` : 'no plan');
  show(row.bar, story.stepCount > 0);
  look(row.landed, { width: `${story.stepCount > 0 ? (100 * story.completedSteps) / story.stepCount : 0}%` });
  say(row.repository, baseName(story.repositoryPath));
  put(row.repository, { title: story.repositoryPath });
  say(row.time, ago(story.updatedAt, now));
  put(row.time, { datetime: story.updatedAt, title: moment(story.updatedAt) });
}
