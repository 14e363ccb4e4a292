//! What to do now, from the state alone. A fresh run, a tick and a restart after a crash ask the same question.

use super::{
    Attempt, Cancel, Culprit, Event, Landable, Mode, Oid, Outcome, Purpose, RunOutcome, Scope, StopReason, Story, Task, TaskId, Work,
    critical_paths,
};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// Interruptions in a row before a task fails: being killed is not the task's fault, but a supervisor that dies
/// each time must not go on for ever.
const INTERRUPTIONS_MAX: u32 = 20;

/// Attempts for each task that a run may start, when nothing else is configured.
const RUN_ATTEMPTS_PER_TASK: usize = 10;

/// Worktrees that are made ahead at once: more would only wait for the same disk.
const PREPARING_MAX: usize = 2;

/// Bounds of a run. Counts are per task, per kind of failure and per fresh start; an attempt that leaves more than any before
/// it starts them afresh. Why these defaults: `docs/decisions/009-yield.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Attempts with a wrong result before a task is given up.
    pub results_max: u32,
    /// Attempts whose agent died.
    pub crashes_max: u32,
    /// Attempts that gave no sign of life or ran out of time.
    pub stalls_max: u32,
    /// Attempts to resolve conflicts that left them there.
    pub conflicts_max: u32,
    /// Repairs of one task that leave the gate red before a person has to look.
    pub repairs_max: u32,
    /// Rate-limited attempts in a row.
    pub rate_limits_max: u32,
    /// How often a run of the whole story tries what it has: 2 means that it goes back once to what was given up.
    pub rounds_max: u32,
    /// Attempts that one run may start; none means ten for each task.
    pub run_attempts_max: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            results_max: 2,
            crashes_max: 3,
            stalls_max: 2,
            conflicts_max: 3,
            repairs_max: 2,
            rate_limits_max: 20,
            rounds_max: 2,
            run_attempts_max: None,
        }
    }
}

impl Limits {
    fn run_attempts(&self, story: &Story) -> usize {
        self.run_attempts_max.map_or(RUN_ATTEMPTS_PER_TASK * story.tasks.len(), |max| max as usize)
    }
}

/// What is being done already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Attempts that somebody attends to, from the worktree to the verdict.
    pub attempts: BTreeSet<TaskId>,
    /// Of those, the ones whose agent has not been started yet.
    pub launching: BTreeSet<TaskId>,
    /// Of those, the ones whose agent ended well: they need no slot any more.
    pub settling: BTreeSet<TaskId>,
    /// Worktrees that are being made ahead of their tasks.
    pub preparing: BTreeSet<TaskId>,
    /// Worktrees that were.
    pub prepared: BTreeSet<TaskId>,
    pub landing: bool,
    pub gate: bool,
    pub culprit: bool,
    pub verifying: bool,
}

impl InFlight {
    fn is_busy(&self) -> bool {
        !self.attempts.is_empty() || !self.preparing.is_empty() || self.landing || self.gate || self.culprit || self.verifying
    }
}

/// Something to do. Values, so that another machine could do them.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A fact that needs no work to become true.
    Record(Event),
    /// Start the task's next attempt, or attend to the one that is running.
    Attempt {
        task: TaskId,
    },
    /// Make the worktree of a task that starts soon: to check out files takes longer than all else between two tasks.
    Prepare {
        task: TaskId,
    },
    StopAttempt {
        task: TaskId,
        how: Cancel,
    },
    Land {
        permit: Landable,
    },
    /// Run the gate at a commit of the story branch, on behalf of a wave.
    Gate {
        commit: Oid,
        tree: Oid,
        wave: u32,
    },
    /// Find the landing between `good` and `bad` that turned the gate red.
    FindCulprit {
        good: Option<Oid>,
        bad: Oid,
    },
    /// Look whether the tip of the story branch holds everything that landed.
    Verify {
        tip: Oid,
    },
    /// Ask again at this time: the run is held by a rate limit.
    Wait {
        until: Timestamp,
    },
    End {
        outcome: RunOutcome,
    },
}

/// Decides. Empty means: wait for what is in flight.
#[must_use]
pub fn next(story: &Story, limits: &Limits, now: Timestamp, in_flight: &InFlight) -> Vec<Effect> {
    let Some(run) = &story.run else { return vec![] };
    if let Some(how) = run.cancel.or(run.stop.as_ref().map(|_| Cancel::Graceful)) {
        return winding_down(story, limits, how, in_flight);
    }
    let facts = settle(story, limits);
    if !facts.is_empty() {
        return facts;
    }
    let mut effects = vec![];
    if !in_flight.landing
        && let Some(permit) = story.next_landing()
    {
        effects.push(Effect::Land { permit });
    }
    effects.extend(gate_work(story, in_flight));
    let held = starts(story, limits, now, in_flight, &mut effects);
    if effects.is_empty() && !in_flight.is_busy() {
        match held {
            Some(until) => effects.push(Effect::Wait { until }),
            None if story.awaits_verification() => effects.push(Effect::Verify { tip: story.tip.commit.clone() }),
            None => effects.push(another_round(story, limits).unwrap_or_else(|| Effect::End { outcome: verdict_of_run(story, limits) })),
        }
    } else if let Some(until) = held {
        effects.push(Effect::Wait { until });
    }
    let starts_now = effects.iter().any(|effect| matches!(effect, Effect::Attempt { .. }));
    if !starts_now && in_flight.launching.is_empty() {
        effects.extend(ahead(story, in_flight));
    }
    effects
}

/// The worktree to make next while agents work: of the task that is next in line, as many ahead as agents run. None
/// while an agent waits to be started: it needs the disk more.
fn ahead(story: &Story, in_flight: &InFlight) -> Option<Effect> {
    let run = story.run.as_ref().filter(|_| !in_flight.attempts.is_empty())?;
    let waits = |task: &&Task| {
        let fresh = task.attempts.is_empty() && matches!(task.work, Work::Pending { .. }) && !in_flight.attempts.contains(task.id());
        fresh && (run.scope == Scope::All || task.planned.wave <= run.wave)
    };
    let waiting: Vec<&Task> = story.tasks.iter().filter(waits).collect();
    let made = waiting.iter().filter(|task| in_flight.prepared.contains(task.id())).count();
    if in_flight.preparing.len() >= PREPARING_MAX || made + in_flight.preparing.len() >= run.max_parallelism as usize {
        return None;
    }
    let known = |id: &TaskId| in_flight.prepared.contains(id) || in_flight.preparing.contains(id);
    let paths = critical_paths(story.tasks.iter().map(|task| &task.planned));
    let missing = |task: &Task| task.planned.depends_on.iter().filter(|id| !story.task(id).is_some_and(Task::has_landed)).count();
    let place = |task: &&&Task| (missing(task), std::cmp::Reverse(paths.get(task.id()).copied().unwrap_or(0)), task.planned.wave);
    let first = waiting.iter().filter(|task| !known(task.id())).min_by_key(place)?;
    Some(Effect::Prepare { task: first.id().clone() })
}

/// Nothing new starts; what runs is stopped; accepted work still lands. Not when the environment failed: the branch may
/// be what cannot be moved, and a run has to end. What is accepted is safe and lands at the next run.
fn winding_down(story: &Story, limits: &Limits, how: Cancel, in_flight: &InFlight) -> Vec<Effect> {
    let mut effects: Vec<Effect> = vec![];
    for task in &story.tasks {
        if let Work::Running { .. } = task.work {
            effects.push(Effect::StopAttempt { task: task.id().clone(), how });
            if !in_flight.attempts.contains(task.id()) {
                effects.push(Effect::Attempt { task: task.id().clone() });
            }
        }
    }
    let stop = story.run.as_ref().and_then(|run| run.stop.as_ref());
    let can_land = !matches!(stop, Some((StopReason::Environment, _)));
    if can_land
        && !in_flight.landing
        && let Some(permit) = story.next_landing()
    {
        effects.push(Effect::Land { permit });
    }
    if effects.is_empty() && !in_flight.is_busy() {
        effects.push(Effect::End { outcome: verdict_of_run(story, limits) });
    }
    effects
}

/// Going back to what was given up, before the run gives up itself: what it met may have been bad luck, and what has landed
/// since may help. Not where nobody in the story can mend the gate.
fn another_round(story: &Story, limits: &Limits) -> Option<Effect> {
    let run = story.run.as_ref().filter(|run| run.scope == Scope::All && run.round < limits.rounds_max)?;
    let failed = story.tasks.iter().any(|task| matches!(task.work, Work::Failed { .. }));
    let worth = story.gates.red.as_ref().map_or(failed, |red| red.gave_up);
    let allowed = attempts_of(story) < limits.run_attempts(story);
    (worth && allowed).then(|| Effect::Record(Event::RoundStarted { run: run.id, round: run.round + 1 }))
}

/// Attempts that the run has started, without those that were interrupted.
fn attempts_of(story: &Story) -> usize {
    let Some(run) = &story.run else { return 0 };
    let counts = |attempt: &&Attempt| {
        let interrupted = attempt.ended.as_ref().is_some_and(|end| end.outcome == Outcome::Interrupted);
        attempt.started_at >= run.started_at && !interrupted
    };
    story.tasks.iter().flat_map(|task| &task.attempts).filter(counts).count()
}

/// Tasks that are out of attempts fail; what waits for them is skipped. Also gives up repairs.
fn settle(story: &Story, limits: &Limits) -> Vec<Effect> {
    let mut facts = vec![];
    for task in &story.tasks {
        let Work::Pending { next } = &task.work else { continue };
        let id = task.id().clone();
        if let Some(error) = why_spent(task, next, limits).or_else(|| why_unrepaired(story, task, limits)) {
            let event = if task.has_landed() { Event::RepairFailed { task: id, error } } else { Event::TaskFailed { task: id, error } };
            facts.push(Effect::Record(event));
            continue;
        }
        if task.has_landed() {
            continue;
        }
        let dead = |id: &&TaskId| story.task(id).is_some_and(|task| matches!(task.work, Work::Failed { .. } | Work::Skipped { .. }));
        if let Some(because) = task.planned.depends_on.iter().find(dead) {
            facts.push(Effect::Record(Event::TaskSkipped { task: id, because: because.clone() }));
        }
    }
    facts
}

/// Why a task repairs no more, if it has repaired the gate as often as is allowed and it is still red.
fn why_unrepaired(story: &Story, task: &Task, limits: &Limits) -> Option<String> {
    let blamed = story.gates.red.as_ref().and_then(|red| red.blamed.get(task.id())).copied().unwrap_or(0);
    let spent = task.is_repairing() && blamed > limits.repairs_max;
    spent.then(|| format!("still red after {} repairs", limits.repairs_max))
}

/// Why a task gets no further attempt, if its bounds are reached.
fn why_spent(task: &Task, next: &Purpose, limits: &Limits) -> Option<String> {
    let of = &task.failures;
    let spent = of.results >= limits.results_max.max(1)
        || of.crashes >= limits.crashes_max.max(1)
        || of.stalls >= limits.stalls_max.max(1)
        || of.conflicts >= limits.conflicts_max.max(1)
        || of.rate_limits > limits.rate_limits_max
        || of.interruptions > INTERRUPTIONS_MAX;
    if !spent {
        return None;
    }
    let last = task.last_attempt().and_then(|attempt| attempt.ended.as_ref()).map(|end| &end.outcome);
    let last = last.filter(|outcome| **outcome != Outcome::Done).map_or_else(String::new, |outcome| format!(": {}", outcome.sentence()));
    Some(match next {
        Purpose::Resolve { paths, .. } => format!("its work conflicts with what landed before, in {}{last}", paths.join(", ")),
        Purpose::Work | Purpose::Retry { .. } | Purpose::Resume { .. } | Purpose::NoChange | Purpose::Repair { .. } => {
            format!("out of attempts{last}")
        }
    })
}

/// The gate, or the search for whoever turned it red. One at a time.
fn gate_work(story: &Story, in_flight: &InFlight) -> Option<Effect> {
    if in_flight.gate || in_flight.culprit {
        return None;
    }
    let tip = || Effect::Gate { commit: story.tip.commit.clone(), tree: story.tip.tree.clone(), wave: story.settled_wave().max(1) };
    match &story.gates.red {
        Some(red) => match &red.culprit {
            Culprit::Sought => Some(Effect::FindCulprit { good: story.gates.good.clone(), bad: red.commit.clone() }),
            // The repairs have landed: look again, for the highest wave that is settled.
            Culprit::Tasks { tasks } => {
                let has_landed = |id: &TaskId| story.task(id).is_some_and(|task| matches!(task.work, Work::Landed { .. }));
                (tasks.iter().all(has_landed) && story.tip.commit != red.commit).then(tip)
            }
            // What has landed since may have mended it, and no verdict is given on a tree that is not the story's.
            Culprit::Nobody { .. } => (story.tip.commit != red.commit && !is_landing(story, in_flight)).then(tip),
        },
        None => gate_is_due(story).then(tip),
    }
}

/// Whether more lands before an agent is asked for anything.
fn is_landing(story: &Story, in_flight: &InFlight) -> bool {
    in_flight.landing || story.landings().next().is_some()
}

/// A gate is due when a wave of the plan has settled that no gate has covered, or when everything is over and the
/// gate has not seen exactly the tip.
fn gate_is_due(story: &Story) -> bool {
    let settled = story.settled_wave();
    let landed = story.tasks.iter().any(Task::has_landed);
    // What was held when the run began is looked at again, to be taken back.
    let wave_open = settled > story.gates.wave || settled == story.wave_count() && story.is_held_from_before();
    let all_over = settled == story.wave_count();
    landed && (wave_open || (all_over && !story.tip_allows()))
}

/// Adds the attempts to start, longest critical path first. Returns when a rate limit holds some back.
fn starts(story: &Story, limits: &Limits, now: Timestamp, in_flight: &InFlight, effects: &mut Vec<Effect>) -> Option<Timestamp> {
    let run = story.run.as_ref()?;
    // Attempts that the log says run and nobody attends to: after a restart they come first and need no slot.
    for task in &story.tasks {
        if matches!(task.work, Work::Running { .. }) && !in_flight.attempts.contains(task.id()) {
            effects.push(Effect::Attempt { task: task.id().clone() });
        }
    }
    let parallelism = story.throttle.as_ref().map_or(run.max_parallelism, |throttle| throttle.parallelism.min(run.max_parallelism));
    let has_agent = |task: &&Task| matches!(task.work, Work::Running { .. }) && !in_flight.settling.contains(task.id());
    let running = story.tasks.iter().filter(has_agent).count();
    let starting =
        in_flight.attempts.iter().filter(|id| story.task(id).is_some_and(|task| matches!(task.work, Work::Pending { .. }))).count();
    let left = limits.run_attempts(story).saturating_sub(attempts_of(story) + starting);
    let free = (parallelism as usize).saturating_sub(running + starting).min(left);
    let ready: BTreeSet<&TaskId> =
        story.tasks.iter().filter(|task| may_start(story, task) && !in_flight.attempts.contains(task.id())).map(Task::id).collect();
    if left == 0 {
        return None;
    }
    // One whose worktree is just being made keeps its place, and starts when that is done.
    if ready.is_empty() {
        return None;
    }
    if let Some(throttle) = &story.throttle
        && now < throttle.until
    {
        return Some(throttle.until);
    }
    let paths = critical_paths(story.tasks.iter().map(|task| &task.planned));
    // A repair holds everything up, so it goes first; then conflicts and retries with the rest by critical path.
    // A task that only waits for landings keeps its place in the line: a landing takes a moment, a shorter task minutes.
    let mut line: Vec<&Task> =
        story.tasks.iter().filter(|task| ready.contains(task.id()) || is_about_to_be_ready(story, task, in_flight)).collect();
    line.sort_by_key(|task| (!task.is_repairing(), std::cmp::Reverse(paths.get(task.id()).copied().unwrap_or(0)), task.planned.wave));
    let line = one_resolver_for_each_file(story, line, in_flight);
    let can_go = |task: &&Task| ready.contains(task.id()) && !in_flight.preparing.contains(task.id());
    let first = line.into_iter().take(free).filter(can_go);
    effects.extend(first.map(|task| Effect::Attempt { task: task.id().clone() }));
    None
}

/// Leaves out who would resolve a conflict in a file in which another one is being resolved: whoever lands second would have
/// resolved it for nothing.
fn one_resolver_for_each_file<'a>(story: &'a Story, line: Vec<&'a Task>, in_flight: &InFlight) -> Vec<&'a Task> {
    let at_work = |task: &&Task| {
        let started = matches!(task.work, Work::Running { .. } | Work::Accepted { .. });
        started || in_flight.attempts.contains(task.id())
    };
    let mut taken: BTreeSet<&str> = story.tasks.iter().filter(at_work).filter_map(Task::conflict).flatten().map(String::as_str).collect();
    let mut kept = vec![];
    for task in line {
        let paths = task.conflict().unwrap_or_default();
        if paths.iter().any(|path| taken.contains(path.as_str())) {
            continue;
        }
        taken.extend(paths.iter().map(String::as_str));
        kept.push(task);
    }
    kept
}

/// Whether verdicts and landings that are under way are all that a task waits for. In waves mode the gate comes in between.
fn is_about_to_be_ready(story: &Story, task: &Task, in_flight: &InFlight) -> bool {
    let Some(run) = &story.run else { return false };
    let is_first_look = matches!(task.work, Work::Pending { .. }) && !task.has_landed();
    let lands = |task: &Task| task.has_landed() || task.landable().is_some() || in_flight.settling.contains(task.id());
    let lands_now = |id: &TaskId| story.task(id).is_some_and(lands);
    let free_to_go = run.mode == Mode::Flow && run.scope == Scope::All && story.gates.red.is_none();
    free_to_go && is_first_look && story.missing_dependency(task).is_some() && task.planned.depends_on.iter().all(lands_now)
}

fn may_start(story: &Story, task: &Task) -> bool {
    let Some(run) = &story.run else { return false };
    if !matches!(task.work, Work::Pending { .. }) {
        return false;
    }
    if task.is_repairing() {
        return true;
    }
    if story.missing_dependency(task).is_some() {
        return false;
    }
    let nobody = matches!(story.gates.red.as_ref().map(|red| &red.culprit), Some(Culprit::Nobody { .. }));
    let in_scope = run.scope == Scope::All || task.planned.wave <= run.wave;
    // The barrier: in waves mode a task waits until the gate of every wave before its own allows it.
    let barrier = run.mode == Mode::Flow || barrier_open(story, task);
    !nobody && in_scope && barrier
}

fn barrier_open(story: &Story, task: &Task) -> bool {
    let before = task.planned.wave.saturating_sub(1);
    let settled = story.settled_wave() >= before;
    let landed_before = story.tasks.iter().any(|other| other.planned.wave <= before && other.has_landed());
    settled && story.gates.red.is_none() && (story.gates.wave >= before || !landed_before)
}

/// What the run adds up to when there is nothing left to do.
fn verdict_of_run(story: &Story, limits: &Limits) -> RunOutcome {
    let Some(run) = &story.run else { return RunOutcome::Finished };
    if let Some((reason, detail)) = &run.stop {
        return RunOutcome::Stopped { reason: *reason, detail: detail.clone() };
    }
    if run.cancel.is_some() {
        return RunOutcome::Cancelled;
    }
    let held = story.open_findings().count();
    if held > 0 && story.judgement.as_ref().is_some_and(|judgement| judgement.take_back.is_some() && is_red_at(story, &judgement.commit)) {
        return RunOutcome::Stopped { reason: StopReason::Held, detail: held_text(held) };
    }
    if let Some(red) = &story.gates.red {
        let why = match &red.culprit {
            Culprit::Nobody { why } => why.clone(),
            Culprit::Sought | Culprit::Tasks { .. } => "not repaired".into(),
        };
        return RunOutcome::Failed { reason: format!("the gate is red at {}: {why}", red.commit.short()) };
    }
    let failed: Vec<&str> =
        story.tasks.iter().filter(|task| matches!(task.work, Work::Failed { .. })).map(|task| task.id().as_str()).collect();
    if !failed.is_empty() {
        return RunOutcome::Failed { reason: format!("these tasks failed: {}", failed.join(", ")) };
    }
    if let Some(missing) = story.missing_work().first() {
        return RunOutcome::Failed { reason: missing.sentence() };
    }
    let started = attempts_of(story);
    match unfinished(story, run.scope, run.wave) {
        Some(_) if started >= limits.run_attempts(story) => {
            RunOutcome::Failed { reason: format!("the run has started {started} attempts, as many as it may") }
        }
        Some(_) if held > 0 && story.all_landed() && story.tip_allows() => {
            RunOutcome::Stopped { reason: StopReason::Held, detail: held_text(held) }
        }
        Some(reason) => RunOutcome::Failed { reason },
        None => RunOutcome::Finished,
    }
}

fn is_red_at(story: &Story, commit: &Oid) -> bool {
    story.gates.red.as_ref().is_some_and(|red| red.commit == *commit)
}

fn held_text(count: usize) -> String {
    let what = if count == 1 { "1 change".into() } else { format!("{count} changes") };
    format!("{what} to what decides the gate: a person has to accept, or the next run takes it back")
}

/// What the scope of the run still lacks. A run that would end so has met a case that nobody thought of: it says so
/// and never claims to have finished.
fn unfinished(story: &Story, scope: Scope, wave: u32) -> Option<String> {
    let inside = |task: &&Task| scope == Scope::All || task.planned.wave <= wave;
    let open = story.tasks.iter().filter(inside).filter(|task| !matches!(task.work, Work::Landed { .. }));
    let open: Vec<&str> = open.map(|task| task.id().as_str()).collect();
    if !open.is_empty() {
        return Some(format!("nothing more can be done, and these tasks have not landed: {}", open.join(", ")));
    }
    let gated = match scope {
        Scope::All => story.is_complete(),
        Scope::Wave => story.gates.wave >= wave,
    };
    (!gated).then(|| "nothing more can be done, and no gate has seen what landed".to_owned())
}
