// What the tests know of the page: the hooks that it keeps stable, and nothing else.

const text = (value) => JSON.stringify(String(value));

export class Board {
  constructor(page) {
    this.page = page;
    /** Documents that were loaded: one, as long as nothing reloads. */
    this.documents = 0;
    this.complaints = [];
  }

  // ---- places ----

  connection(state) { return this.page.locator(`#connection[data-state=${state}]`); }
  storyLink(id) { return this.page.locator(`nav [data-story=${text(id)}]`); }
  view(id, status) { return this.page.locator(`#main [data-view=story][data-story=${text(id)}]${status ? `[data-status=${text(status)}]` : ''}`); }
  task(id, status) { return this.page.locator(`#main .dag [data-task=${text(id)}]${status ? `[data-status=${status}]` : ''}`); }
  tasks() { return this.page.locator('#main .dag [data-task]'); }
  activity(id) { return this.task(id).locator('.activity'); }
  edge(from, to) { return this.page.locator(`#main .dag [data-edge=${text(`${from} ${to}`)}]`); }
  bar(key, outcome) { return this.page.locator(`#main .timeline [data-bar=${text(key)}]${outcome ? `[data-outcome=${outcome}]` : ''}`); }
  bars() { return this.page.locator('#main .timeline [data-bar]'); }
  gate(verdict) { return this.page.locator(`#main .gate${verdict ? `[data-verdict=${text(verdict)}]` : ''}`); }
  check(name) { return this.page.locator(`#main .gate [data-check=${text(name)}]`); }
  panel(id) { return this.page.locator(id ? `#task[data-task=${text(id)}]` : '#task'); }
  tab(name) { return this.panel().getByRole('tab', { name, exact: true }); }
  lines() { return this.panel().locator('.lines:visible'); }
  field(name) { return this.panel().locator(`[data-field=${name}]`).first(); }
  dialog() { return this.page.locator('dialog[open]'); }
  alert(code) { return this.page.locator(`[role=alert]${code ? `[data-code=${text(code)}]` : ''}, [role=alert] [data-code=${text(code ?? '')}]`).first(); }
  button(name) { return this.page.getByRole('button', { name, exact: true }); }

  // ---- acts ----

  async openStory(id) {
    await this.storyLink(id).click();
    await this.view(id).waitFor();
  }

  async openTask(id) {
    await this.task(id).click();
    await this.panel(id).waitFor();
  }

  async openTab(name) {
    await this.tab(name).click();
    await this.page.locator('#task [role=tab][aria-selected=true]', { hasText: name }).waitFor();
  }

  async fill(fields) {
    for (const [label, value] of Object.entries(fields)) {
      const field = this.dialog().getByLabel(label, { exact: true });
      const kind = await field.evaluate((node) => (node.tagName === 'SELECT' ? 'select' : node.type));
      if (kind === 'select') await field.selectOption(value);
      else if (kind === 'checkbox') await field.setChecked(value);
      else await field.fill(String(value));
    }
  }

  /** Presses a command that asks first, answers, and lets it begin. */
  async command(name, fields = {}) {
    await this.button(name).click();
    await this.dialog().waitFor();
    await this.fill(fields);
    await this.dialog().locator('.primary').click();
    await this.dialog().waitFor({ state: 'detached' });
  }

  /** The story that is shown. */
  async story() {
    await this.page.waitForFunction(() => /^#\/[^/]+/.test(location.hash));
    return decodeURIComponent(new URL(this.page.url()).hash.split('/')[1]);
  }

  // ---- readings ----

  /** Writes down, from now on, every status of every task and bar, and each time that one comes anew. */
  async watch() {
    await this.page.evaluate(() => {
      const seen = { task: {}, bar: {}, story: {} };
      const nodes = new Map();
      const note = (kind, key, value, node) => {
        const list = (seen[kind][key] ??= []);
        if (list.at(-1) !== value) list.push(value);
        const known = nodes.get(`${kind} ${key}`) ?? new Set();
        nodes.set(`${kind} ${key}`, known.add(node));
      };
      const look = () => {
        for (const node of document.querySelectorAll('#main .dag [data-task]')) note('task', node.dataset.task, node.dataset.status, node);
        for (const node of document.querySelectorAll('#main .timeline [data-bar]')) note('bar', node.dataset.bar, node.dataset.outcome, node);
        for (const node of document.querySelectorAll('nav [data-story]')) note('story', node.dataset.story, node.dataset.status, node);
      };
      window.seen = () => ({ ...seen, made: Object.fromEntries([...nodes].map(([key, set]) => [key, set.size])) });
      look();
      new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-status', 'data-outcome'] });
    });
  }

  seen() { return this.page.evaluate(() => window.seen()); }

  /** Every task with its status, every bar with its outcome, as the page shows them. */
  shown() {
    return this.page.evaluate(() => {
      const all = (selector, key, value) => [...document.querySelectorAll(selector)].map((node) => [node.dataset[key], node.dataset[value]]).sort();
      return { tasks: all('#main .dag [data-task]', 'task', 'status'), bars: all('#main .timeline [data-bar]', 'bar', 'outcome'), stories: all('nav [data-story]', 'story', 'status') };
    });
  }

  /** How far the page can be scrolled sideways as a whole: nothing, if it is laid out well. */
  sideways() { return this.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth); }
}
