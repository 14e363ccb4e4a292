// Everybody can use it: axe finds nothing serious anywhere, in any look, and no mouse is needed.
import { about, ask, equal, faults, holds, open, release, scene } from './browser.mjs';

const LOOKS = [['light', 1280, 800], ['dark', 1280, 800], ['light', 360, 740], ['dark', 360, 740]];
const found = [];
let board;

async function look(where, looks = LOOKS) {
  for (const [colorScheme, width, height] of looks) {
    await board.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await board.page.setViewportSize({ width, height });
    found.push(...await faults(board, `${where}, ${colorScheme}, ${width}`));
    const sideways = await board.sideways();
    if (sideways > 0) found.push(`${where}, ${width}: the page scrolls ${sideways} pixels sideways`);
  }
  await board.page.setViewportSize({ width: 1280, height: 800 });
}

async function asking(name) {
  await board.button(name).click();
  await board.dialog().waitFor();
  holds(await board.dialog().getByRole('heading').count() > 0, `the dialog of ${name} has a heading`);
  // Each colour and each width once.
  await look(`the dialog of ${name}`, [LOOKS[0], LOOKS[3]]);
  await board.page.keyboard.press('Escape');
  await board.dialog().waitFor({ state: 'detached' });
  equal(await board.page.evaluate(() => document.activeElement.textContent.trim()), name, 'where the focus is after the dialog');
}

/** The task that has the focus. */
const focused = () => board.page.evaluate(() => document.activeElement?.closest('.dag [data-task]')?.dataset.task ?? null);

async function keyboardOnly() {
  const { page } = board;
  const press = (key) => page.keyboard.press(key);
  for (let presses = 0; await focused() === null; presses += 1) {
    holds(presses < 60, 'no task is reached with the tabulator');
    await press('Tab');
  }
  const reached = new Set([await focused()]);
  for (const key of ['ArrowRight', 'ArrowDown', 'ArrowLeft', 'ArrowUp', 'ArrowDown', 'ArrowRight', 'ArrowRight', 'ArrowUp']) {
    await press(key);
    reached.add(await focused());
  }
  equal([...reached].sort(), ['task-1', 'task-2', 'task-3', 'task-4'], 'tasks that the arrow keys reach');
  const task = await focused();
  await press('Enter');
  await board.panel(task).waitFor();
  await press('Escape');
  await board.panel().waitFor({ state: 'hidden' });
  equal(await focused(), task, 'where the focus is after the panel');
  await press('?');
  await board.dialog().waitFor();
  await look('the keys');
  await press('Escape');
  await board.dialog().waitFor({ state: 'detached' });
  await press('/');
  holds(await page.evaluate(() => document.activeElement.matches('nav input')), 'the slash leads to the filter of stories');
}

await scene(async () => {
  board = await open();
  await board.storyLink(about.running).waitFor();
  await look('the list');
  await asking('New story');
  await board.openStory(about.empty);
  await asking('Decompose');
  await board.openStory(about.done);
  await board.button('Complete').waitFor();
  await asking('Complete');

  await board.openStory(about.running);
  await asking('Run to the end');
  await board.command('Run to the end');
  await board.task('task-1', 'Running').waitFor();
  await board.task('task-2', 'Failed').waitFor();
  await board.activity('task-1').filter({ hasText: 'looks' }).waitFor();
  await look('a running story');
  await keyboardOnly();
  await asking('Cancel run');
  await board.openTask('task-1');
  for (const tab of ['Transcript', 'Prompt', 'Diff', 'Attempts']) {
    await board.openTab(tab);
    await look(`the tab ${tab}`, tab === 'Transcript' ? LOOKS : [LOOKS[0], LOOKS[3]]);
  }
  await board.page.keyboard.press('Escape');
  release('go');
  await ask('ended');
  await board.openTask('task-2');
  await look('a task that failed');
  equal(found, [], 'what keeps people from using the page');
  return { documents: board.documents };
});
