// Asks the API, and follows the log.
import { followAlone } from './alone.js';

const PREFIX = '/api/stories';
/** A story's history is whole when its last event has come; should none come for so long, it is taken as it is. */
const SILENCE_MS = 4000;

/** What the server said no to: a problem document. */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `The server answered ${status}.`);
    this.status = status;
    this.code = problem.code ?? '';
    this.hint = problem.hint ?? '';
  }
}

const part = encodeURIComponent;
export const storyPath = (id) => `/${part(id)}`;
export const taskPath = (id, task) => `/${part(id)}/tasks/${part(task)}`;
const answers = new Map();

async function reply(response) {
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refusal(response.status, answer);
  return answer;
}

/** Reads; what has not changed since is not sent again. `undefined` when `known` says that it was read before. */
export async function read(path, options = {}) {
  const headers = { accept: 'application/json' };
  const last = answers.get(path);
  if (last && options.isKept) headers['if-none-match'] = last.tag;
  const response = await fetch(PREFIX + path, { headers, credentials: 'same-origin', signal: options.signal });
  if (response.status === 304) return last.answer;
  const answer = await reply(response);
  const tag = response.headers.get('etag');
  if (tag && options.isKept) answers.set(path, { tag, answer });
  return answer;
}

/** Changes something. The same press of a button never does it twice. */
export async function change(method, path, body) {
  const request = { method, headers: { accept: 'application/json' }, credentials: 'same-origin' };
  if (body !== undefined) {
    request.headers['content-type'] = 'application/json';
    request.headers['idempotency-key'] = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
    request.body = JSON.stringify(body);
  }
  return reply(await fetch(PREFIX + path, request));
}

/** Reads a story's events after `since`, up to the one at `last`. */
export async function history(id, since, last, each, signal) {
  if (since >= last) return;
  const stop = new AbortController();
  signal.addEventListener('abort', () => stop.abort());
  const response = await fetch(`${PREFIX}${storyPath(id)}/events?since=${since}&format=jsonl`, {
    credentials: 'same-origin',
    signal: stop.signal,
  });
  if (!response.ok) await reply(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (let seq = since; seq < last;) {
    const silence = new Promise((resolve) => {
      setTimeout(() => resolve({ done: true }), SILENCE_MS);
    });
    const { done, value } = await Promise.race([reader.read(), silence]);
    if (done) break;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const line of lines.filter(Boolean)) {
      const event = JSON.parse(line);
      seq = event.seq;
      each(event);
    }
  }
  stop.abort();
}

/** Follows every story, with the stream that all tabs share. `told` gets `live`, `lost`, or `silent` with seconds. */
export function follow(each, told) {
  if (typeof SharedWorker === 'undefined') return followAlone(each, told);
  const worker = new SharedWorker('/board/stream.js', { type: 'module', name: 'aura-stream' });
  worker.port.onmessage = ({ data }) => {
    if (data.event) each(data.event);
    else told(data.how, data.seconds);
  };
  // Its file could not be had: the server is away, or this browser is logged out.
  worker.onerror = () => told('lost');
  worker.port.start();
  const leave = () => worker.port.postMessage('bye');
  addEventListener('pagehide', leave);
  // A page that is taken out of the cache has been away.
  addEventListener('pageshow', (event) => {
    if (event.persisted) location.reload();
  });
  return () => {
    removeEventListener('pagehide', leave);
    leave();
    worker.port.close();
  };
}
