// From the page alone: create, decompose, run, watch, complete.
import { about, ask, equal, holds, open, release, scene } from './browser.mjs';

const DESCRIPTION = `Three files.

## First file
Any text.

## Second file
Any text.

## Third file
after: First file, Second file
`;

await scene(async () => {
  const board = await open();
  const { page } = board;
  await board.connection('live').waitFor();
  await board.command('New story', { Title: 'Three small files', Repository: about.repo, Description: DESCRIPTION });
  const story = await board.story();
  await board.view(story).waitFor();
  await board.storyLink(story).and(page.locator('[aria-current=page]')).waitFor();
  await board.watch();

  await board.command('Decompose', { Planner: 'outline', 'Include tests': false });
  for (const id of ['task-1', 'task-2', 'task-3']) await board.task(id, 'Pending').waitFor();
  await board.edge('task-1', 'task-3').waitFor({ state: 'attached' });
  equal(await board.tasks().count(), 3, 'tasks on the page');

  await board.command('Run to the end');
  for (const id of ['task-1', 'task-2']) {
    await board.task(id, 'Running').waitFor();
    await board.bar(`${id}/1`, 'running').waitFor({ state: 'attached' });
    await board.activity(id).filter({ hasText: 'looks around' }).waitFor();
  }
  equal(await board.task('task-3').getAttribute('data-status'), 'Pending', 'what waits for others');
  await board.button('Cancel run').waitFor();
  release('go-task-1');
  await board.task('task-1', 'Completed').waitFor();
  await board.bar('task-1/1', 'done').waitFor({ state: 'attached' });
  equal(await board.task('task-2').getAttribute('data-status'), 'Running', 'what has not been let go');
  release('go-task-2');
  await board.task('task-3', 'Running').waitFor();
  release('go-task-3');
  await board.task('task-3', 'Completed').waitFor();
  await board.button('Complete').waitFor();

  await board.button('Complete').click();
  await board.dialog().waitFor();
  await page.keyboard.press('Escape');
  await board.dialog().waitFor({ state: 'detached' });
  holds(await board.button('Complete').isVisible(), 'a story is completed only when somebody says so');
  await ask('elsewhere');
  await board.command('Complete', { Publish: 'merge' });
  await board.button('Complete').waitFor({ state: 'hidden' });
  await page.locator(`nav [data-story="${story}"][data-status=Completed]`).waitFor();

  const seen = await board.seen();
  for (const id of ['task-1', 'task-2', 'task-3']) {
    equal(seen.task[id], ['Pending', 'Running', 'Completed'], `what was seen of ${id}`);
    equal(seen.bar[`${id}/1`], ['running', 'done'], `what was seen of the bar of ${id}`);
    equal(seen.made[`task ${id}`], 1, `how often ${id} was made`);
  }
  return { story, documents: board.documents, seen };
});
