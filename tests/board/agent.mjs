// A scripted agent: reads its prompt like any other, and does what `TASK.json` in the folder of its test says for what it is
// asked. It waits for nothing but files, and tells nothing but by files and by its own words. With the arguments of Copilot
// CLI it speaks as that does.
import fs from 'node:fs';
import path from 'node:path';

/** Longest that it waits for a test that has gone. */
const PATIENCE_MS = 150000;
const [folder, ...args] = process.argv.slice(2);
const task = process.env.AURA_TASK;
const usageFile = args[args.indexOf('--usage-output-file') + 1];
const isCopilot = args.includes('--usage-output-file');

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

const print = (text) => new Promise((resolve) => { process.stdout.write(`${text}\n`, resolve); });
const event = (type, data) => print(JSON.stringify({ type, data }));
const say = (text) => (isCopilot ? event('assistant.message', { content: text }) : print(text));

const steps = {
  say,
  /** Uses a tool, as Copilot CLI would tell it. */
  tool: (toolName, about) => event('tool.execution_start', { toolName, arguments: { path: about } }),
  /** So many lines of so many bytes each. */
  flood: (count, bytes) => print(Array.from({ length: count }, (_, n) => `line ${n + 1} `.padEnd(bytes - 1, 'abcdefghijklmnopqrstuvwxyz ')).join('\n')),
  write(name, text) {
    fs.mkdirSync(path.dirname(path.resolve(name)), { recursive: true });
    fs.writeFileSync(name, text);
  },
  remove: (name) => fs.rmSync(name),
  await: (name) => until(path.join(folder, name)),
  /** Fails without that file. */
  needs: (name) => fs.existsSync(path.join(folder, name)) || process.exit(1),
  /** Speaks whenever the test says so. */
  async rounds(count) {
    for (let round = 1; round <= count; round += 1) {
      await until(path.join(folder, `round-${round}`));
      await say(`round ${round} of ${task}`);
    }
    await until(path.join(folder, 'last'));
    await say('last words');
  },
  exit: (code) => process.exit(code),
  /** What it has cost so far. */
  usage(inputTokens, outputTokens, requests) {
    const model = { usage: { inputTokens, outputTokens, cacheReadTokens: Math.round(inputTokens / 2) }, requests: { count: requests } };
    fs.writeFileSync(usageFile, JSON.stringify({ totalPremiumRequestCost: requests, totalNanoAiu: inputTokens, modelMetrics: { model } }));
  },
};

const prompt = fs.readFileSync(0, 'utf8');
const marks = [['conflict markers', 'resolve'], ['<gate-output>', 'repair'], ['An earlier attempt', 'retry'], ['You were interrupted', 'resume']];
const asked = marks.find(([mark]) => prompt.includes(mark))?.[1] ?? 'work';
const file = path.join(folder, `${task}.json`);
const script = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : {};
const plain = [['write', `${task}.txt`, `by ${task}\n`], ['say', `${task} is done.`]];
for (const [name, ...values] of script[asked] ?? script.work ?? plain) await steps[name](...values);
if (isCopilot) {
  await event('session.task_complete', { success: true, summary: script.summary ?? `${task} is done.` });
  await print(JSON.stringify({ type: 'result', exitCode: 0, usage: {} }));
}
