//! Linux: finding processes by `/proc`, by their ancestor or by their cookie. Only reads; processes that end meanwhile
//! or are not ours are passed over.

use super::Process;
use crate::proc::COOKIE;
use std::collections::HashMap;
use std::fs;

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

/// Every living process below `root`.
pub(super) fn descendants(root: u32) -> Vec<Process> {
    let mut children: HashMap<i32, Vec<(i32, Stat)>> = HashMap::new();
    for id in all() {
        if let Some(stat) = stat(id) {
            children.entry(stat.parent).or_default().push((id, stat));
        }
    }
    let mut found = Vec::new();
    let mut parents = vec![i32::try_from(root).unwrap_or(-1)];
    while let Some(parent) = parents.pop() {
        for (id, stat) in children.remove(&parent).unwrap_or_default() {
            parents.push(id);
            if !stat.dead {
                found.push(Process { id, start_time: stat.start_time });
            }
        }
    }
    found
}

/// Every living process, except this one, that was given a cookie that matches.
pub(super) fn carrying(matches: &dyn Fn(&[u8]) -> bool) -> Vec<Process> {
    let own = i32::try_from(std::process::id()).unwrap_or(-1);
    let carries = |id: &i32| {
        let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        let mut variables = environment.split(|byte| *byte == 0);
        variables.any(|variable| variable.strip_prefix(COOKIE.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")).is_some_and(matches))
    };
    let found = all().filter(|id| *id != own).filter(carries);
    found.filter_map(|id| stat(id).filter(|stat| !stat.dead).map(|stat| Process { id, start_time: stat.start_time })).collect()
}
