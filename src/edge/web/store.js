// What the page knows, where it gets it, and when it is drawn again: once for a burst of news, in the next frame.
import { read, history, follow, storyPath } from './api.js';
import { Log } from './log.js';

/** News come in bursts: what they change is read once, after so long, and not again before so long. */
const CALM_MS = 120;
const GAP_FACTOR = 3;
const STORIES_MAX = 500;
/** What could not be read is asked for again after so long. */
const RETRY_MS = 5000;

export const state = {
  /** `live`, `lost`, `silent` or `refused`; empty at first. */
  connection: '',
  /** For how many seconds nothing has come, while it is silent. */
  silence: 0,
  stories: [],
  isListed: false,
  filter: '',
  storyId: null,
  taskId: null,
  /** Of the story that is shown. */
  status: null,
  story: null,
  log: new Log(),
  /** Why the story cannot be shown. */
  trouble: null,
};

let drawing = 0;
const drawers = [];
const hearers = [];
/** Calls back for every frame in which something is new. */
export const onChange = (draw) => drawers.push(draw);
/** Calls back for every event of the story that is shown. */
export const onEvent = (hear) => hearers.push(hear);

export function changed() {
  drawing ||= requestAnimationFrame(() => {
    drawing = 0;
    for (const draw of drawers) draw(state);
  });
}

/** Calls soon, but not twice for a burst, and not again until a while after it was answered. */
export function calm(call, pause = CALM_MS) {
  let timer = 0;
  let isBusy = false;
  let again = false;
  const run = async () => {
    timer = 0;
    isBusy = true;
    const began = performance.now();
    try {
      await call();
    } catch (error) {
      troubled(error);
    }
    const rest = Math.max(pause, (performance.now() - began) * GAP_FACTOR);
    timer = setTimeout(() => {
      timer = 0;
      isBusy = false;
      if (again) {
        again = false;
        run();
      }
    }, rest);
  };
  return () => {
    if (isBusy) again = true;
    else timer ||= setTimeout(run, pause);
  };
}

/** What a failure of reading says of the connection. */
function troubled(error) {
  if (error.name === 'AbortError') return;
  if (error.status === 401 || error.status === 403) refused();
  else if (error.status === undefined && state.connection !== 'refused') connected('lost');
  else if (error.status !== undefined) {
    state.trouble = error;
    changed();
    // What failed once is asked for again, also when nobody presses the button.
    clearTimeout(later);
    later = setTimeout(retry, RETRY_MS);
  }
}

let later = 0;
/** Reads again what is shown. */
export function retry() {
  loadStories();
  loadStory();
}

let stopFollowing = null;
function refused() {
  stopFollowing?.();
  stopFollowing = null;
  connected('refused');
}

function connected(how, seconds = 0) {
  state.silence = seconds;
  // A stream that breaks off does not say why: the list does.
  if (how === 'lost' && state.connection !== 'refused') loadStories();
  if (how === 'live') {
    isWhole = false;
    loadStories();
    loadStory();
  }
  if (state.connection === 'refused' && how !== 'live') return;
  if (state.connection === how && how !== 'silent') return;
  state.connection = how;
  changed();
}

export const loadStories = calm(async () => {
  const { stories } = await read(`?limit=${STORIES_MAX}`, { isKept: true });
  Object.assign(state, { stories, isListed: true });
  if (stopFollowing === null) start();
  if (state.storyId && !state.status) loadStory();
  changed();
});

/** One story of the list, read anew: what others do costs little, however long the list is. */
const waiting = new Set();
const loadNews = calm(async () => {
  const ids = [...waiting];
  waiting.clear();
  for (const story of await Promise.all(ids.map((id) => read(storyPath(id), { isKept: true })))) keep(story);
  changed();
});

function keep(story) {
  const index = state.stories.findIndex((known) => known.id === story.id);
  state.stories = index < 0 ? [story, ...state.stories] : state.stories.with(index, story);
  if (story.id === state.storyId) state.story = story;
}

let reading = new AbortController();
/** Events that came while the history was read; and whether what comes now joins on to what is there. */
let early = [];
let isWhole = false;
let loader = calm(fetchStory);
export const loadStory = () => loader();

/** A story by its id, the start of one, or `latest`. */
const isKnown = (id) =>
  id === 'latest' ||
  state.stories.length >= STORIES_MAX ||
  state.stories.some((story) => story.id.startsWith(id) || story.shortId.startsWith(id));

async function fetchStory() {
  const id = state.storyId;
  if (!id || !state.isListed || state.connection === 'refused') return;
  if (!isKnown(id)) {
    state.trouble = { message: `There is no story “${id}”.`, hint: 'Choose one from the list.' };
    changed();
    return;
  }
  const { signal } = reading;
  const path = storyPath(id);
  const [status, story] = await Promise.all([
    read(`${path}/orchestrator-status?detailed=false`, { isKept: true, signal }),
    state.story ?? read(path, { isKept: true, signal }),
  ]);
  if (signal.aborted) return;
  // It may have been read anew meanwhile.
  Object.assign(state, { status, story: state.story ?? story, trouble: null });
  changed();
  if (isWhole) return;
  await history(id, state.log.seq, status.seq, hear, signal);
  if (signal.aborted) return;
  isWhole = true;
  early.filter((event) => event.storyId === story.id).forEach(hear);
  early = [];
}

function hear(event) {
  if (!state.log.take(event)) return;
  for (const tell of hearers) tell(event);
  changed();
}

function happened(event) {
  const isShown = event.storyId === state.story?.id;
  if (isShown && isWhole) hear(event);
  else if (state.storyId && !isWhole) early.push(event);
  if (event.kind === 'attemptActivity') return;
  waiting.add(event.storyId);
  loadNews();
  if (isShown) loadStory();
}

/** Another story, or none. */
export function choose(id) {
  if (id === state.storyId) return;
  reading.abort();
  reading = new AbortController();
  Object.assign(state, { storyId: id, status: null, story: null, log: new Log(), trouble: null });
  [early, isWhole, loader] = [[], false, calm(fetchStory)];
  fetchStory().catch(troubled);
  changed();
}

export function start() {
  stopFollowing ??= follow(happened, connected);
}
