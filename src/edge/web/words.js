// Words and figures for people: durations, times, amounts, and what a status is called.

const two = (number) => String(number).padStart(2, '0');

export function duration(ms) {
  const s = Math.max(0, ms) / 1000;
  if (s < 9.95) return `${s.toFixed(1)} s`;
  if (s < 59.5) return `${Math.round(s)} s`;
  const whole = Math.round(s);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

/** The same for what still grows: whole seconds, so that it does not flicker. */
export const elapsed = (ms) => (ms < 59500 ? `${Math.max(0, Math.floor(ms / 1000))} s` : duration(ms));

/** How long ago something was. */
export function ago(time, now = Date.now()) {
  const s = (now - Date.parse(time)) / 1000;
  if (!(s > 45)) return 'just now';
  if (s < 3600) return `${Math.max(1, Math.round(s / 60))} min ago`;
  if (s < 86400) return `${Math.round(s / 3600)} h ago`;
  if (s < 604800) return `${Math.round(s / 86400)} d ago`;
  return new Date(time).toLocaleDateString('en-CA');
}

export const clock = (ms) => new Date(ms).toLocaleTimeString('en-GB');
export const moment = (time) => new Date(time).toLocaleString('en-GB');

export const number = (value) => (value ?? 0).toLocaleString('en', { maximumFractionDigits: 2 });

/** `12.3k` for amounts where the last digits do not matter. */
export function amount(value) {
  const of = value ?? 0;
  if (of < 1000) return number(of);
  return of < 1e6 ? `${(of / 1e3).toFixed(of < 1e4 ? 1 : 0)}k` : `${(of / 1e6).toFixed(1)}M`;
}

export const plural = (count, word) => `${number(count)} ${word}${count === 1 ? '' : 's'}`;

/** The last part of a path, of any platform. */
export const baseName = (path) =>
  String(path ?? '')
    .split(/[\\/]/)
    .filter(Boolean)
    .pop() ?? '';

/** `WaitingForGate` as people say it. */
export const spaced = (word) => String(word ?? '').replace(/([a-z])([A-Z])/g, (_, a, b) => `${a} ${b.toLowerCase()}`);

/** What a status of a story, a task or a check looks like: one of five looks. */
export function tone(status) {
  switch (status) {
    case 'Completed':
    case 'Passed':
    case 'passed':
    case 'done':
      return 'good';
    case 'Failed':
    case 'failed':
    case 'timedOut':
    case 'missing':
    case 'refused':
      return 'bad';
    case 'Running':
    case 'running':
    case 'Executing':
    case 'Planning':
    case 'Analyzing':
    case 'WaitingForGate':
      return 'busy';
    case 'Skipped':
    case 'Cancelled':
    case 'notRun':
    case 'Ungated':
      return 'off';
    case 'flaky':
      return 'odd';
    default:
      return 'idle';
  }
}

export const PURPOSES = {
  work: 'work',
  retry: 'another try',
  resume: 'resumed',
  noChange: 'nothing had changed',
  resolve: 'resolves a conflict',
  repair: 'repairs the gate',
};

export const PHASES = {
  waiting: 'waits',
  working: 'works',
  landing: 'lands',
  resolving: 'resolves a conflict',
  repairing: 'repairs the gate',
  landed: 'landed',
  failed: 'failed',
  skipped: 'skipped',
};

/** How an attempt ended, in a few words. */
export function outcomeWords(outcome) {
  const words = {
    done: 'done',
    noChange: 'changed nothing',
    crashed: 'crashed',
    stalled: 'gave no sign of life',
    timedOut: 'took too long',
    interrupted: 'was interrupted',
    failed: 'failed',
    incomplete: 'stopped too early',
    rateLimited: 'was rate limited',
    needsLogin: 'is not logged in',
    quota: 'has no quota left',
    policy: 'is forbidden by a policy',
    unavailable: 'could not start',
    refused: 'result refused',
    unresolved: 'left conflicts',
  };
  return words[outcome?.result] ?? outcome?.result ?? 'running';
}
