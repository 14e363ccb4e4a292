//! What goes wrong in a world, decided by a seed before anything happens: the same task and attempt always meet the
//! same fate, in whatever order things happen.

use aura::domain::{MissingWork, Oid, Outcome, Plan, Purpose, Task, TaskDraft, TaskId};
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub seed: u64,
    /// Of a hundred attempts, how many end badly; and how many stop the run.
    pub trouble: u64,
    pub stops: u64,
    /// Of a hundred landings, how many conflict.
    pub conflicts: u64,
    /// Tasks whose first landing breaks the build.
    pub bad: BTreeSet<TaskId>,
    /// Whether a repair helps.
    pub repairs_fail: bool,
    /// The build is broken whatever lands.
    pub base_is_red: bool,
    /// Of a hundred gates, how many are red for no reason.
    pub flaky: u64,
    /// Nothing can be landed: the disk is full.
    pub broken_branch: bool,
    /// Tasks whose landed work is not found again.
    pub lost: BTreeSet<TaskId>,
    /// Tasks whose attempts always end like this.
    pub always: Vec<(TaskId, Outcome)>,
    /// Attempts that were asked to stop.
    pub stopped: BTreeSet<TaskId>,
    /// Agents as they are: one attempt in two goes wrong somehow, and faults are taken over by who builds on them.
    pub agents: Option<Agents>,
}

/// What an agent mends when it sees that the build is red.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agents {
    /// Whatever is broken in its worktree.
    Competent,
    /// What it did itself, and nothing else.
    Obedient,
}

impl Rules {
    pub fn kind(seed: u64) -> Rules {
        Rules { seed, ..Rules::default() }
    }

    pub fn missing(&self, tasks: &[Task]) -> Vec<MissingWork> {
        let lost = tasks.iter().filter(|task| self.lost.contains(task.id()));
        lost.map(|task| MissingWork { task: task.id().clone(), paths: vec!["a.txt".into()] }).collect()
    }

    fn chance(&self, what: &str, of: impl Hash, percent: u64) -> bool {
        hash(&(self.seed, what, of)) % 100 < percent
    }

    pub fn outcome(&self, task: &TaskId, attempt: u32, purpose: &Purpose) -> Outcome {
        if let Some((_, outcome)) = self.always.iter().find(|(id, _)| id == task) {
            return outcome.clone();
        }
        let detail = || "as the seed will have it".to_owned();
        if self.agents.is_some() {
            return match hash(&(self.seed, "fate", task, attempt)) % 100 {
                0..10 => Outcome::Crashed { detail: detail() },
                10..15 => Outcome::Stalled,
                15..20 => Outcome::NoChange,
                20..25 => Outcome::RateLimited { retry_after_s: None, detail: detail() },
                25..30 if matches!(purpose, Purpose::Resolve { .. }) => Outcome::Unresolved { paths: vec!["src/lib.rs".into()] },
                25..30 => Outcome::Refused { detail: detail() },
                _ => Outcome::Done,
            };
        }
        if self.chance("stop", (task, attempt), self.stops) {
            return match hash(&(self.seed, "which stop", task, attempt)) % 4 {
                0 => Outcome::NeedsLogin { detail: detail() },
                1 => Outcome::Quota { detail: detail() },
                2 => Outcome::Policy { detail: detail() },
                _ => Outcome::Unavailable { detail: detail() },
            };
        }
        if !self.chance("trouble", (task, attempt), self.trouble) {
            return Outcome::Done;
        }
        match hash(&(self.seed, "which trouble", task, attempt)) % 9 {
            0 => Outcome::NoChange,
            1 => Outcome::Crashed { detail: detail() },
            2 => Outcome::Stalled,
            3 => Outcome::TimedOut,
            4 => Outcome::Interrupted,
            5 => Outcome::Failed { detail: detail() },
            6 => Outcome::RateLimited { retry_after_s: None, detail: detail() },
            7 if matches!(purpose, Purpose::Resolve { .. }) => Outcome::Unresolved { paths: vec!["src/lib.rs".into()] },
            7 => Outcome::Refused { detail: detail() },
            _ => Outcome::Incomplete { detail: detail() },
        }
    }

    /// Whether an attempt that says it is done has made a mistake.
    pub fn errs(&self, task: &TaskId, attempt: u32) -> bool {
        self.chance("wrong", (task, attempt), 10)
    }

    pub fn conflicts(&self, task: &TaskId, attempt: u32) -> bool {
        self.chance("conflict", (task, attempt), self.conflicts)
    }

    pub fn breaks(&self, task: &TaskId, is_repair: bool) -> bool {
        self.bad.contains(task) && (!is_repair || self.repairs_fail)
    }

    pub fn flakes(&self, step: usize) -> bool {
        self.chance("flake", step, self.flaky)
    }
}

/// Our own, because the hasher of the standard library may change with the compiler, and golden files may not.
struct Fnv(u64);
impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

pub fn hash(of: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    of.hash(&mut hasher);
    hasher.finish()
}

pub fn oid(of: &(impl Hash + ?Sized)) -> Oid {
    let first = hash(of);
    Oid::parse(&format!("{first:016x}{:016x}{:08x}", hash(&first), 0)).expect("forty hex digits")
}

pub fn id(number: usize) -> TaskId {
    TaskId::parse(&format!("task-{number}")).expect("a plain id")
}

pub fn number_of(task: &TaskId) -> u32 {
    task.as_str().rsplit('-').next().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// A plan in which each task depends on a few of those before it.
pub fn plan(seed: u64, tasks: usize) -> Plan {
    let draft = |n: usize| {
        let before = if n > 1 { hash(&(seed, n, "how many")) % 4 } else { 0 };
        let mut depends_on: Vec<String> =
            (0..before).map(|k| id(1 + (hash(&(seed, n, k)) % (n as u64 - 1)) as usize).to_string()).collect();
        depends_on.dedup();
        let estimate = Some(1 + (hash(&(seed, n, "estimate")) % 60) as u32);
        TaskDraft {
            id: Some(id(n).to_string()),
            title: format!("Task {n}"),
            description: "do it".into(),
            depends_on,
            estimate,
            ..TaskDraft::default()
        }
    };
    Plan::check((1..=tasks).map(draft).collect()).expect("a plan whose tasks depend on earlier ones is valid")
}

/// A plan from `(number, depends on)`.
pub fn plan_of(tasks: &[(usize, &[usize])]) -> Plan {
    let draft = |&(n, before): &(usize, &[usize])| TaskDraft {
        id: Some(id(n).to_string()),
        title: format!("Task {n}"),
        description: "do it".into(),
        depends_on: before.iter().map(|n| id(*n).to_string()).collect(),
        ..TaskDraft::default()
    };
    Plan::check(tasks.iter().map(draft).collect()).expect("a valid plan")
}
