// What changes something. Each asks first where the command line would, and says what came of it.
import { ask } from './api.js';
import { h, say } from './dom.js';

/** A dialog with fields; resolves to their values, or null. */
export function dialog(title, text, fields, verb) {
  return new Promise((resolve) => {
    const inputs = fields.map(({ name, label, long, value, required }) => {
      const input = long ? h('textarea', { name, rows: 8, required }) : h('input', { name, required });
      input.value = value ?? '';
      return h('label', null, label, input);
    });
    const form = h('form', { method: 'dialog' }, h('h2', { id: 'dialog-title' }, title), text && h('p', null, text), ...inputs,
      h('div', { class: 'buttons' }, h('button', { type: 'button', onclick: () => box.close() }, 'Back'), h('button', { class: 'primary' }, verb)));
    const box = h('dialog', { 'aria-labelledby': 'dialog-title' }, form);
    let values = null;
    // `form-action 'none'` holds for the page: the form is read here and goes nowhere.
    form.addEventListener('submit', (event) => { event.preventDefault(); values = Object.fromEntries(new FormData(form)); box.close(); });
    box.addEventListener('close', () => { box.remove(); resolve(values); });
    document.body.append(box);
    box.showModal();
  });
}

async function doing(what, call) {
  try {
    const answer = await call();
    say(answer.summary ?? answer.message ?? `${what}: done.`);
    return answer;
  } catch (error) {
    await dialog(`${what} did not work`, [error.message, error.hint].filter(Boolean).join('. '), [], 'Close');
    return null;
  }
}

export async function create() {
  const given = await dialog('New story', '', [
    { name: 'title', label: 'Title', required: true },
    { name: 'repositoryPath', label: 'Repository (folder)', required: true },
    { name: 'description', label: 'Description', long: true },
  ], 'Create');
  return given && doing('Create', () => ask('POST', '', given));
}

const post = (what, id, path, body = {}) => doing(what, () => ask('POST', `/${encodeURIComponent(id)}${path}`, body));

export const decompose = (id) => post('Decompose', id, '/decompose');
export const run = (id) => post('Run', id, '/run', { all: true });
export const runWave = (id) => post('Run wave', id, '/run');
export const retry = (id, task) => post('Retry', id, `/tasks/${encodeURIComponent(task)}/retry`);

export async function cancel(id) {
  const sure = await dialog('Cancel the run?', 'Agents are asked to stop. Their sessions and work are kept; running again goes on.', [], 'Cancel the run');
  return sure && post('Cancel', id, '/cancel');
}

export async function complete(id) {
  const sure = await dialog('Complete the story?', 'The base is brought in, the result verified, squashed to one commit and published.', [], 'Complete');
  return sure && post('Complete', id, '/complete');
}
