// What changes something. Each asks first, with the options of the command line, and says what came of it.
import { change, storyPath, taskPath } from './api.js';
import { ask } from './dialog.js';
import { loadStories, loadStory } from './store.js';
import { refusal, tell, working } from './notices.js';

const PLANNERS = ['copilot', 'openai', 'outline'];
const parallel = (value) => ({ name: 'maxParallelism', label: 'Parallel agents', kind: 'number', min: 1, max: 256, value });

/** Asks, does, and says what came of it. A refusal leads back to the question, with everything that was entered. */
async function command(question, call, entered = {}) {
  const withEntered = (fields) => (fields ?? []).map((one) => ({ ...one, value: entered[one.name] ?? one.value }));
  const given = await ask({ ...question, fields: withEntered(question.fields), more: withEntered(question.more) });
  if (!given) return null;
  const done = working(`${question.verb}: under way…`);
  try {
    const answer = await call(given);
    tell(answer.message ?? answer.summary ?? `${question.verb}: done.`);
    return answer;
  } catch (error) {
    refusal(question.verb, error, () => command(question, call, given));
    return null;
  } finally {
    done();
    loadStory();
    loadStories();
  }
}

export async function create(repository) {
  const question = {
    title: 'New story',
    texts: ['A story is one piece of work with a branch and a worktree of its own. Your checkout is not touched.'],
    fields: [
      { name: 'title', label: 'Title', help: 'What should be true at the end, in one line. May be empty where an issue says it.' },
      {
        name: 'repositoryPath',
        label: 'Repository',
        required: true,
        value: repository,
        help: 'Whole path of a folder in it.',
        placeholder: '/home/me/project',
      },
      {
        name: 'description',
        label: 'Description',
        kind: 'long',
        help: 'Context, wishes, limits. Headings or a list become tasks with the outline planner.',
      },
      { name: 'issueUrl', label: 'GitHub issue', kind: 'url', help: 'Gives title and description, where these are empty.' },
    ],
    more: [
      { name: 'agent', label: 'Agent', help: 'As named in aura.toml; empty: the configured one.' },
      { name: 'planner', label: 'Planner', options: PLANNERS },
      { name: 'base', label: 'Start from', help: 'Branch or commit; empty: what is checked out.' },
      { name: 'branch', label: 'Story branch', help: 'Empty: aura/ and the title.' },
    ],
    verb: 'Create',
  };
  const story = await command(question, (given) => change('POST', '', given));
  if (story) location.hash = `#/${story.id}`;
}

export const analyze = ({ storyId }) =>
  command(
    {
      title: 'Analyze the repository?',
      verb: 'Analyze',
      texts: ['Gathers languages, commands, layout and history. Nothing in the repository changes.'],
      fields: [{ name: 'factsOnly', label: 'Facts only: ask no model', kind: 'check', value: false }],
    },
    (given) => change('POST', `${storyPath(storyId)}/analyze`, given),
  );

export const decompose = ({ storyId, maxParallelism, tasks }) =>
  command(
    {
      title: tasks.length > 0 ? 'Replace the plan?' : 'Decompose into tasks',
      verb: 'Decompose',
      texts:
        tasks.length > 0
          ? [`The ${tasks.length} tasks of the present plan are replaced; none of them has begun.`]
          : ['A planner makes tasks with dependencies; waves are computed.'],
      fields: [
        { name: 'planner', label: 'Planner', options: PLANNERS, help: 'Empty: the story’s, or the configured one.' },
        parallel(maxParallelism),
        { name: 'includeTests', label: 'Include tests', kind: 'check', value: true },
      ],
    },
    (given) => change('POST', `${storyPath(storyId)}/decompose`, { ...given, detailed: false }),
  );

const MODES = [
  ['', 'Default'],
  ['flow', 'Flow: a task starts when its dependencies have landed'],
  ['waves', 'Waves: a barrier and a gate after each wave'],
];

const run =
  (title, text, all) =>
  ({ storyId, maxParallelism }) =>
    command(
      {
        title,
        verb: all ? 'Run' : 'Run the wave',
        texts: [text, 'Agents work in worktrees of their own. The run goes on when this page is closed.'],
        fields: [parallel(maxParallelism), { name: 'mode', label: 'Order', kind: 'choice', options: MODES, value: '' }],
      },
      ({ maxParallelism: most, ...given }) => {
        const body = most === maxParallelism ? given : { ...given, maxParallelism: most };
        return change('POST', `${storyPath(storyId)}/run`, { ...body, all });
      },
    );
export const runAll = run('Run to the end?', 'Runs every task that is left, with a gate after each wave.', true);
export const runWave = run('Run one wave?', 'Runs the next wave, and its gate.', false);

export const cancel = ({ storyId }) =>
  command(
    {
      title: 'Cancel the run?',
      verb: 'Cancel run',
      isDanger: true,
      texts: [
        'Agents are asked to stop. What has landed stays; their sessions and their work are kept, and running again goes on with them.',
      ],
      fields: [{ name: 'now', label: 'Kill the agents instead of asking them', kind: 'check', value: false }],
    },
    (given) => change('POST', `${storyPath(storyId)}/cancel`, given),
  );

export const retry = ({ storyId }, task) =>
  command(
    {
      title: `Retry ${task}?`,
      verb: 'Retry task',
      texts: ['The task is pending again, with new attempts. What its earlier attempts left is kept. It runs when the story runs.'],
    },
    () => change('POST', `${taskPath(storyId, task)}/retry`, {}),
  );

const PUBLISH = [
  ['auto', 'Automatic: push where there is a remote, else leave the branch'],
  ['branch', 'Leave it on the story branch'],
  ['merge', 'Merge: move the base branch to it'],
  ['push', 'Push the story branch'],
];
const PULL = [
  ['', 'Where the remote is on GitHub'],
  ['yes', 'Yes'],
  ['no', 'No'],
];

export const complete = ({ storyId, title, base, branch }) =>
  command(
    {
      title: 'Complete the story?',
      verb: 'Complete',
      texts: [
        `Brings ${base ?? 'the base'} in, verifies exactly the result, squashes it to one commit and publishes that.`,
        `Every landing stays reachable on ${branch ?? 'the story branch'}’s history under refs/aura. Your checkout is not touched.`,
      ],
      fields: [
        { name: 'publish', label: 'Publish', kind: 'choice', options: PUBLISH, value: 'auto' },
        { name: 'createPullRequest', label: 'Create a pull request', kind: 'choice', options: PULL, value: '' },
        { name: 'draft', label: 'Draft', kind: 'check', value: true },
      ],
      more: [
        { name: 'prTitle', label: 'Title of the pull request', placeholder: title },
        { name: 'prBody', label: 'Its text', kind: 'long' },
        { name: 'baseBranch', label: 'Branch it is for' },
        { name: 'commitMessage', label: 'Commit message', kind: 'long', help: 'Empty: made from the story and its tasks.' },
        { name: 'remote', label: 'Remote' },
        { name: 'reviewers', label: 'Reviewers', help: 'Separated by commas.' },
        { name: 'labels', label: 'Labels', help: 'Separated by commas.' },
        { name: 'keepCommits', label: 'Keep every task’s landing instead of one commit', kind: 'check', value: false },
      ],
    },
    (given) => change('POST', `${storyPath(storyId)}/complete`, completion(given)),
  );

function completion({ createPullRequest, draft, reviewers, labels, ...rest }) {
  const list = (text) =>
    (text ?? '')
      .split(',')
      .map((item) => item.trim())
      .filter(Boolean);
  const body = { ...rest, reviewers: list(reviewers), labels: list(labels) };
  if (createPullRequest) body.createPullRequest = createPullRequest === 'yes';
  // What is as configured is not said: a configuration may say otherwise than the page.
  if (!draft) body.draft = false;
  return body;
}

export const clean = ({ storyId }) =>
  command(
    {
      title: 'Remove the worktrees?',
      verb: 'Remove worktree',
      isDanger: true,
      texts: [
        'Removes the story’s worktrees and task branches, and its branch once that is merged or pushed.',
        'The story, its log and its transcripts stay. Your own checkout is not touched. What is neither merged nor pushed is not removed.',
      ],
      fields: [
        { name: 'force', label: 'Also what is neither merged nor pushed (it is kept under refs/aura/rescue)', kind: 'check', value: false },
      ],
    },
    ({ force }) => change('DELETE', `${storyPath(storyId)}/worktree${force ? '?force=true' : ''}`),
  );
