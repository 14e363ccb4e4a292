// A story: how far it is, what can be done with it, its plan, its gate, and where its time went.
import * as actions from './actions.js';
import { h, put, say, show, look, keyed } from './dom.js';
import { badge } from './icons.js';
import { Gate } from './gate.js';
import { Graph } from './graph.js';
import { Timeline } from './timeline.js';
import { remaining } from './plan.js';
import { announce } from './notices.js';
import { ago, amount, baseName, duration, elapsed, moment, number, plural } from './words.js';

/** Commands in the order in which they are needed: name, what it does, when it is there, when it is the next step. */
const COMMANDS = [
  ['Decompose', actions.decompose, (s) => s.isIdle && s.attempts === 0, (s) => s.tasks.length === 0],
  ['Analyze', actions.analyze, (s) => s.isIdle && s.tasks.length === 0],
  ['Run to the end', actions.runAll, (s) => (s.isIdle && s.tasks.length > 0 && !s.isComplete) || s.isStalled, () => true],
  ['Run one wave', actions.runWave, (s) => s.isIdle && s.tasks.length > 0 && !s.isComplete],
  ['Cancel run', actions.cancel, (s) => s.run && !s.run.cancelling],
  ['Complete', actions.complete, (s) => s.isIdle && s.isComplete && !s.isPublished, () => true],
  ['Remove worktree', actions.clean, (s) => s.run === null && s.hasWorktree],
];

export class StoryView {
  constructor(pick) {
    this.graph = new Graph(pick);
    this.gate = new Gate();
    this.timeline = new Timeline(pick);
    this.title = h('h2', { id: 'story-title' });
    this.status = badge('Pending');
    this.where = h('p', { class: 'where' });
    this.summary = h('p', { class: 'summary' });
    this.error = h('p', { class: 'error' });
    this.hint = h('p', { class: 'hint' });
    this.pull = h('a', { class: 'pull', rel: 'noreferrer', target: '_blank' });
    this.meter = h('div', { class: 'meter is-large', role: 'img' });
    this.facts = h('dl', { class: 'facts' });
    this.buttons = COMMANDS.map(([name, act]) => h('button', { type: 'button', onclick: () => act(this.known) }, name));
    this.node = h('article', { 'data-view': 'story', 'aria-labelledby': 'story-title' },
      h('a', { class: 'back', href: '#/' }, '← Stories'),
      h('header', { class: 'story' }, h('div', { class: 'names' }, this.title, this.status.node), h('div', { class: 'buttons' }, this.buttons)),
      this.where, this.meter, this.facts, this.summary, h('div', { class: 'callout' }, this.error, this.hint), this.pull,
      this.graph.node, this.gate.node, this.timeline.node);
  }

  update(state) {
    const { status, story, log } = state;
    put(this.node, { 'data-story': story?.id ?? status.storyId, 'data-status': status.status });
    if (this.last && this.last.id === status.storyId && this.last.status !== status.status) announce(`The story is ${status.status}.`);
    this.last = { id: status.storyId, status: status.status };
    say(this.title, status.title);
    this.status.draw(story?.status === 'Completed' ? 'Completed' : status.status);
    this.#where(story);
    this.#meter(status);
    this.#facts(status, log);
    say(this.summary, status.summary);
    show(this.error, status.error);
    say(this.error, status.error ?? '');
    show(this.hint, status.error || !status.run);
    say(this.hint, command(status.next));
    show(this.pull, /^https?:\/\//.test(story?.pullRequestUrl ?? ''));
    if (!this.pull.hidden) { put(this.pull, { href: story.pullRequestUrl }); say(this.pull, `Pull request: ${story.pullRequestUrl}`); }
    this.#commands(status, story, log);
    this.graph.update(state);
    this.gate.update(state);
    this.timeline.update(state);
  }

  #where(story) {
    if (!story) return;
    const base = story.baseBranch ?? story.baseCommit.slice(0, 10);
    say(this.where, `${baseName(story.repositoryPath)} · ${story.gitBranch} from ${base} · begun ${ago(story.createdAt)} · ${story.shortId}`);
    put(this.where, { title: `${story.repositoryPath}, ${moment(story.createdAt)}` });
  }

  #meter({ tasks }) {
    const parts = ['Completed', 'Running', 'Failed', 'Skipped', 'Pending'].map((name) => ({ name, count: tasks.filter((task) => task.status === name).length }));
    show(this.meter, tasks.length > 0);
    keyed(this.meter, parts, (part) => part.name, (part) => ({ node: h('span', { class: `part is-${part.name}` }) }), (row, part) => {
      show(row.node, part.count > 0);
      look(row.node, { 'flex-grow': String(part.count) });
    });
    put(this.meter, { 'aria-label': parts.filter((part) => part.count > 0).map((part) => `${part.count} ${part.name}`).join(', ') });
  }

  #facts(status, log) {
    const now = Date.now();
    const { tasks, usage, run } = status;
    const landed = tasks.filter((task) => task.status === 'Completed').length;
    const facts = [];
    if (tasks.length > 0) facts.push(['Landed', `${landed} of ${tasks.length}`], ['Wave', `${status.currentWave} of ${status.totalWaves}`]);
    if (run) facts.push(['Agents', `${run.agentsNow} of ${status.maxParallelism}`]);
    else facts.push(['Parallel', `at most ${status.maxParallelism}`]);
    const took = log.runs.reduce((sum, one) => sum + (one.to ?? now) - one.from, 0);
    if (took > 0) facts.push([run ? 'Elapsed' : 'Took', run ? elapsed(took) : duration(took)]);
    const left = run ? remaining(tasks, log, status.maxParallelism, now) : null;
    if (left !== null) facts.push(['Left, about', left < 60000 ? 'less than a minute' : plural(Math.ceil(left / 60000), 'minute')]);
    if (run?.rateLimitedUntil) facts.push(['Rate limited until', new Date(run.rateLimitedUntil).toLocaleTimeString('en-GB')]);
    if (run?.cancelling) facts.push(['Run', 'is ending']);
    if (run && !run.driven) facts.push(['Run', 'nobody drives it']);
    if (usage.inputTokens + usage.outputTokens > 0) facts.push(['Tokens', `${amount(usage.inputTokens)} in, ${amount(usage.outputTokens)} out`]);
    if (usage.premiumRequests > 0) facts.push(['Premium requests', number(usage.premiumRequests)]);
    if (log.credits() > 0) facts.push(['Credits', number(log.credits() / 1e9)]);
    keyed(this.facts, facts, ([name]) => name, ([name]) => {
      const value = h('dd', null);
      return { node: h('div', null, h('dt', null, name), value), value };
    }, (row, [, value]) => say(row.value, value));
  }

  #commands(status, story, log) {
    const { storyStatus } = status;
    this.known = {
      ...status, base: story?.baseBranch, branch: story?.gitBranch, attempts: log.attempts.size, hasWorktree: Boolean(story?.worktreePath),
      isIdle: status.run === null && !['Planning', 'Analyzing'].includes(storyStatus), isPublished: Boolean(story?.completedAt), isStalled: status.run !== null && !status.run.driven,
    };
    const shown = COMMANDS.map(([, , when]) => Boolean(when(this.known)));
    const next = COMMANDS.findIndex(([, , , first], index) => shown[index] && first?.(this.known));
    const hadFocus = this.buttons.indexOf(document.activeElement);
    this.buttons.forEach((button, index) => {
      show(button, shown[index]);
      put(button, { class: index === next ? 'primary' : index === COMMANDS.length - 1 ? 'quiet' : null });
    });
    // Whoever pressed a button that is gone now goes on from the next one.
    if (hadFocus >= 0 && !shown[hadFocus]) this.buttons[shown.indexOf(true)]?.focus();
  }
}

/** The command that a sentence of the API names in parentheses. */
function command(next) {
  const typed = /\(or type: ([^)]+)\)/.exec(next ?? '')?.[1];
  return typed ? `On the command line: ${typed}` : '';
}
