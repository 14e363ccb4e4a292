// One task: its prompt, what its agent says, what it changed, what it used.
import { ask } from './api.js';
import { h, badge } from './dom.js';
import { lines } from './lines.js';

const TRANSCRIPT_BYTES = 10485760;
const diffKind = (line) => (line.startsWith('+') ? 'added' : line.startsWith('-') ? 'removed' : line.startsWith('@@') ? 'hunk' : '');
const number = (value) => (value ?? 0).toLocaleString('en');

export async function taskPanel(storyId, taskId, actions) {
  const path = `/${encodeURIComponent(storyId)}/tasks/${encodeURIComponent(taskId)}/output?diff=true&maxBytes=${TRANSCRIPT_BYTES}`;
  const task = await ask('GET', path);
  const section = (title, body) => body && h('section', null, h('h3', null, title), body);
  const attempts = (task.attemptsMade ?? []).map((attempt) => h('tr', null,
    h('td', null, attempt.number), h('td', null, attempt.purpose), h('td', null, attempt.agent), h('td', null, attempt.outcome ?? 'running'),
    h('td', null, number(attempt.usage?.inputTokens)), h('td', null, number(attempt.usage?.outputTokens)), h('td', null, number(attempt.usage?.premiumRequests))));
  const heads = ['#', 'Purpose', 'Agent', 'Outcome', 'Tokens in', 'Tokens out', 'Premium'].map((text) => h('th', { scope: 'col' }, text));
  return [
    h('header', null, h('h2', null, task.title), badge(task.status), h('button', { type: 'button', onclick: actions.close }, 'Close')),
    ['Failed', 'Skipped'].includes(task.status) && h('button', { type: 'button', onclick: () => actions.retry(taskId) }, 'Retry task'),
    task.error && h('p', { class: 'error', role: 'note' }, task.error),
    section('Attempts', attempts.length > 0 && h('table', null, h('thead', null, h('tr', null, ...heads)), h('tbody', null, ...attempts))),
    section('Prompt', task.description && h('pre', { tabindex: 0 }, task.description)),
    section('Transcript', task.transcript && lines(task.transcript, 'Transcript')),
    section('Diff', task.diff && lines(task.diff, 'Diff', diffKind)),
  ].filter(Boolean);
}
