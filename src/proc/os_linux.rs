//! Linux: finding processes by `/proc`, by their ancestor, their cookie or their mark. Only reads; processes that end
//! meanwhile or are not ours are passed over.
//!
//! A mark is the limit on file locks, which kernels since 2.4.25 keep, inherit and show, and do not apply. It may be lowered
//! by everybody and raised by nobody but root, and a process that clears its environment, leaves its session and outlives
//! its parents has it all the same.

use super::Process;
use crate::proc::COOKIE;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(super) struct Stat {
    pub(super) parent: i32,
    pub(super) start_time: u64,
    pub(super) dead: bool,
}

/// `/proc/PID/stat`. The second field may hold anything, so it is read from its last parenthesis on.
pub(super) fn stat(id: i32) -> Option<Stat> {
    let bytes = fs::read(format!("/proc/{id}/stat")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let dead = matches!(fields.next()?, "Z" | "X" | "x");
    let parent = fields.next()?.parse().ok()?;
    let start_time = fields.nth(17)?.parse().ok()?;
    Some(Stat { parent, start_time, dead })
}

fn all() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// A process as it was found.
struct Seen {
    process: Process,
    parent: i32,
    dead: bool,
    mark: Option<u64>,
    cookie: Option<Vec<u8>>,
}

/// When a look at all processes began, and what was seen.
type Look = (Instant, Arc<Vec<Seen>>);

/// Every process there is, as it was at this moment or later. Many may ask at once, when many supervisors were killed: one
/// look, which costs milliseconds, does for all of them.
fn everything(asked: Instant) -> Arc<Vec<Seen>> {
    static LAST: Mutex<Option<Look>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((begun, found)) = &*last
        && *begun >= asked
    {
        return Arc::clone(found);
    }
    let begun = Instant::now();
    let found: Arc<Vec<Seen>> = Arc::new(all().filter_map(seen).collect());
    *last = Some((begun, Arc::clone(&found)));
    found
}

fn seen(id: i32) -> Option<Seen> {
    let (mark, cookie) = (mark_of(id), cookie_of(id));
    // Read last: it says whose the others were, or that the process is gone.
    let stat = stat(id)?;
    Some(Seen { process: Process { id, start_time: stat.start_time }, parent: stat.parent, dead: stat.dead, mark, cookie })
}

/// Every living process below `root`.
pub(super) fn descendants(root: u32) -> Vec<Process> {
    let root = i32::try_from(root).unwrap_or(-1);
    let stats: Vec<(i32, Stat)> = all().filter_map(|id| Some((id, stat(id)?))).collect();
    let family = stats.iter().map(|(id, stat)| (Process { id: *id, start_time: stat.start_time }, stat.parent, stat.dead));
    below(|process| process.id == root, family)
}

/// The living descendants of those that `is_root` says, by parents.
fn below(is_root: impl Fn(&Process) -> bool, family: impl Iterator<Item = (Process, i32, bool)>) -> Vec<Process> {
    let mut children: HashMap<i32, Vec<(Process, bool)>> = HashMap::new();
    let mut parents = Vec::new();
    for (process, parent, dead) in family {
        if is_root(&process) {
            parents.push(process.id);
        }
        children.entry(parent).or_default().push((process, dead));
    }
    let mut found = Vec::new();
    while let Some(parent) = parents.pop() {
        for (process, dead) in children.remove(&parent).unwrap_or_default() {
            parents.push(process.id);
            if !dead {
                found.push(process);
            }
        }
    }
    found
}

/// A mark that no other job has. None where an outer limit leaves no room for one.
pub(super) fn new_mark() -> Option<u64> {
    let random = uuid::Uuid::new_v4().as_u64_pair().0;
    // The highest bits stay clear, so that it is a number to everybody. Inside another job it has to be a lower one.
    let highest = getrlimit(Resource::Locks).maximum.unwrap_or(u64::MAX).min(1 << 62);
    let lowest = highest / 2;
    (lowest > 1 << 32).then(|| lowest + random % (highest - lowest))
}

/// Marks this process, and so whatever it becomes or starts.
pub(super) fn bear(mark: Option<u64>) {
    if mark.is_some() {
        // Where it is refused, the other ways of finding processes remain.
        setrlimit(Resource::Locks, Rlimit { current: mark, maximum: mark }).ok();
    }
}

fn mark_of(id: i32) -> Option<u64> {
    let limits = fs::read_to_string(format!("/proc/{id}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max file locks"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn cookie_of(id: i32) -> Option<Vec<u8>> {
    let environment = fs::read(format!("/proc/{id}/environ")).ok()?;
    let mut variables = environment.split(|byte| *byte == 0);
    variables.find_map(|variable| variable.strip_prefix(COOKIE.as_bytes())?.strip_prefix(b"=")).map(<[u8]>::to_vec)
}

/// What is left of a job without a supervisor.
pub(super) struct Leftovers {
    cookie: Vec<u8>,
    mark: Option<u64>,
    known: HashSet<Process>,
    looked: Option<Instant>,
}

/// While known ones live, it is not looked for others more often.
const LOOK: Duration = Duration::from_millis(500);

impl Leftovers {
    pub(super) fn of(cookie: &str, mark: Option<u64>) -> Leftovers {
        Leftovers { cookie: cookie.as_bytes().to_vec(), mark, known: HashSet::new(), looked: None }
    }

    /// Those that live. What descends from one that was found is found too, and stays known when that one is gone.
    pub(super) fn find(&mut self) -> Vec<Process> {
        self.known.retain(|process| stat(process.id).is_some_and(|stat| !stat.dead && stat.start_time == process.start_time));
        if self.known.is_empty() || self.looked.is_none_or(|at| at.elapsed() >= LOOK) {
            let now = Instant::now();
            let found = everything(now);
            self.looked = Some(now);
            let is_its = |seen: &&Seen| {
                let has_cookie = !self.cookie.is_empty() && seen.cookie.as_ref() == Some(&self.cookie);
                !seen.dead && (has_cookie || self.mark.is_some() && seen.mark == self.mark)
            };
            let own = i32::try_from(std::process::id()).unwrap_or(-1);
            let more: Vec<Process> = found.iter().filter(is_its).map(|seen| seen.process).collect();
            self.known.extend(more);
            let family = found.iter().map(|seen| (seen.process, seen.parent, seen.dead));
            let below = below(|process| self.known.contains(process), family);
            self.known.extend(below);
            self.known.retain(|process| process.id != own);
        }
        self.known.iter().copied().collect()
    }
}

/// Every living process, except this one, that was given a cookie that matches.
pub(super) fn carrying(matches: &dyn Fn(&[u8]) -> bool) -> Vec<Process> {
    let own = i32::try_from(std::process::id()).unwrap_or(-1);
    let carries = |id: &i32| cookie_of(*id).is_some_and(|cookie| matches(&cookie));
    let found = all().filter(|id| *id != own).filter(carries);
    found.filter_map(|id| stat(id).filter(|stat| !stat.dead).map(|stat| Process { id, start_time: stat.start_time })).collect()
}

/// Whether a program whose name begins so has one of the folders, or one below it, as its own.
pub(super) fn at_work_in(program: &str, folders: &[&Path]) -> bool {
    let is_there = |id: i32| fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|at| folders.iter().any(|folder| at.starts_with(folder)));
    let is_it = |id: i32| fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|name| name.starts_with(program));
    all().any(|id| is_it(id) && is_there(id))
}
