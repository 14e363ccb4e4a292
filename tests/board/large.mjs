// Two hundred tasks, eight agents that talk, ten megabytes of transcript: what is in the page, what stays, how long it takes.
import { about, ask, equal, holds, open, release, scene } from './browser.mjs';

const ROWS_MAX = 200;
let board;
const figures = {};

/** Times between frames while something happens. */
async function frames(name, act) {
  await board.page.evaluate(() => {
    const times = [];
    let last = performance.now();
    const frame = (now) => { times.push(now - last); last = now; window.measuring = requestAnimationFrame(frame); };
    window.measuring = requestAnimationFrame(frame);
    window.measured = () => { cancelAnimationFrame(window.measuring); return times.slice(1); };
  });
  await act();
  figures[name] = spread(await board.page.evaluate(() => window.measured()));
}

function spread(times) {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (p) => Math.round(10 * sorted[Math.round((sorted.length - 1) * p)]) / 10;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1), n: sorted.length };
}

/** From the event to the frame after what it brings is in the page. */
const until = (act, there) => board.page.evaluate(`(async () => {
  const frame = () => new Promise((resolve) => { requestAnimationFrame(resolve); });
  const began = performance.now();
  ${act};
  while (!(${there})) {
    if (performance.now() - began > 60000) throw new Error('it does not come');
    await frame();
  }
  await frame();
  return performance.now() - began;
})()`);
const click = (id) => `document.querySelector('.dag [data-task="${id}"]').dispatchEvent(new MouseEvent('click', { bubbles: true }))`;

/** Marks what is there, and counts from now on what is taken away and how many rows there are. */
async function mark() {
  await board.page.evaluate(() => {
    for (const node of document.querySelectorAll('.dag [data-task], .dag [data-edge], .dag [data-wave], .timeline [data-bar], nav [data-story]')) node.marked = true;
    window.removed = [];
    window.rows = 0;
    new MutationObserver((changes) => {
      for (const { removedNodes } of changes) {
        for (const node of removedNodes) if (node.marked || node.querySelector?.('[data-task], [data-story]')) window.removed.push(node.outerHTML.slice(0, 120));
      }
      window.rows = Math.max(window.rows, document.querySelectorAll('#task .line').length);
    }).observe(document.body, { subtree: true, childList: true });
  });
}

const places = () => board.page.evaluate(() => [...document.querySelectorAll('body, body *')]
  .filter((node) => node.scrollTop > 0 || node.scrollLeft > 0).map((node) => `${node.tagName}.${node.className} ${Math.round(node.scrollLeft)} ${Math.round(node.scrollTop)}`));

async function talk() {
  for (let round = 1; round <= about.rounds; round += 1) {
    release(`round-${round}`);
    if (round % 4 === 0) await ask('story', { title: `Story beside it ${round}` });
    for (let n = 1; n <= about.running; n += 1) await board.activity(`task-${n}`).filter({ hasText: `round ${round} of` }).waitFor();
  }
}

const firstRow = () => board.page.evaluate(() => {
  const view = document.querySelector('#task .lines');
  const top = view.getBoundingClientRect().top;
  return [...view.querySelectorAll('.line')].find((line) => line.getBoundingClientRect().top >= top)?.textContent;
});

await scene(async () => {
  board = await open();
  const { page } = board;
  await board.connection('live').waitFor();
  await board.storyLink(about.story).waitFor();
  figures.openStory = Math.round(await until(`location.hash = '#/${about.story}'`, `document.querySelectorAll('.dag [data-task]').length === ${about.tasks}`));
  await board.view(about.story).waitFor();
  await ask('run');
  for (let n = 1; n <= about.running; n += 1) await board.activity(`task-${n}`).filter({ hasText: 'ready' }).waitFor();

  await board.task('task-5').focus();
  await page.evaluate(() => { for (const node of document.querySelectorAll('.dag, #main')) node.scrollTo(60, 40); });
  await mark();
  const before = await places();
  await frames('framesWhileAgentsTalk', talk);
  equal(await places(), before, 'where things are scrolled to after a burst of events');
  equal(await page.evaluate(() => document.activeElement.closest('[data-task]')?.dataset.task), 'task-5', 'where the focus is after a burst of events');
  equal(await page.evaluate(() => window.removed), [], 'what was taken out of the page by events');

  const ten = `Number(document.querySelector('#task[data-task="task-1"] .lines')?.dataset.lines) >= ${about.lines} && document.querySelector('#task .line')`;
  figures.openTenMegabytes = Math.round(await until(click('task-1'), ten));
  await board.panel('task-1').waitFor();
  holds(Number(await board.lines().getAttribute('data-lines')) >= about.lines, 'the whole transcript is held');
  const held = await page.evaluate(() => document.querySelector('#task .lines').scrollHeight);
  holds(held > 1000, `the transcript can be scrolled: ${held}`);
  await frames('framesWhileScrolling', () => page.evaluate(async () => {
    const view = document.querySelector('#task .lines');
    for (let step = 0; step <= 120; step += 1) {
      view.scrollTop = (view.scrollHeight * step) / 120;
      await new Promise((resolve) => { requestAnimationFrame(resolve); });
    }
  }));
  await board.lines().locator('.line', { hasText: `round ${about.rounds} of` }).first().waitFor();
  await page.evaluate(() => { document.querySelector('#task .lines').scrollTop = 0; });
  await board.lines().locator('.line', { hasText: /^line 1 / }).first().waitFor();
  await page.evaluate(() => { const view = document.querySelector('#task .lines'); view.scrollTop = view.scrollHeight / 2; });
  await page.waitForFunction(() => { const text = document.querySelector('#task .line')?.textContent ?? ''; return Number(/^line (\d+)/.exec(text)?.[1]) > 1000; });
  const reading = await firstRow();
  release('last');
  await board.activity('task-1').filter({ hasText: 'last words' }).waitFor();
  equal(await firstRow(), reading, 'what is read while more is said');

  const clicks = [];
  for (let n = 2; n <= about.running; n += 1) {
    clicks.push(await until(click(`task-${n}`), `document.querySelector('#task[data-task="task-${n}"] .line')`));
  }
  figures.clickToPanel = spread(clicks);
  figures.mostRows = await page.evaluate(() => window.rows);
  holds(figures.mostRows > 0 && figures.mostRows < ROWS_MAX, `${figures.mostRows} rows in the page at once`);
  figures.nodes = await page.evaluate(() => document.querySelectorAll('*').length);
  equal(await page.evaluate(() => window.removed), [], 'what was taken out of the page');
  return { figures, documents: board.documents };
});
