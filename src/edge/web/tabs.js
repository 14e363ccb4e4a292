// Tabs, as the ARIA practices describe them: arrow keys move, one panel is in view.
import { h, put, show } from './dom.js';

export function tabs(prefix, panels, chosen) {
  const names = Object.keys(panels);
  const buttons = names.map((name) =>
    h(
      'button',
      { type: 'button', role: 'tab', id: `${prefix}-tab-${name}`, 'aria-controls': `${prefix}-panel-${name}`, onclick: () => choose(name) },
      name,
    ),
  );
  const bodies = names.map((name) =>
    h('div', { role: 'tabpanel', id: `${prefix}-panel-${name}`, 'aria-labelledby': `${prefix}-tab-${name}` }, panels[name]),
  );
  const list = h('div', { role: 'tablist', class: 'tabs', 'aria-label': 'What to show' }, buttons);
  const made = { list, panels: bodies, chosen: names[0] };
  const draw = () =>
    names.forEach((name, index) => {
      put(buttons[index], { 'aria-selected': name === made.chosen ? 'true' : 'false', tabindex: name === made.chosen ? 0 : -1 });
      show(bodies[index], name === made.chosen);
    });
  function choose(name) {
    made.chosen = name;
    draw();
    chosen(name);
  }
  list.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = (names.indexOf(made.chosen) + step + names.length) % names.length;
    choose(names[next]);
    buttons[next].focus();
  });
  draw();
  return made;
}
