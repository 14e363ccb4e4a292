// Questions before something is done.
import { h } from './dom.js';

let count = 0;

/** A field: `kind` is text, long, number, check or choice. Its help stands below, outside the label. */
function field({ name, label, kind = 'text', value, required, help, options, min, max, placeholder }) {
  const id = `field-${(count += 1)}`;
  const described = help ? `${id}-help` : null;
  const common = { id, name, required, 'aria-describedby': described, placeholder };
  let input;
  if (kind === 'choice')
    input = h(
      'select',
      common,
      options.map(([word, text]) => h('option', { value: word }, text)),
    );
  else if (kind === 'long') input = h('textarea', { ...common, rows: 8 });
  else if (kind === 'check') input = h('input', { ...common, type: 'checkbox' });
  else
    input = h('input', { ...common, type: kind, min, max, autocomplete: 'off', spellcheck: 'false', list: options ? `${id}-list` : null });
  if (kind === 'check') input.checked = Boolean(value);
  else input.value = value ?? '';
  const list =
    options && kind === 'text'
      ? h(
          'datalist',
          { id: `${id}-list` },
          options.map((word) => h('option', { value: word })),
        )
      : null;
  const words = h('label', { for: id }, label);
  const note = help ? h('p', { class: 'help', id: described }, help) : null;
  return {
    name,
    kind,
    input,
    node: h(
      'div',
      { class: kind === 'check' ? 'field is-check' : 'field' },
      kind === 'check' ? [input, words] : [words, input],
      list,
      note,
    ),
  };
}

/** What was entered: without what was left empty. */
function values(fields) {
  const given = {};
  for (const { name, kind, input } of fields) {
    if (kind === 'check') given[name] = input.checked;
    else if (input.value.trim() !== '') given[name] = kind === 'number' ? Number(input.value) : input.value;
  }
  return given;
}

/**
 * Asks; resolves to what was entered, or to null. `texts` say what will happen and what is kept; `more` are fields that few need.
 */
export function ask({ title, texts = [], fields = [], more = [], verb, isDanger = false }) {
  return new Promise((resolve) => {
    const all = fields.map(field);
    const rare = more.map(field);
    const id = `dialog-${(count += 1)}`;
    const form = h(
      'form',
      { method: 'dialog' },
      h('h2', { id }, title),
      texts.map((text) => h('p', null, text)),
      all.map((one) => one.node),
      rare.length > 0 &&
        h(
          'details',
          null,
          h('summary', null, 'More options'),
          rare.map((one) => one.node),
        ),
      h(
        'div',
        { class: 'buttons' },
        h('button', { type: 'button', onclick: () => box.close() }, 'Back'),
        h('button', { class: isDanger ? 'primary danger' : 'primary', autofocus: all.length === 0 }, verb),
      ),
    );
    const box = h('dialog', { 'aria-labelledby': id }, form);
    let answer = null;
    // `form-action 'none'` holds for the page: the form is read here and goes nowhere.
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      answer = values([...all, ...rare]);
      box.close();
    });
    box.addEventListener('close', () => {
      box.remove();
      resolve(answer);
    });
    document.body.append(box);
    box.showModal();
  });
}

/** The keys of the page. */
export function showKeys(keys) {
  const rows = keys.map(([key, what]) => h('tr', null, h('td', null, h('kbd', null, key)), h('td', null, what)));
  const box = h(
    'dialog',
    { 'aria-labelledby': 'keys-title' },
    h('h2', { id: 'keys-title' }, 'Keys'),
    h('table', { class: 'keys' }, h('tbody', null, rows)),
    h('div', { class: 'buttons' }, h('button', { type: 'button', class: 'primary', onclick: () => box.close() }, 'Close')),
  );
  box.addEventListener('close', () => box.remove());
  document.body.append(box);
  box.showModal();
}
