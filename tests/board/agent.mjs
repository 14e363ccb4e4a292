// A scripted agent: reads its prompt like any other, and does what `TASK.json` in the folder of its test says for what it is
// asked. It waits for nothing but files, and tells nothing but by files and by its own words.
import fs from 'node:fs';
import path from 'node:path';

/** Longest that it waits for a test that has gone. */
const PATIENCE_MS = 150000;
const folder = process.argv[2];
const task = process.env.AURA_TASK;

function until(file) {
  return new Promise((resolve) => {
    const watcher = fs.watch(path.dirname(file), () => look());
    const late = setTimeout(() => process.exit(99), PATIENCE_MS);
    const look = () => {
      if (!fs.existsSync(file)) return;
      watcher.close();
      clearTimeout(late);
      resolve();
    };
    look();
  });
}

const say = (text) => new Promise((resolve) => { process.stdout.write(`${text}\n`, resolve); });
const steps = {
  say,
  /** So many lines of so many bytes each. */
  flood: (count, bytes) => say(Array.from({ length: count }, (_, n) => `line ${n + 1} `.padEnd(bytes - 1, 'abcdefghijklmnopqrstuvwxyz ')).join('\n')),
  write(name, text) {
    fs.mkdirSync(path.dirname(path.resolve(name)), { recursive: true });
    fs.writeFileSync(name, text);
  },
  touch: (name) => fs.writeFileSync(path.join(folder, name), ''),
  await: (name) => until(path.join(folder, name)),
  exit: (code) => process.exit(code),
};

const prompt = fs.readFileSync(0, 'utf8');
const marks = [['conflict markers', 'resolve'], ['<gate-output>', 'repair'], ['An earlier attempt', 'retry'], ['You were interrupted', 'resume']];
const asked = marks.find(([mark]) => prompt.includes(mark))?.[1] ?? 'work';
const file = path.join(folder, `${task}.json`);
const script = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : {};
const plain = [['write', `${task}.txt`, `by ${task}\n`], ['say', `${task} is done.`]];
for (const [name, ...args] of script[asked] ?? script.work ?? plain) await steps[name](...args);
