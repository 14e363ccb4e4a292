// A status as colour, shape and word.
import { h, svg, put, say } from './dom.js';
import { spaced, tone } from './words.js';

const SHAPES = {
  idle: 'M8 2.75a5.25 5.25 0 1 0 0 10.5a5.25 5.25 0 1 0 0-10.5',
  busy: 'M8 2.75a5.25 5.25 0 1 1-5.25 5.25M8 5.5v2.75l1.75 1.25',
  good: 'M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 1 0 0-13zM5 8.2l2.1 2.1l4-4.4',
  bad: 'M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 1 0 0-13zM5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8',
  off: 'M8 2.75a5.25 5.25 0 1 0 0 10.5a5.25 5.25 0 1 0 0-10.5M5.5 8h5',
  odd: 'M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 1 0 0-13zM8 4.8v3.9M8 10.9v.3',
};

/** A shape; `draw` gives it the shape of another status. */
export function icon(status) {
  const path = svg('path', {});
  const node = svg('svg', { viewBox: '0 0 16 16', 'aria-hidden': 'true', focusable: 'false' }, path);
  const draw = (now) => {
    put(node, { class: `icon is-${tone(now)}` });
    put(path, { d: SHAPES[tone(now)] });
  };
  draw(status);
  return { node, draw };
}

/** Shape and word. */
export function badge(status) {
  const shape = icon(status);
  const word = h('span', null);
  const node = h('span', {}, shape.node, word);
  const draw = (now, words = spaced(now)) => {
    put(node, { class: `badge is-${tone(now)}` });
    shape.draw(now);
    say(word, words);
  };
  draw(status);
  return { node, draw };
}
