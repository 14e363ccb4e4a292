// Who may look, and how the page says that somebody may not.
import { about, ask, equal, faults, holds, open, scene } from './browser.mjs';

const words = (board) => board.page.locator('body').innerText();

await scene(async () => {
  const refused = (message) => message.text().includes('401') || message.text().includes('403');
  const stranger = await open({ link: about.home, may: refused });
  await stranger.connection('refused').waitFor();
  holds((await words(stranger)).includes('aura serve'), 'the page says where the link comes from');

  const board = await open({ may: (message) => message.text().includes('422') });
  await board.connection('live').waitFor();
  const kept = (await board.page.context().cookies())[0];
  holds(kept.httpOnly && kept.sameSite === 'Strict', 'the cookie is for the server alone');
  equal(await board.page.evaluate(() => document.cookie), '', 'what scripts see of the cookie');
  equal(new URL(board.page.url()).search, '', 'the ticket does not stay in the address');

  const late = await open({ link: null, may: refused });
  const answer = await late.page.goto(about.link);
  equal(answer.status(), 403, 'the status of a link that was used');
  const said = await words(late);
  holds(said.includes('used already') && said.includes('aura serve'), `a used link says what to do: ${said}`);

  holds((await faults(late, 'the page of a used link')).length === 0, 'the page of a used link is accessible');

  await board.page.goto(about.link);
  await board.connection('live').waitFor();
  await stranger.page.goto((await ask('link')).url);
  await stranger.connection('live').waitFor();

  await board.command('New story', { Title: 'Nowhere', Repository: '/nowhere/at/all', Description: 'Nothing.' });
  const alert = board.alert('not_a_repository');
  await alert.waitFor();
  const text = await alert.innerText();
  holds(text.includes('/nowhere/at/all') && text.includes('not_a_repository'), `what is wrong, and its code: ${text}`);
  return { text };
});
