// Where tasks stand in the picture, and which chain of them takes longest. Pure.

const ROWS_MAX = 12;
const SIZES = {
  roomy: { width: 232, height: 74, gapX: 56, gapY: 14, gapColumn: 14 },
  dense: { width: 200, height: 46, gapX: 44, gapY: 10, gapColumn: 10 },
};
export const HEAD = 34;
const PAD = 12;

/** Tasks of each wave, those with the same forerunners side by side so that arrows cross little. */
function waves(tasks) {
  const numbers = [...new Set(tasks.map((task) => task.wave))].sort((a, b) => a - b);
  const rank = new Map();
  return numbers.map((wave) => {
    const inside = tasks.filter((task) => task.wave === wave);
    const weight = (task) => {
      const known = task.dependsOn.map((id) => rank.get(id)).filter((value) => value !== undefined);
      return known.length > 0 ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
    };
    const sorted = inside.map((task, index) => ({ task, order: weight(task) ?? index })).sort((a, b) => a.order - b.order).map(({ task }) => task);
    sorted.forEach((task, index) => rank.set(task.id, index));
    return { wave, tasks: sorted };
  });
}

/** Places for all tasks: a column for each wave, or several where it has many. */
export function arrange(tasks) {
  const columns = waves(tasks);
  const most = Math.max(0, ...columns.map((column) => column.tasks.length));
  const isDense = most > ROWS_MAX || tasks.length > 60;
  const size = isDense ? SIZES.dense : SIZES.roomy;
  const places = new Map();
  const heads = [];
  let x = PAD;
  let height = 0;
  let column = 0;
  for (const { wave, tasks: inside } of columns) {
    const across = Math.ceil(inside.length / ROWS_MAX);
    const down = Math.ceil(inside.length / across);
    inside.forEach((task, index) => {
      const [sub, row] = [Math.floor(index / down), index % down];
      const left = x + sub * (size.width + size.gapColumn);
      places.set(task.id, { x: left, y: HEAD + PAD + row * (size.height + size.gapY), column: column + sub, row });
    });
    const width = across * (size.width + size.gapColumn) - size.gapColumn;
    heads.push({ wave, x, width, ids: inside.map((task) => task.id) });
    x += width + size.gapX;
    column += across;
    height = Math.max(height, down * (size.height + size.gapY) - size.gapY);
  }
  return { places, heads, size, isDense, width: x - size.gapX + PAD, height: HEAD + 2 * PAD + height };
}

/** An arrow's way: straight into the next column, else through the gap between two rows. */
export function way(layout, from, to) {
  const { size } = layout;
  const [x1, y1, x2, y2] = [from.x + size.width, from.y + size.height / 2, to.x, to.y + size.height / 2];
  const bend = (xa, ya, xb, yb) => `C${(xa + xb) / 2} ${ya} ${(xa + xb) / 2} ${yb} ${xb} ${yb}`;
  if (to.column - from.column <= 1) return `M${x1} ${y1}${bend(x1, y1, x2, y2)}`;
  const lane = (y2 >= y1 ? from.y + size.height : from.y) + (y2 >= y1 ? 1 : -1) * (size.gapY / 2);
  const [in1, in2] = [x1 + size.gapColumn, x2 - size.gapX / 2];
  return `M${x1} ${y1}${bend(x1, y1, in1, lane)}H${in2}${bend(in2, lane, x2, y2)}`;
}

/** The neighbour of a task in the direction of an arrow key. */
export function neighbour(layout, id, key) {
  const here = layout.places.get(id);
  if (!here) return null;
  const all = [...layout.places].map(([name, place]) => ({ name, ...place }));
  const nearest = (candidates) => candidates.sort((a, b) => Math.abs(a.row - here.row) - Math.abs(b.row - here.row))[0]?.name ?? null;
  const inColumn = (column) => all.filter((place) => place.column === column);
  switch (key) {
    case 'ArrowDown': return inColumn(here.column).find((place) => place.row === here.row + 1)?.name ?? null;
    case 'ArrowUp': return inColumn(here.column).find((place) => place.row === here.row - 1)?.name ?? null;
    case 'ArrowRight': return nearest(inColumn(here.column + 1));
    case 'ArrowLeft': return nearest(inColumn(here.column - 1));
    case 'Home': return inColumn(0).find((place) => place.row === 0)?.name ?? null;
    case 'End': return nearest(inColumn(Math.max(...all.map((place) => place.column))));
    default: return null;
  }
}

/**
 * How long each task takes, in milliseconds: as measured where it has landed, else as estimated, else as long as others took.
 */
export function weights(tasks, log, now) {
  const landed = tasks.filter((task) => task.status === 'Completed').map((task) => log.worked(task.id, now)).filter((ms) => ms > 0);
  const usual = landed.length > 0 ? landed.reduce((sum, ms) => sum + ms, 0) / landed.length : 60000;
  return new Map(tasks.map((task) => {
    const worked = log.worked(task.id, now);
    if (task.status === 'Completed' && worked > 0) return [task.id, worked];
    const estimate = log.plan.get(task.id)?.estimate;
    // Estimates are minutes of a person's plan: where agents were measured, their pace counts.
    return [task.id, Math.max(worked, landed.length === 0 && estimate ? estimate * 60000 : usual)];
  }));
}

/** The chain of dependencies that takes longest: its tasks in order, and how long. */
export function criticalPath(tasks, weight) {
  const best = new Map();
  for (const task of [...tasks].sort((a, b) => a.wave - b.wave)) {
    let before = null;
    for (const id of task.dependsOn) if (best.has(id) && (before === null || best.get(id).ms > best.get(before).ms)) before = id;
    best.set(task.id, { before, ms: (before ? best.get(before).ms : 0) + (weight.get(task.id) ?? 1) });
  }
  let last = null;
  for (const [id, { ms }] of best) if (last === null || ms > best.get(last).ms) last = id;
  const ids = [];
  for (let id = last; id; id = best.get(id).before) ids.unshift(id);
  return { ids: ids.length > 1 ? ids : [], ms: last ? best.get(last).ms : 0 };
}

/** Milliseconds until the end of what is left, about; null where nothing is known. */
export function remaining(tasks, log, parallel, now) {
  const open = tasks.filter((task) => task.status === 'Pending' || task.status === 'Running');
  const isKnown = tasks.some((task) => task.status === 'Completed') && open.length > 0;
  if (!isKnown) return null;
  const weight = weights(tasks, log, now);
  const left = new Map(open.map((task) => [task.id, Math.max(0, weight.get(task.id) - log.worked(task.id, now))]));
  const sum = [...left.values()].reduce((total, ms) => total + ms, 0);
  const chain = criticalPath(open, left).ms;
  return Math.max(sum / Math.max(1, parallel), chain);
}
