// Asks the API, and follows the log.
const PREFIX = '/api/stories';

export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `The server answered ${status}.`);
    this.status = status;
    this.hint = problem.hint ?? '';
  }
}

export async function ask(method, path, body) {
  const request = { method, headers: { accept: 'application/json' }, credentials: 'same-origin' };
  if (body !== undefined) {
    request.headers['content-type'] = 'application/json';
    request.headers['idempotency-key'] = crypto.randomUUID();
    request.body = JSON.stringify(body);
  }
  const response = await fetch(PREFIX + path, request);
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refusal(response.status, answer);
  return answer;
}

/** Follows events after `since`; returns what ends it. `told` gets `live`, `lost` or `refused`. */
export function follow(path, since, each, told) {
  let last = since;
  let source = null;
  let timer = 0;
  let ended = false;
  const open = () => {
    source = new EventSource(`${PREFIX}${path}/events?since=${last}`);
    source.onopen = () => told('live');
    source.onmessage = (message) => {
      const seq = Number(message.lastEventId);
      if (seq <= last) return;
      last = seq;
      each(JSON.parse(message.data));
    };
    source.onerror = () => {
      told('lost');
      if (source.readyState !== EventSource.CLOSED || ended) return;
      timer = setTimeout(open, 1000);
    };
  };
  open();
  return () => { ended = true; clearTimeout(timer); source.close(); };
}
