// A red gate: what failed is in view without a search.
import { about, ask, holds, open, release, scene } from './browser.mjs';

await scene(async () => {
  const board = await open();
  await board.openStory(about.story);
  await board.command('Run to the end');
  await board.gate('Failed').waitFor();
  const output = board.check('tests').locator('.lines');
  await output.waitFor();
  holds(Number(await output.getAttribute('data-lines')) > 100, 'the output is longer than what is in view');
  const line = output.locator('.line', { hasText: 'assertion failed: adds' });
  await line.waitFor();
  const [inner, outer] = [await line.boundingBox(), await output.boundingBox()];
  holds(inner.y >= outer.y - 1 && inner.y + inner.height <= outer.y + outer.height + 1, `what failed is inside the output's window: ${JSON.stringify([inner, outer])}`);
  release('go-repair');
  await board.gate('Passed').waitFor();
  await ask('ended');
  await board.bar('gate/1').first().waitFor({ state: 'attached' });
  await board.button('Complete').waitFor();
  return {};
});
