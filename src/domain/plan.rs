//! Plans: what a planner proposes, what Aura accepts, and the waves and critical path that follow.
//!
//! A draft is untrusted: it may come from a model. [`Plan::check`] refuses all that is wrong with it at once, each
//! fault naming its task, and computes what must never be taken on trust: waves, and the order of overlapping claims.

use super::TaskId;
use super::claim::{Meetings, Tasks, clean_claim};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Most tasks a plan may have.
pub const TASKS_MAX: usize = 500;
/// Most agents that may run at once.
pub const PARALLELISM_MAX: u32 = 256;
/// Longest title of a task or story, in characters.
pub const TITLE_CHARS_MAX: usize = 200;
/// Longest prompt of a task, in bytes. A story's description may be as long.
pub const DESCRIPTION_BYTES_MAX: usize = 64 * 1024;
/// Most files one task may claim.
pub const FILES_MAX: usize = 200;
/// Most bytes all prompts of a plan may have together: a plan is one event in the log.
pub const PLAN_BYTES_MAX: usize = 8 * 1024 * 1024;
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
    /// Files it expects to touch, relative to the repository, `/` as separator; a folder claims all below it,
    /// and `*`, `**`, `?`, `{a,b}` are wildcards.
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

/// Faults of one plan, so many that no model or person can fix more at once.
const FAULTS_MAX: usize = 100;
/// Circles of one plan that are reported.
const CIRCLES_MAX: usize = 10;

impl From<&PlannedTask> for TaskDraft {
    /// The draft that is accepted as exactly this task, orders that Aura added included.
    fn from(task: &PlannedTask) -> TaskDraft {
        TaskDraft {
            id: Some(task.id.to_string()),
            title: task.title.clone(),
            description: task.description.clone(),
            depends_on: task.depends_on.iter().map(TaskId::to_string).collect(),
            files: task.files.clone(),
            agent: task.agent.clone(),
            estimate: Some(task.estimate),
        }
    }
}

impl Plan {
    /// Accepts a draft or says everything that is wrong with it.
    ///
    /// # Errors
    /// All faults at once (of very many the first hundred and their number); never empty.
    pub fn check(drafts: Vec<TaskDraft>) -> Result<Plan, Vec<Fault>> {
        let of_the_plan = |message: String| Fault { task: None, message };
        if drafts.len() > TASKS_MAX {
            return Err(vec![of_the_plan(format!("the plan has {} tasks; at most {TASKS_MAX} are accepted", drafts.len()))]);
        }
        let mut faults = vec![];
        if drafts.is_empty() {
            faults.push(of_the_plan("the plan has no tasks".into()));
        }
        let bytes: usize = drafts.iter().map(|draft| draft.description.len()).sum();
        if bytes > PLAN_BYTES_MAX {
            faults.push(of_the_plan(format!("the descriptions of all tasks have {bytes} bytes; at most {PLAN_BYTES_MAX} are accepted")));
        }
        let mut tasks: Vec<PlannedTask> = vec![];
        for (index, draft) in drafts.into_iter().enumerate() {
            tasks.extend(check_task(index, draft, &mut faults));
        }
        let ids = check_ids(&tasks, &mut faults);
        if let Some(ids) = ids {
            check_circles(&tasks, &ids, &mut faults);
        }
        if !faults.is_empty() {
            if faults.len() > FAULTS_MAX {
                let more = faults.len() - FAULTS_MAX;
                faults.truncate(FAULTS_MAX);
                faults.push(of_the_plan(format!("and {more} more faults")));
            }
            return Err(faults);
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
    let mut longest: BTreeMap<TaskId, u64> = tasks.iter().map(|task| (task.id.clone(), 0)).collect();
    for task in tasks {
        let Some(own) = longest.get_mut(&task.id) else { continue };
        *own += u64::from(task.estimate);
        let own = *own;
        for dependency in &task.depends_on {
            if let Some(entry) = longest.get_mut(dependency) {
                *entry = (*entry).max(own);
            }
        }
    }
    longest
}

/// Says all that is wrong with one task. The answer has what could be read of it, so that other tasks can refer to it
/// without a second fault; it is a task of the plan only if no fault was found at all.
fn check_task(index: usize, draft: TaskDraft, faults: &mut Vec<Fault>) -> Option<PlannedTask> {
    let shown = |text: &str| text.chars().take(60).collect::<String>().escape_debug().to_string();
    let name = draft.id.as_deref().filter(|id| !id.is_empty()).map_or_else(|| format!("#{}", index + 1), shown);
    let mut fault = |message: String| faults.push(Fault { task: Some(name.clone()), message });
    let id = draft.id.as_deref().map(TaskId::parse);
    match &id {
        None => fault("it has no id".into()),
        Some(Err(why)) => fault(why.clone()),
        Some(Ok(_)) => {}
    }
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
    let agent = draft.agent.map(|agent| agent.trim().to_owned()).filter(|agent| !agent.is_empty());
    if let Some(agent) = agent.as_deref().filter(|agent| agent.chars().count() > TITLE_CHARS_MAX || agent.chars().any(char::is_control)) {
        fault(format!("its agent `{}` is not a name", shown(agent)));
    }
    let files = check_files(&draft.files, &mut fault);
    let depends_on = check_dependencies(&draft.depends_on, id.as_ref().and_then(|id| id.as_ref().ok()), &mut fault);
    let estimate = draft.estimate.unwrap_or(ESTIMATE_DEFAULT).clamp(1, ESTIMATE_MAX);
    Some(PlannedTask { id: id?.ok()?, title, description: draft.description, depends_on, files, agent, estimate, wave: 1 })
}

fn check_files(files: &[String], fault: &mut dyn FnMut(String)) -> Vec<String> {
    if files.len() > FILES_MAX {
        fault(format!("it claims {} files; at most {FILES_MAX} are accepted", files.len()));
    }
    let mut clean: Vec<String> = vec![];
    let mut seen: HashSet<String> = HashSet::new();
    for file in files.iter().take(FILES_MAX) {
        match clean_claim(file) {
            Ok(file) if seen.insert(file.clone()) => clean.push(file),
            Ok(_) => {}
            Err(why) => fault(why),
        }
    }
    clean
}

fn check_dependencies(depends_on: &[String], own: Option<&TaskId>, fault: &mut dyn FnMut(String)) -> Vec<TaskId> {
    if depends_on.len() > TASKS_MAX {
        fault(format!("it has {} dependencies; at most {TASKS_MAX} are accepted", depends_on.len()));
    }
    let mut known: Vec<TaskId> = vec![];
    let mut itself = false;
    for dependency in depends_on.iter().take(TASKS_MAX) {
        match TaskId::parse(dependency) {
            Ok(id) if Some(&id) == own => itself = true,
            Ok(id) if !known.contains(&id) => known.push(id),
            Ok(_) => {}
            Err(why) => fault(format!("in its dependencies, {why}")),
        }
    }
    if itself {
        fault("it depends on itself".into());
    }
    known
}

/// The place of every id, or nothing where ids are not unique and places would lie.
fn check_ids<'a>(tasks: &'a [PlannedTask], faults: &mut Vec<Fault>) -> Option<HashMap<&'a str, usize>> {
    // Compared without case: the ids become folder names, also on case-insensitive file systems.
    let mut seen: HashMap<String, &TaskId> = HashMap::new();
    let mut unique = true;
    for task in tasks {
        if let Some(other) = seen.insert(task.id.as_str().to_ascii_lowercase(), &task.id) {
            unique = false;
            let message =
                if *other == task.id { "its id is used twice".into() } else { format!("its id differs from `{other}` only by case") };
            faults.push(Fault { task: Some(task.id.to_string()), message });
        }
    }
    let ids: HashMap<&str, usize> = tasks.iter().enumerate().map(|(i, task)| (task.id.as_str(), i)).collect();
    for task in tasks {
        for dependency in task.depends_on.iter().filter(|dependency| !ids.contains_key(dependency.as_str())) {
            let near = seen.get(&dependency.as_str().to_ascii_lowercase());
            let hint = near.map(|near| format!("; `{near}` is")).unwrap_or_default();
            let message = format!("it depends on `{dependency}`, which is not in the plan{hint}");
            faults.push(Fault { task: Some(task.id.to_string()), message });
        }
    }
    unique.then_some(ids)
}

/// Reports circles, each by its own tasks, until none is left (or there are too many to be useful).
fn check_circles(tasks: &[PlannedTask], ids: &HashMap<&str, usize>, faults: &mut Vec<Fault>) {
    let place = |id: &TaskId| ids.get(id.as_str()).copied();
    let mut edges: Vec<Vec<usize>> = tasks.iter().map(|task| task.depends_on.iter().filter_map(place).collect()).collect();
    for _ in 0..CIRCLES_MAX {
        let Err(circle) = waves(&edges) else { return };
        let mut path: Vec<&str> = circle.iter().map(|&i| tasks[i].id.as_str()).collect();
        path.push(path[0]);
        let path = path.join("` → `");
        faults.push(Fault { task: Some(tasks[circle[0]].id.to_string()), message: format!("its dependencies go in a circle: `{path}`") });
        let last = circle[circle.len() - 1];
        edges[last].retain(|&to| to != circle[0]);
    }
}

/// For each task its wave by longest path, or a circle: each depends on the next, the last on the first.
fn waves(edges: &[Vec<usize>]) -> Result<Vec<u32>, Vec<usize>> {
    let mut waiting: Vec<usize> = edges.iter().map(Vec::len).collect();
    let mut dependents: Vec<Vec<usize>> = vec![vec![]; edges.len()];
    for (i, dependencies) in edges.iter().enumerate() {
        for &dependency in dependencies {
            dependents[dependency].push(i);
        }
    }
    let mut ready: Vec<usize> = (0..edges.len()).filter(|&i| waiting[i] == 0).collect();
    let mut waves = vec![1; edges.len()];
    let mut done = 0;
    while let Some(i) = ready.pop() {
        done += 1;
        for &dependent in &dependents[i] {
            waves[dependent] = waves[dependent].max(waves[i] + 1);
            waiting[dependent] -= 1;
            if waiting[dependent] == 0 {
                ready.push(dependent);
            }
        }
    }
    if done == edges.len() {
        return Ok(waves);
    }
    // Walk back from any task that is still waiting: every step stays among waiting tasks, so it must close a circle.
    let mut at = waiting.iter().position(|&n| n > 0).expect("a task that never became ready is still waiting");
    let mut path: Vec<usize> = vec![];
    loop {
        if let Some(start) = path.iter().position(|&seen| seen == at) {
            return Err(path.split_off(start));
        }
        path.push(at);
        at = edges[at].iter().copied().find(|&i| waiting[i] > 0).expect("a waiting task waits for a waiting task");
    }
}

/// Orders tasks that claim the same file and are not ordered yet, and sets all waves. Added orders follow (wave,
/// planner's order), so they cannot close a circle. They cover tasks of different waves too: without a barrier those
/// may run side by side.
fn order_overlaps(tasks: &mut [PlannedTask]) -> Vec<AddedOrder> {
    let ids: HashMap<TaskId, usize> = tasks.iter().enumerate().map(|(i, task)| (task.id.clone(), i)).collect();
    let mut edges: Vec<Vec<usize>> = tasks.iter().map(|task| task.depends_on.iter().map(|id| ids[id]).collect()).collect();
    let first_waves = waves(&edges).expect("circles were refused before");
    let mut order: Vec<usize> = (0..tasks.len()).collect();
    order.sort_by_key(|&i| (first_waves[i], i));
    let meetings = Meetings::of(tasks);
    let mut before: Vec<Tasks> = vec![Tasks::none(tasks.len()); tasks.len()];
    let mut added = vec![];
    for (place, &then) in order.iter().enumerate() {
        let mut all = Tasks::none(tasks.len());
        for &dependency in &edges[then] {
            all.add(dependency);
            all.add_all(&before[dependency]);
        }
        for &first in order[..place].iter().rev() {
            if all.has(first) || !meetings.meet(first, then) {
                continue;
            }
            let file = meetings.file(tasks, first, then).unwrap_or_default().to_owned();
            added.push(AddedOrder { first: tasks[first].id.clone(), then: tasks[then].id.clone(), file });
            edges[then].push(first);
            all.add(first);
            all.add_all(&before[first]);
        }
        before[then] = all;
    }
    for order in &added {
        tasks[ids[&order.then]].depends_on.push(order.first.clone());
    }
    let last_waves = waves(&edges).expect("added orders go forward only");
    tasks.iter_mut().zip(last_waves).for_each(|(task, wave)| task.wave = wave);
    added
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
