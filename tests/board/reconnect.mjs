// The server is killed while a story runs, and comes again.
import { about, ask, open, release, scene } from './browser.mjs';

const unreachable = (message) => /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|net::ERR/.test(message.text());

await scene(async () => {
  const board = await open({ may: unreachable });
  await board.connection('live').waitFor();
  await board.openStory(about.story);
  await board.watch();
  await ask('run');
  await board.task('task-1', 'Running').waitFor();
  await ask('kill');
  await board.connection('lost').waitFor();
  // The run goes on without its server, and nobody sees it.
  release('go-task-1');
  release('go-task-2');
  await ask('start');
  await board.connection('live').waitFor();
  await board.task('task-2', 'Completed').waitFor();
  await board.task('task-3', 'Running').waitFor();
  release('go-task-3');
  await ask('ended');
  await board.task('task-3', 'Completed').waitFor();
  await board.bar('task-3/1', 'done').waitFor({ state: 'attached' });
  return { documents: board.documents, shown: await board.shown(), seen: await board.seen() };
});
