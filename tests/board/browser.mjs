// Opens the board in the real browser, and talks with the Rust side of a test: one JSON document in the arguments, one line
// for each question, one line at the end. Whatever a page complains about while a scene plays is a failure of the scene.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import readline from 'node:readline';
import { Board } from './page.mjs';

export const about = JSON.parse(process.argv[2]);
/** Far longer than anything here takes; a scene that reaches it has failed. */
export const PATIENCE_MS = 60000;

const need = createRequire(path.join(about.packages, 'package.json'));
const { chromium } = need('playwright-core');
const axeSource = () => fs.readFileSync(need.resolve('axe-core/axe.min.js'), 'utf8');
const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const boards = [];

/** Asks the Rust side to do something, and waits for its answer. */
export async function ask(what, more = {}) {
  process.stdout.write(`${JSON.stringify({ ask: what, ...more })}\n`);
  return JSON.parse((await answers.next()).value);
}

/** Lets an agent go on that waits for this file. */
export const release = (name) => fs.writeFileSync(path.join(about.agents, name), '');

export function equal(found, wanted, what) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`${what}: found ${a}, not ${b}`);
}

export function holds(condition, what) {
  if (!condition) throw new Error(what);
}

/** Runs in every document before its own scripts: what must never happen is written down. */
function witness() {
  window.violations = [];
  document.addEventListener('securitypolicyviolation', (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
}

let browser;
/** A page of its own, with cookies of its own. Ends the scene when the page complains, unless `may` says that it may. */
export async function open({ link = about.link, may = () => false, ...look } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce', ...look });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const board = new Board(page);
  boards.push(board);
  await page.addInitScript(witness);
  page.on('domcontentloaded', () => { board.documents += 1; });
  page.on('dialog', (dialog) => { board.complaints.push(`a dialog of the browser: ${dialog.message()}`); dialog.dismiss(); });
  page.on('pageerror', (error) => board.complaints.push(`${error.message} ${error.stack}`));
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type()) && !may(message)) board.complaints.push(`${message.text()} ${message.location().url}`); });
  if (link) await page.goto(link);
  return board;
}

/** What axe finds that keeps people from using the page. */
export async function faults(board, where) {
  await board.page.evaluate(`if (!window.axe) { ${axeSource()} }`);
  const { violations } = await board.page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return violations.filter((fault) => ['serious', 'critical'].includes(fault.impact))
    .map((fault) => `${where}: ${fault.id} (${fault.impact}): ${fault.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} ${node.failureSummary.replaceAll('\n', ' ').slice(0, 200)}`).join(' | ')}`);
}

async function complained(board) {
  const violations = await board.page.evaluate(() => window.violations ?? []).catch(() => []);
  return [...board.complaints, ...violations.map((text) => `against the content security policy: ${text}`)];
}

/** Plays a scene; what it returns goes to the Rust side. */
export async function scene(play) {
  const how = JSON.parse(fs.readFileSync(path.join(about.packages, 'browser.json'), 'utf8'));
  browser = await chromium.launch({ ...how, env: { ...process.env, ...how.env }, args: ['--font-render-hinting=none'] });
  try {
    const result = await play();
    const complaints = (await Promise.all(boards.map(complained))).flat();
    equal(complaints, [], 'what the page complained about');
    process.stdout.write(`${JSON.stringify({ done: result ?? {} })}\n`);
  } catch (error) {
    process.stderr.write(`${error.stack}\n`);
    for (const [number, board] of boards.entries()) {
      const file = path.join(about.keep, `${path.basename(process.argv[1], '.mjs')}-${number}`);
      await board.page.screenshot({ path: `${file}.png` }).catch(() => {});
      fs.writeFileSync(`${file}.html`, await board.page.content().catch(() => ''));
      process.stderr.write(`complaints: ${JSON.stringify(await complained(board))}\nat ${board.page.url()}, kept as ${file}.png and .html\n`);
    }
    process.exitCode = 1;
  } finally {
    await browser.close();
    process.stdin.destroy();
  }
}
