// The one stream of all tabs: a shared worker. A browser opens six connections to a server, and a stream holds one for as long as it
// lasts; with one for each tab, the sixth tab would stop them all.
import { followAlone } from './alone.js';

const ports = new Set();
let stop = null;
let how = null;

function tell(message) {
  for (const port of ports) port.postMessage(message);
}

function start() {
  stop ??= followAlone(
    (event) => tell({ event }),
    (state, seconds) => {
      how = state;
      tell({ how: state, seconds });
    },
  );
}

self.onconnect = ({ ports: [port] }) => {
  port.onmessage = ({ data }) => {
    if (data !== 'bye') return;
    ports.delete(port);
    if (ports.size > 0) return;
    stop?.();
    [stop, how] = [null, null];
  };
  port.start();
  ports.add(port);
  start();
  // Whoever comes later hears what the others know.
  if (how !== null) port.postMessage({ how });
};
