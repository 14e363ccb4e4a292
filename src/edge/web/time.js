// The axis of the timeline. Time in which nothing happened, for example between two runs, is left out. Pure.

/** Shortest silence that is left out, and how much of the whole it must be. */
const SILENCE_MS = 20000;
const SILENCE_PART = 0.1;
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400].map((s) => s * 1000);

/** `spans` are `{ from, to }`. Gives the whole length, and `at`: from a time to a part of it between 0 and 1. */
export function axis(spans, now) {
  const sorted = spans.map(({ from, to }) => [from, to ?? now]).sort((a, b) => a[0] - b[0]);
  const busy = [];
  for (const [from, to] of sorted) {
    const last = busy.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else busy.push([from, to]);
  }
  const work = busy.reduce((sum, [from, to]) => sum + to - from, 0);
  const parts = [];
  for (const [from, to] of busy) {
    const last = parts.at(-1);
    if (last && from - last.to <= Math.max(SILENCE_MS, work * SILENCE_PART)) last.to = to;
    else parts.push({ from, to, start: 0 });
  }
  let length = 0;
  for (const part of parts) {
    part.start = length;
    length += part.to - part.from;
  }
  length = Math.max(length, 1000);
  const offset = (time) => {
    const part = parts.findLast((one) => one.from <= time) ?? parts[0];
    return part ? part.start + Math.min(Math.max(0, time - part.from), part.to - part.from) : 0;
  };
  return { length, at: (time) => offset(time) / length, breaks: parts.slice(1).map((part) => ({ at: part.start / length, from: part.from })) };
}

/** Marks at round times, not more than so many. */
export function ticks(length, most) {
  const step = STEPS.find((one) => length / one <= most) ?? Math.ceil(length / most / 86.4e6) * 86.4e6;
  const found = [];
  for (let ms = 0; ms <= length * 0.97; ms += step) found.push({ ms, at: ms / length });
  return found;
}

/** How many spans are under way from when on: `[time, count]` in order. */
export function parallelism(spans, now) {
  const changes = new Map();
  const add = (time, by) => changes.set(time, (changes.get(time) ?? 0) + by);
  for (const { from, to } of spans) {
    add(from, 1);
    add(to ?? now, -1);
  }
  let count = 0;
  return [...changes].sort((a, b) => a[0] - b[0]).map(([time, by]) => [time, (count += by)]);
}
