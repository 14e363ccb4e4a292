// The page: which story is shown, where it is drawn, and the keys.
import { create } from './actions.js';
import * as actions from './actions.js';
import { showKeys } from './dialog.js';
import { h, put, say, show } from './dom.js';
import { List } from './list.js';
import { StoryView } from './story.js';
import { TaskPanel } from './task.js';
import { changed, choose, loadStories, loadStory, onChange, onEvent, retry, state } from './store.js';

const $ = (id) => document.getElementById(id);
const KEYS = [
  ['/', 'filter the stories'],
  ['← ↑ → ↓', 'move between tasks'],
  ['Enter', 'open a task'],
  ['Esc', 'close the task'],
  ['n', 'new story'],
  ['?', 'these keys'],
];
const CONNECTION = { live: 'Live', lost: 'Reconnecting…', refused: 'Not logged in' };
const connectionWords = () =>
  state.connection === 'silent' ? `No answer for ${state.silence} s` : (CONNECTION[state.connection] ?? 'Connecting…');

const go = (task) => {
  location.hash = task ? `#/${state.storyId}/${encodeURIComponent(task)}` : `#/${state.storyId}`;
};
const list = new List($('stories'), (text) => {
  state.filter = text;
  changed();
});
const view = new StoryView(go);
const panel = new TaskPanel($('task'), { close, retry: (task) => actions.retry(state.status, task) });
const welcome = makeWelcome();
$('main').append(welcome.node, view.node);

function close() {
  const task = state.taskId;
  go(null);
  view.graph.focus(task);
}

/** What stands there while no story does. */
function makeWelcome() {
  const title = h('h2', null);
  const text = h('p', null);
  const code = h('pre', { tabindex: 0 });
  const button = h('button', { type: 'button', class: 'primary', onclick: () => newStory() }, 'Create a story');
  const again = h('button', { type: 'button', onclick: retry }, 'Try again');
  return {
    node: h('div', { class: 'welcome' }, h('a', { class: 'back', href: '#/' }, '← Stories'), title, text, code, button, again),
    again,
    title,
    text,
    code,
    button,
  };
}

function welcomeWords() {
  if (state.connection === 'refused') {
    return [
      'Not logged in',
      'Open the link that aura serve prints. It works once and lets this browser in for good. A running server gives another:',
      'curl -X POST -H "Authorization: Bearer $(cat "$AURA_HOME/http-token")" \\\n  http://…/api/link',
    ];
  }
  if (state.trouble) return ['This story cannot be shown', [state.trouble.message, state.trouble.hint].filter(Boolean).join(' '), ''];
  if (state.storyId || !state.isListed) return [state.connection === 'lost' ? 'The server does not answer' : 'Loading…', '', ''];
  if (state.stories.length === 0) {
    return [
      'No stories yet',
      'A story is one piece of work: it becomes tasks, agents do them side by side, and a gate builds and tests what landed. ' +
        'Create one here, or on the command line:',
      'aura new "What should be true at the end"\naura decompose\naura run --all',
    ];
  }
  return ['Choose a story', 'Its plan, its agents and its gates are shown here, live. Or create a new one.', ''];
}

function draw() {
  put($('connection'), { 'data-state': state.connection || null });
  say($('connection'), connectionWords());
  list.update(state);
  const isStory = Boolean(state.storyId && state.status && state.connection !== 'refused');
  show(view.node, isStory);
  show(welcome.node, !isStory);
  put(document.body, { 'data-place': state.storyId ? (state.taskId ? 'task' : 'story') : 'list' });
  if (isStory) view.update(state);
  else drawWelcome();
  panel.update(isStory ? state : { status: null, taskId: null });
  const title = isStory ? `${state.status.title} · Aura` : 'Aura';
  if (document.title !== title) document.title = title;
}

function drawWelcome() {
  const [title, text, code] = welcomeWords();
  say(welcome.title, title);
  say(welcome.text, text);
  say(welcome.code, code);
  show(welcome.code, code !== '');
  show(welcome.button, state.connection === 'live' && !state.storyId);
  show(welcome.again, state.trouble && state.connection !== 'refused');
}

function route() {
  const [, story, task] = location.hash.split('/').map((text) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  });
  state.taskId = task || null;
  choose(story || null);
  changed();
}

const newStory = () => create(state.story?.repositoryPath ?? state.stories[0]?.repositoryPath);

function pressed(event) {
  if (document.querySelector('dialog[open]') || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'Escape' && state.taskId) {
    close();
    return;
  }
  if (event.target.closest?.('input, textarea, select')) return;
  if (event.key === '/') {
    event.preventDefault();
    if (document.body.dataset.place !== 'list') focusFilter();
    else list.input.focus();
  }
  if (event.key === '?') showKeys(KEYS);
  if (event.key === 'n' && state.connection === 'live') {
    event.preventDefault();
    newStory();
  }
}

/** In a narrow window the list is not beside the story. */
function focusFilter() {
  if (list.input.offsetParent === null) location.hash = '#/';
  requestAnimationFrame(() => list.input.focus());
  list.input.focus();
}

function turnTheme() {
  const root = document.documentElement;
  const isDark = (root.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';
  root.dataset.theme = isDark ? 'light' : 'dark';
  try {
    localStorage.setItem('aura-theme', root.dataset.theme);
  } catch {
    /* Private windows keep nothing. */
  }
}

$('new').addEventListener('click', newStory);
$('theme').addEventListener('click', turnTheme);
$('keys').addEventListener('click', () => showKeys(KEYS));
onChange(draw);
onEvent((event) => panel.heard(event));
addEventListener('keydown', pressed);
addEventListener('hashchange', route);
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) {
    loadStories();
    loadStory();
  }
});
// What runs shows how long it has been running.
setInterval(() => {
  if (!document.hidden) changed();
}, 1000);
route();
loadStories();
