// What came of a command: said politely, or kept in view until somebody has read it.
import { h } from './dom.js';

const GOOD_MS = 6000;
const place = () => document.getElementById('notices');

/** For those who listen to the page: said once, never twice in a row. */
export function announce(text) {
  const live = document.getElementById('live');
  if (live.textContent !== text) live.textContent = text;
}

/** Good news, for a while. */
export function tell(text) {
  announce(text);
  const node = h(
    'div',
    { class: 'notice is-good' },
    h('p', null, text),
    closer(() => node.remove()),
  );
  place().append(node);
  setTimeout(() => node.remove(), GOOD_MS);
}

/** Under way until `done` is called. */
export function working(text) {
  const node = h('div', { class: 'notice is-busy' }, h('p', null, text));
  place().append(node);
  announce(text);
  return () => node.remove();
}

/** A refusal: stays until it is closed. `again` opens the dialog with what was entered. */
export function refusal(what, error, again) {
  const buttons = h('div', { class: 'buttons' });
  const node = h(
    'div',
    { class: 'notice is-bad', role: 'alert', 'data-code': error.code || 'unknown' },
    h('p', null, h('b', null, `${what} did not work.`), ' ', h('code', null, error.code || 'unreachable')),
    h('p', null, `${error.message}${/[.!?]$/.test(error.message) ? '' : '.'}`),
    error.hint ? h('p', { class: 'hint' }, `Hint: ${error.hint}`) : null,
    buttons,
  );
  if (again)
    buttons.append(
      h(
        'button',
        {
          type: 'button',
          onclick: () => {
            node.remove();
            again();
          },
        },
        'Change and try again',
      ),
    );
  buttons.append(closer(() => node.remove()));
  place().append(node);
}

const closer = (act) => h('button', { type: 'button', class: 'quiet', 'aria-label': 'Dismiss this notice', onclick: act }, 'Dismiss');
