// Takes the images of the README. AURA_BOARD_IMAGES=1 cargo test --test board images
import path from 'node:path';
import { about, holds, open, release, scene } from './browser.mjs';

/** Not a wait for anything: bars of the timeline are to have a length. */
const pass = (page, seconds) => page.evaluate((ms) => new Promise((resolve) => { setTimeout(resolve, ms); }), seconds * about.second);

await scene(async () => {
  const board = await open({ colorScheme: 'light' });
  const { page } = board;
  const take = (name) => page.screenshot({ path: path.join(about.folder, `${name}.png`), animations: 'disabled' });
  const done = async (id) => { release(`go-${id}`); await board.task(id, 'Completed').waitFor(); };
  await board.openStory(about.story);
  await board.command('Run to the end');
  for (const id of ['task-1', 'task-2', 'task-3']) await board.task(id, 'Running').waitFor();
  await pass(page, 3);
  await done('task-3');
  await pass(page, 2);
  await done('task-2');
  await board.task('task-6', 'Running').waitFor();
  await pass(page, 4);
  await done('task-1');
  for (const id of ['task-4', 'task-5']) await board.task(id, 'Running').waitFor();
  await pass(page, 3);
  await done('task-6');
  await board.task('task-8', 'Running').waitFor();
  for (const id of ['task-4', 'task-5', 'task-8']) await board.activity(id).filter({ hasText: /:/ }).waitFor();
  await pass(page, 2);
  await page.mouse.move(0, 0);
  await take('board-light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await take('board-dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await board.openTask('task-1');
  await board.openTab('Diff');
  await board.lines().locator('.line').first().waitFor();
  holds(/182/.test(await board.field('tokens').innerText()), 'the panel says how many tokens the task took');
  await board.field('cost').waitFor();
  await page.mouse.move(0, 0);
  await take('board-task');
  return {};
});
