// The stream of events itself, for a worker that serves all tabs, or for a tab of a browser that has no such worker.
const PREFIX = '/api/stories';
/** How often the server shows that it lives, and how much later than that it is said that it does not. */
const HEARTBEAT_S = 5;
const PATIENCE_MS = 12_000;
const LOOK_MS = 1000;
const AGAIN_MS = 1500;

/**
 * Follows every story from now on, for ever. `told` gets `live`, `lost`, or `silent` with the seconds for which nothing came. A gap is
 * for the reader to close: it is told `live` again.
 */
export function followAlone(each, told) {
  let last = -1;
  let source = null;
  let timer = 0;
  let heard = Date.now();
  let how = '';
  const now = (state, seconds) => {
    how = state;
    told(state, seconds);
  };
  const alive = () => {
    heard = Date.now();
    if (how === 'silent') now('live');
  };
  const open = () => {
    source = new EventSource(`${PREFIX}/events?since=${last}&names=false&heartbeat=${HEARTBEAT_S}`);
    source.onopen = () => {
      heard = Date.now();
      now('live');
    };
    source.addEventListener('heartbeat', alive);
    source.onmessage = (message) => {
      alive();
      const seq = Number(message.lastEventId);
      if (seq <= last) return;
      last = seq;
      each(JSON.parse(message.data));
    };
    source.onerror = () => {
      now('lost');
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(open, AGAIN_MS);
    };
  };
  open();
  const watch = setInterval(() => {
    const quiet = Date.now() - heard;
    if ((how === 'live' || how === 'silent') && quiet > PATIENCE_MS) now('silent', Math.round(quiet / 1000));
  }, LOOK_MS);
  return () => {
    clearTimeout(timer);
    clearInterval(watch);
    source.close();
  };
}
