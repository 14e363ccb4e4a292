// A story that tries everything: nothing of it runs, and nothing of it breaks the page.
import { about, ask, equal, holds, open, release, scene } from './browser.mjs';

/** What would be a foot in the door, whatever ran so far. */
function traces() {
  const bad = [];
  for (const node of document.querySelectorAll('*')) {
    if (['SCRIPT', 'IFRAME', 'OBJECT', 'EMBED', 'IMG', 'BASE', 'FORM'].includes(node.tagName) && !node.closest('head') && !node.closest('dialog')) bad.push(node.outerHTML.slice(0, 200));
    for (const { name, value } of node.attributes) {
      if (/^on/i.test(name) || /^\s*(javascript|data|vbscript):/i.test(value) && !node.closest('head')) bad.push(`${node.tagName} ${name}=${value.slice(0, 200)}`);
    }
    const own = [...node.childNodes].filter((child) => child.nodeType === Node.TEXT_NODE).map((child) => child.data).join('');
    const style = getComputedStyle(node);
    if (/[\u202a-\u202e\u2066-\u2069]/.test(own) && style.display.startsWith('inline') && !/isolate|plaintext/.test(style.unicodeBidi) && style.display === 'inline') bad.push(`its direction leaks: ${node.tagName}.${node.className} ${own.slice(0, 80)}`);
  }
  return { bad, pwned: window.pwned ?? null };
}

async function clean(board, where) {
  equal(await board.page.evaluate(traces), { bad: [], pwned: null }, `traces in ${where}`);
  equal(await board.sideways(), 0, `how far ${where} scrolls sideways`);
}

await scene(async () => {
  const board = await open();
  const { page } = board;
  await board.storyLink(about.story).waitFor();
  await clean(board, 'the list');
  await board.openStory(about.story);
  await board.watch();
  await board.command('Run to the end');
  await board.activity('task-1').filter({ hasText: 'onerror' }).waitFor();
  await clean(board, 'a running story');
  release('go');
  await ask('ended');
  await board.task('task-1', 'Completed').waitFor();
  await board.task('task-2', 'Completed').waitFor();
  await board.task('task-3', 'Failed').waitFor();
  for (const [width, height] of [[1280, 800], [360, 640]]) {
    await page.setViewportSize({ width, height });
    await clean(board, `the story at ${width}`);
    for (const task of ['task-1', 'task-2', 'task-3']) {
      await page.evaluate(([story, id]) => { location.hash = `#/${story}/${id}`; }, [about.story, task]);
      await board.panel(task).waitFor();
      for (const tab of ['Transcript', 'Prompt', 'Diff', 'Attempts']) {
        await board.openTab(tab);
        await clean(board, `${tab} of ${task} at ${width}`);
      }
    }
    await page.keyboard.press('Escape');
    await board.panel().waitFor({ state: 'hidden' });
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.evaluate((story) => { location.hash = `#/${story}/task-1`; }, about.story);
  await board.openTab('Diff');
  await board.lines().locator('.line', { hasText: 'onerror' }).first().waitFor();
  holds((await board.storyLink(about.story).innerText()).includes('<img src=x onerror='), 'markup is shown as it was written');
  await board.button('Retry task').count();
  // An address that somebody else has made up.
  for (const hash of ['#/<img src=x onerror=window.pwned=1>', '#/%', '#/javascript:window.pwned=1/%22%3E%3Cscript%3E', `#/${about.story}/nothing`, '#//', `#/${about.story}/..%2f..%2fopen`]) {
    await page.evaluate((text) => { location.hash = text; }, hash);
    await page.evaluate(() => new Promise((resolve) => { requestAnimationFrame(() => requestAnimationFrame(resolve)); }));
    await clean(board, hash);
  }
  await board.openStory(about.story);
  return { documents: board.documents };
});
