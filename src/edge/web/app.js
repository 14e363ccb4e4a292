// The page: which story is shown, what is known of it, and when it is drawn again. State comes from the API and the log only.
import { ask, follow } from './api.js';
import { h, badge, seconds, say } from './dom.js';
import { graph } from './graph.js';
import { Bars, timeline } from './timeline.js';
import { taskPanel } from './task.js';
import { lines } from './lines.js';
import * as actions from './actions.js';

const PAUSE_MS = 120;
const $ = (id) => document.getElementById(id);
const state = { story: undefined, task: null, status: null, bars: new Bars(), stop: null, connection: '' };

/** Calls at most every so often, and once more when asked meanwhile. */
function calm(call) {
  let timer = 0;
  return () => { timer ||= setTimeout(async () => { try { await call(); } catch (error) { troubled(error); } finally { timer = 0; } }, PAUSE_MS); };
}

function connected(how) {
  if (state.connection === 'lost' && how === 'live') { listStories(); loadStatus(); }
  state.connection = how;
  const texts = { live: '● Live', lost: '◌ Reconnecting…', refused: '✕ Not logged in: open the link that aura serve prints' };
  $('connection').className = `connection is-${how}`;
  if ($('connection').textContent !== texts[how]) $('connection').textContent = texts[how];
}

function troubled(error) {
  if (error.status === 401 || error.status === 403) connected('refused');
  else if (error.status === undefined) connected('lost');
  else say(error.message);
}

const listStories = calm(async () => {
  const { stories } = await ask('GET', '');
  const items = stories.map((story) => h('li', null, h('a', { href: `#/${story.id}`, 'aria-current': story.id === state.story ? 'page' : null },
    h('span', { class: 'name' }, story.title), h('span', { class: 'meta' }, `${story.status} · ${story.completedSteps}/${story.stepCount} tasks`))));
  $('stories').replaceChildren(h('h2', null, 'Stories'), items.length > 0 ? h('ul', null, ...items) : h('p', null, 'None yet.'));
});

const loadStatus = calm(async () => {
  const id = state.story;
  if (!id) return;
  const status = await ask('GET', `/${encodeURIComponent(id)}/orchestrator-status?detailed=true&limit=256`);
  if (id !== state.story) return;
  if (state.status && state.status.status !== status.status) say(`The story is ${status.status}.`);
  state.status = status;
  draw();
  if (state.task) showTask();
});

const button = (text, act, primary) => h('button', { type: 'button', class: primary ? 'primary' : null, onclick: async () => { await act(state.story); loadStatus(); listStories(); } }, text);

function commands(status) {
  if (status.run) return [button('Cancel run', actions.cancel)];
  if (status.storyStatus === 'Completed') return [];
  if (status.tasks.length === 0) return [button('Decompose', actions.decompose, true)];
  if (status.isComplete) return [button('Complete', actions.complete, true)];
  return [button('Run all', actions.run, true), button('Run one wave', actions.runWave)];
}

function gate(report) {
  if (!report) return null;
  return h('section', { class: 'gate' }, h('h3', null, `Gate after wave ${report.afterWave}: ${report.verdict}`),
    ...report.checks.map((check) => h('div', null, h('p', null, `${check.name}: ${check.result}, ${seconds(check.durationMs)}`),
      check.output && lines(check.output, `Output of ${check.name}`))));
}

function draw() {
  const { status } = state;
  const focus = document.activeElement?.dataset?.task;
  const scroll = $('main').querySelector('.scroll')?.scrollLeft ?? 0;
  const usage = status.usage;
  $('main').replaceChildren(
    h('header', { class: 'story' }, h('h2', null, status.title), badge(status.status), h('div', { class: 'buttons' }, ...commands(status))),
    h('p', { class: 'summary' }, status.summary),
    ...(status.error ? [h('p', { class: 'error' }, status.error)] : []),
    h('p', { class: 'meta' }, `${usage.inputTokens.toLocaleString('en')} tokens in · ${usage.outputTokens.toLocaleString('en')} out · ${usage.premiumRequests} premium requests · ${seconds(usage.agentSeconds * 1000)} of agents`),
    h('div', { class: 'scroll' }, graph(status.tasks, state.task, pick)),
    ...[gate(status.gateResult), timelineSection()].filter(Boolean));
  $('main').querySelector('.scroll').scrollLeft = scroll;
  if (focus) $('main').querySelector(`[data-task="${CSS.escape(focus)}"]`)?.focus();
}

function timelineSection() {
  const drawn = timeline(state.bars);
  return drawn && h('section', null, h('h3', null, 'Timeline'), h('div', { class: 'scroll-x', tabindex: 0, role: 'region', 'aria-label': 'Timeline' }, drawn));
}

function pick(id) {
  location.hash = `#/${state.story}/${id}`;
}

const showTask = calm(async () => {
  const { story, task } = state;
  if (!task) return;
  const parts = await taskPanel(story, task, { close: () => { location.hash = `#/${story}`; }, retry: async (id) => { await actions.retry(story, id); loadStatus(); } });
  if (task !== state.task || story !== state.story) return;
  $('task').replaceChildren(...parts);
  $('task').hidden = false;
});

function happened(event) {
  state.bars.add(event);
  const task = state.status?.tasks.find((known) => known.id === event.task);
  if (event.kind === 'attemptActivity' && task) {
    task.activity = event.text;
    const text = $('main').querySelector(`[data-task="${CSS.escape(task.id)}"] .activity`);
    if (text) text.textContent = event.text.slice(0, 34);
    return;
  }
  loadStatus();
  listStories();
}

function route() {
  const [, story = null, task = null] = location.hash.split('/').map(decodeURIComponent);
  state.task = task;
  if (!task) $('task').hidden = true;
  if (story !== state.story) {
    state.stop?.();
    Object.assign(state, { story, status: null, bars: new Bars() });
    const start = story ? [`/${encodeURIComponent(story)}`, 0] : ['', -1];
    state.stop = follow(...start, happened, connected);
    $('main').replaceChildren(h('p', null, story ? 'Loading…' : 'Choose a story, or create one.'));
    listStories();
  }
  if (state.status) draw();
  loadStatus();
  if (task) showTask();
}

$('new').addEventListener('click', async () => {
  const story = await actions.create();
  if (story) location.hash = `#/${story.id}`;
});
$('theme').addEventListener('click', () => {
  const root = document.documentElement;
  const dark = (root.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';
  root.dataset.theme = dark ? 'light' : 'dark';
  try { localStorage.setItem('aura-theme', root.dataset.theme); } catch { /* Private windows keep nothing. */ }
});
addEventListener('keydown', (event) => { if (event.key === 'Escape' && state.task && !document.querySelector('dialog')) location.hash = `#/${state.story}`; });
addEventListener('hashchange', route);
route();
