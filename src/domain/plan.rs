//! Plans: what a planner proposes, what Aura accepts, and the waves and critical path that follow.
//!
//! A draft is untrusted: it may come from a model. [`Plan::check`] refuses all that is wrong with it at once, each
//! fault naming its task, and computes what must never be taken on trust: waves, and the order of overlapping claims.

use super::TaskId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Most tasks a plan may have.
pub const TASKS_MAX: usize = 500;
/// Longest title of a task or story, in characters.
pub const TITLE_CHARS_MAX: usize = 200;
/// Longest prompt of a task, in bytes. A story's description may be as long.
pub const DESCRIPTION_BYTES_MAX: usize = 64 * 1024;
/// Most files one task may claim.
pub const FILES_MAX: usize = 200;
/// Weight of a task whose planner gave no estimate, in minutes.
const ESTIMATE_DEFAULT: u32 = 5;
/// Longest believable estimate, in minutes.
const ESTIMATE_MAX: u32 = 7 * 24 * 60;

/// One task as a planner proposes it. Lenient on purpose: faults are found by [`Plan::check`], with names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskDraft {
    pub id: Option<String>,
    pub title: String,
    /// The agent's prompt.
    pub description: String,
    pub depends_on: Vec<String>,
    /// Files it expects to touch, relative to the repository, `/` as separator; a trailing `/` claims a folder.
    pub files: Vec<String>,
    /// Which configured agent runs it.
    pub agent: Option<String>,
    /// Expected minutes, used only to order work.
    pub estimate: Option<u32>,
}

/// One accepted task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedTask {
    pub id: TaskId,
    pub title: String,
    pub description: String,
    pub depends_on: Vec<TaskId>,
    pub files: Vec<String>,
    pub agent: Option<String>,
    pub estimate: u32,
    /// 1-based: one more than the highest wave of its dependencies.
    pub wave: u32,
}

/// An order that Aura added because two tasks claim the same file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddedOrder {
    pub first: TaskId,
    pub then: TaskId,
    pub file: String,
}

/// An accepted plan, in the planner's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub tasks: Vec<PlannedTask>,
    pub added_orders: Vec<AddedOrder>,
}

/// What is wrong with a draft. `task` is the id as given, or `#3` for the third task where it has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub task: Option<String>,
    pub message: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.task {
            Some(task) => write!(f, "task `{task}`: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl Plan {
    /// Accepts a draft or says everything that is wrong with it.
    ///
    /// # Errors
    /// All faults at once; never empty.
    pub fn check(drafts: Vec<TaskDraft>) -> Result<Plan, Vec<Fault>> {
        let mut faults = vec![];
        if drafts.is_empty() {
            faults.push(Fault { task: None, message: "the plan has no tasks".into() });
        }
        if drafts.len() > TASKS_MAX {
            return Err(vec![Fault {
                task: None,
                message: format!("the plan has {} tasks; at most {TASKS_MAX} are accepted", drafts.len()),
            }]);
        }
        let mut tasks: Vec<PlannedTask> = vec![];
        for (index, draft) in drafts.into_iter().enumerate() {
            tasks.extend(check_task(index, draft, &mut faults));
        }
        check_ids(&tasks, &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        let cycle = assign_waves(&mut tasks);
        if !cycle.is_empty() {
            let path = cycle.iter().map(TaskId::as_str).collect::<Vec<_>>().join("` → `");
            return Err(vec![Fault { task: Some(cycle[0].to_string()), message: format!("its dependencies go in a circle: `{path}`") }]);
        }
        let added_orders = order_overlaps(&mut tasks);
        Ok(Plan { tasks, added_orders })
    }

    #[must_use]
    pub fn wave_count(&self) -> u32 {
        self.tasks.iter().map(|task| task.wave).max().unwrap_or(0)
    }
}

/// For each task, the minutes from its start to the end of the longest chain that hangs on it: what list scheduling
/// sorts by.
#[must_use]
pub fn critical_paths<'a>(tasks: impl Iterator<Item = &'a PlannedTask>) -> BTreeMap<TaskId, u64> {
    let mut tasks: Vec<&PlannedTask> = tasks.collect();
    tasks.sort_by_key(|task| std::cmp::Reverse(task.wave));
    let mut longest: BTreeMap<TaskId, u64> = BTreeMap::new();
    for task in tasks {
        let own = longest.get(&task.id).copied().unwrap_or(0) + u64::from(task.estimate);
        longest.insert(task.id.clone(), own);
        for dependency in &task.depends_on {
            let entry = longest.entry(dependency.clone()).or_insert(0);
            *entry = (*entry).max(own);
        }
    }
    longest
}

fn check_task(index: usize, draft: TaskDraft, faults: &mut Vec<Fault>) -> Option<PlannedTask> {
    let name = draft.id.clone().filter(|id| !id.is_empty()).map_or(format!("#{}", index + 1), |id| id.escape_debug().take(60).collect());
    let before = faults.len();
    let mut fault = |message: String| faults.push(Fault { task: Some(name.clone()), message });
    let parse = |text: &str, fault: &mut dyn FnMut(String)| TaskId::parse(text).map_err(|why| fault(why)).ok();
    let id = match &draft.id {
        None => {
            fault("it has no id".into());
            None
        }
        Some(id) => parse(id, &mut fault),
    };
    let title = draft.title.trim().to_owned();
    if title.is_empty() {
        fault("its title is empty".into());
    }
    if title.chars().count() > TITLE_CHARS_MAX {
        fault(format!("its title is longer than {TITLE_CHARS_MAX} characters"));
    }
    if title.chars().any(char::is_control) {
        fault("its title holds control characters".into());
    }
    if draft.description.trim().is_empty() {
        fault("its description, the agent's prompt, is empty".into());
    }
    if draft.description.len() > DESCRIPTION_BYTES_MAX {
        fault(format!("its description is longer than {DESCRIPTION_BYTES_MAX} bytes"));
    }
    if draft.description.contains('\0') {
        fault("its description holds a NUL character".into());
    }
    if draft.files.len() > FILES_MAX {
        fault(format!("it claims {} files; at most {FILES_MAX} are accepted", draft.files.len()));
    }
    let mut files = vec![];
    for file in &draft.files {
        match clean_claim(file) {
            Ok(clean) if !files.contains(&clean) => files.push(clean),
            Ok(_) => {}
            Err(why) => fault(why),
        }
    }
    let mut depends_on: Vec<TaskId> = vec![];
    for dependency in &draft.depends_on {
        if let Some(dependency) = parse(dependency, &mut fault)
            && !depends_on.contains(&dependency)
        {
            depends_on.push(dependency);
        }
    }
    let estimate = draft.estimate.unwrap_or(ESTIMATE_DEFAULT).clamp(1, ESTIMATE_MAX);
    let id = id?;
    (faults.len() == before).then_some(PlannedTask {
        id,
        title,
        description: draft.description,
        depends_on,
        files,
        agent: draft.agent,
        estimate,
        wave: 0,
    })
}

/// A claim is a relative path with `/`: never absolute, never climbing, never inside `.git`.
fn clean_claim(claim: &str) -> Result<String, String> {
    let shown: String = claim.escape_debug().take(80).collect();
    let path = claim.trim().replace('\\', "/");
    let path = path.strip_prefix("./").unwrap_or(&path);
    let climbs = path.split('/').any(|part| part == ".." || part.eq_ignore_ascii_case(".git"));
    let drive = path.as_bytes().get(1) == Some(&b':');
    if path.is_empty() || path.starts_with('/') || drive || climbs || path.len() > 1024 || path.chars().any(char::is_control) {
        return Err(format!("`{shown}` in its files is not a path inside the repository"));
    }
    Ok(path.to_owned())
}

fn check_ids(tasks: &[PlannedTask], faults: &mut Vec<Fault>) {
    // Compared without case: the ids become folder names, also on case-insensitive file systems.
    let mut seen: HashMap<String, &TaskId> = HashMap::new();
    for task in tasks {
        if let Some(other) = seen.insert(task.id.as_str().to_ascii_lowercase(), &task.id) {
            faults.push(Fault { task: Some(task.id.to_string()), message: format!("its id is used twice (`{other}`, `{}`)", task.id) });
        }
    }
    let known: BTreeSet<&TaskId> = tasks.iter().map(|task| &task.id).collect();
    for task in tasks {
        for dependency in task.depends_on.iter().filter(|dependency| !known.contains(dependency)) {
            faults.push(Fault {
                task: Some(task.id.to_string()),
                message: format!("it depends on `{dependency}`, which is not in the plan"),
            });
        }
    }
}

/// Sets every wave by longest path, or returns a cycle (its first id repeated at the end).
fn assign_waves(tasks: &mut [PlannedTask]) -> Vec<TaskId> {
    let index: HashMap<TaskId, usize> = tasks.iter().enumerate().map(|(i, task)| (task.id.clone(), i)).collect();
    let mut waiting: Vec<usize> = tasks.iter().map(|task| task.depends_on.len()).collect();
    let mut dependents: Vec<Vec<usize>> = vec![vec![]; tasks.len()];
    for (i, task) in tasks.iter().enumerate() {
        for dependency in &task.depends_on {
            dependents[index[dependency]].push(i);
        }
    }
    let mut ready: Vec<usize> = (0..tasks.len()).filter(|&i| waiting[i] == 0).collect();
    tasks.iter_mut().for_each(|task| task.wave = 1);
    let mut done = 0;
    while let Some(i) = ready.pop() {
        done += 1;
        for &dependent in &dependents[i] {
            tasks[dependent].wave = tasks[dependent].wave.max(tasks[i].wave + 1);
            waiting[dependent] -= 1;
            if waiting[dependent] == 0 {
                ready.push(dependent);
            }
        }
    }
    if done == tasks.len() {
        return vec![];
    }
    // Walk back from any task that is still waiting: every step stays among waiting tasks, so it must close a circle.
    let mut at = waiting.iter().position(|&n| n > 0).expect("a task that never became ready is still waiting");
    let mut path = vec![];
    loop {
        if let Some(start) = path.iter().position(|&seen| seen == at) {
            let mut cycle: Vec<TaskId> = path[start..].iter().map(|&i: &usize| tasks[i].id.clone()).collect();
            cycle.push(tasks[at].id.clone());
            return cycle;
        }
        path.push(at);
        at = tasks[at]
            .depends_on
            .iter()
            .map(|dependency| index[dependency])
            .find(|&i| waiting[i] > 0)
            .expect("a waiting task waits for a waiting task");
    }
}

/// Orders tasks that claim the same file and are not ordered yet. Edges follow (wave, planner's order), so they
/// cannot close a circle. Covers tasks of different waves too: without a barrier they may run side by side.
fn order_overlaps(tasks: &mut [PlannedTask]) -> Vec<AddedOrder> {
    let mut order: Vec<usize> = (0..tasks.len()).collect();
    order.sort_by_key(|&i| (tasks[i].wave, i));
    let mut added = vec![];
    for (place, &then) in order.iter().enumerate() {
        for &first in order[..place].iter().rev() {
            let Some(file) = shared_claim(&tasks[first], &tasks[then]) else { continue };
            if reaches(tasks, then, first) {
                continue;
            }
            let dependency = tasks[first].id.clone();
            added.push(AddedOrder { first: dependency.clone(), then: tasks[then].id.clone(), file });
            tasks[then].depends_on.push(dependency);
        }
    }
    assign_waves(tasks);
    added
}

/// Whether `from` depends on `to`, directly or through others.
fn reaches(tasks: &[PlannedTask], from: usize, to: usize) -> bool {
    let mut stack = vec![from];
    let mut seen = BTreeSet::new();
    while let Some(at) = stack.pop() {
        for dependency in &tasks[at].depends_on {
            let Some(i) = tasks.iter().position(|task| task.id == *dependency) else { continue };
            if i == to {
                return true;
            }
            if seen.insert(i) {
                stack.push(i);
            }
        }
    }
    false
}

fn shared_claim(a: &PlannedTask, b: &PlannedTask) -> Option<String> {
    a.files.iter().find_map(|one| b.files.iter().find_map(|other| overlap(one, other)))
}

/// The narrower of two claims that can mean the same file. A wildcard claims the folder before it.
fn overlap(a: &str, b: &str) -> Option<String> {
    let reach = |claim: &str| match claim.find(['*', '?', '[']) {
        Some(at) => claim[..at].rfind('/').map(|slash| claim[..=slash].to_owned()),
        None => Some(claim.to_owned()),
    };
    let (a, b) = (reach(a)?, reach(b)?);
    let covers =
        |outer: &str, inner: &str| outer == inner || (outer.ends_with('/') && inner.starts_with(outer)) || inner == format!("{outer}/");
    if covers(&a, &b) { Some(b) } else { covers(&b, &a).then_some(a) }
}

/// Whether `path` lies inside one of `claims`.
#[must_use]
pub fn is_claimed(path: &str, claims: &[String]) -> bool {
    claims.iter().any(|claim| overlap(claim, path).is_some() || path.starts_with(&format!("{claim}/")))
}
