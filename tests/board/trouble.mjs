// A task that fails is tried again from the page, and a run is cancelled and taken up again.
import { about, ask, equal, holds, open, release, scene } from './browser.mjs';

await scene(async () => {
  const board = await open();
  await board.openStory(about.story);
  await board.command('Run to the end');
  await board.task('task-1', 'Failed').waitFor();
  await board.task('task-2', 'Skipped').waitFor();
  await board.bar('task-1/1', 'failed').waitFor({ state: 'attached' });
  await ask('ended');
  await board.openTask('task-1');
  await board.openTab('Attempts');
  holds((await board.panel('task-1').innerText()).includes('the disk is full'), 'the panel says why it failed');
  release('mended');
  await board.command('Retry task');
  await board.task('task-1', 'Pending').waitFor();
  await board.page.keyboard.press('Escape');
  await board.panel().waitFor({ state: 'hidden' });
  await board.command('Run to the end');
  await board.task('task-1', 'Completed').waitFor();

  await board.task('task-2', 'Running').waitFor();
  await board.button('Cancel run').click();
  await board.dialog().waitFor();
  await board.page.keyboard.press('Escape');
  await board.dialog().waitFor({ state: 'detached' });
  equal(await board.task('task-2').getAttribute('data-status'), 'Running', 'a run is cancelled only when somebody says so');
  await board.command('Cancel run');
  await board.task('task-2', 'Pending').waitFor();
  await board.bar('task-2/1', 'failed').waitFor({ state: 'attached' });
  await ask('ended');
  release('go-task-2');
  await board.command('Run to the end');
  await board.task('task-2', 'Completed').waitFor();
  await board.button('Complete').waitFor();
  return { shown: await board.shown(), documents: board.documents };
});
