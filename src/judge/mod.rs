//! The judge: what decides a gate, and whether that says less at the tip of a story than at its base. Pure: trees are
//! given as readers, and nothing here runs, writes or asks.
//!
//! Two questions that know nothing of each other. Which files decide the gate ([`role`], by name; `named`, by what the
//! checks name; `sections`, where only a part of a file does)? And which tests were weakened (`reading` makes a model of
//! a source file with the grammar of its language, `compare` compares two models)?

mod asserts;
mod compare;
mod limits;
mod named;
mod ranks;
mod reading;
mod role;
mod sections;
mod settings;
mod snapshots;
mod syntax;
mod tests_of;

pub use role::{Role, role};
pub use settings::{JudgeSettings, PathPolicy, Policy};

use crate::domain::FindingKind;
use compare::Pair;
use std::collections::BTreeSet;

/// Longest file that is read as source: beyond that it was not written by hand.
pub const SOURCE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Most characters of the repository that one observation quotes.
const QUOTE_CHARS_MAX: usize = 160;

/// Two trees of one repository. A reader answers none for what is not a file there.
pub struct Trees<'a> {
    pub base: &'a dyn Fn(&str) -> Option<Vec<u8>>,
    pub tip: &'a dyn Fn(&str) -> Option<Vec<u8>>,
    /// Every file of the base.
    pub base_files: &'a BTreeSet<String>,
}

/// A file that the tip has otherwise than the base. A rename is a removal and an addition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    pub path: String,
    pub was: bool,
    pub is: bool,
}

/// A command of the gate: its folder inside the repository (`.` for the root), and its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckLine {
    pub folder: String,
    pub argv: Vec<String>,
}

/// What was seen, before anybody says what it means for the story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    pub kind: FindingKind,
    pub path: String,
    pub line: Option<u32>,
    pub subject: String,
    pub detail: String,
    /// What a person accepts by accepting it: differs when the change differs.
    pub key: String,
    /// The file holds code as well as tests: whoever may change the one need not be allowed to change the other.
    pub is_mixed: bool,
}

impl Observation {
    fn of_file(kind: FindingKind, path: &str, detail: impl Into<String>, key: String) -> Observation {
        Observation { kind, path: path.to_owned(), line: None, subject: String::new(), detail: detail.into(), key, is_mixed: false }
    }
}

/// Compares two trees. `also` says which further files decide the gate.
#[must_use]
pub fn observe(trees: &Trees<'_>, changed: &[Changed], checks: &[CheckLine], also: &dyn Fn(&str) -> bool) -> Vec<Observation> {
    let named = named::by_checks(trees, checks);
    let mut found = vec![];
    let mut pairs: Vec<Pair> = vec![];
    for change in changed {
        let role = if named.contains(&change.path) || also(&change.path) { Some(Role::Whole) } else { role(&change.path) };
        let read = |at: &dyn Fn(&str) -> Option<Vec<u8>>, exists: bool| if exists { at(&change.path) } else { None };
        let (was, is) = (read(trees.base, change.was), read(trees.tip, change.is));
        match role {
            Some(Role::Test) => {
                let pair = Pair::of(change, was.as_deref(), is.as_deref(), false);
                whole_test(change, &pair, was.as_deref(), is.as_deref(), &mut found);
                pairs.push(pair);
            }
            None if role::may_hold_tests(&change.path) => pairs.push(Pair::of(change, was.as_deref(), is.as_deref(), true)),
            None => {}
            Some(Role::Snapshot) => {
                found.extend(snapshots::compare(&change.path, was.as_deref(), is.as_deref()));
                whole(change, was.as_deref(), is.as_deref(), &mut found);
            }
            Some(Role::Whole) => whole(change, was.as_deref(), is.as_deref(), &mut found),
            Some(Role::Part(part)) if change.was => {
                found.extend(sections::compare(part, &change.path, was.as_deref(), is.as_deref(), checks));
            }
            // A new file of this kind is an addition.
            Some(Role::Part(_)) => {}
        }
    }
    found.extend(compare::weakened(&pairs));
    found.sort_by(|a, b| (&a.path, a.line, a.kind).cmp(&(&b.path, b.line, b.kind)));
    found.dedup();
    found
}

/// A file that is there at the base decides as it is there. What only looks otherwise says the same.
fn whole(change: &Changed, was: Option<&[u8]>, is: Option<&[u8]>, found: &mut Vec<Observation>) {
    if !change.was {
        return;
    }
    match (was, is) {
        (_, None) => found.push(Observation::of_file(FindingKind::JudgeRemoved, &change.path, "removed", "removed".into())),
        (Some(was), Some(is)) if sections::says_the_same(&change.path, was, is) => {}
        (_, Some(is)) => {
            let detail = sections::first_change(was.unwrap_or_default(), is);
            found.push(Observation::of_file(FindingKind::JudgeChanged, &change.path, detail, content(is)));
        }
    }
}

/// A file of tests may be added to; whatever stood in it at the base stays.
fn whole_test(change: &Changed, pair: &Pair, was: Option<&[u8]>, is: Option<&[u8]>, found: &mut Vec<Observation>) {
    if change.was && change.is && pair.is_only_added_to() {
        return;
    }
    whole(change, was, is, found);
}

/// Whether the base's version of a file can be laid over the tip: of a file that holds code too, or of which only a part
/// decides, the rest would be lost.
#[must_use]
pub fn can_be_laid_over(path: &str) -> bool {
    match role(path) {
        Some(Role::Part(_)) => false,
        Some(Role::Whole | Role::Test | Role::Snapshot) => true,
        None => !role::may_hold_tests(path),
    }
}

/// Paths whose change goes with a lock file's.
#[must_use]
pub fn manifests_of(path: &str) -> Vec<String> {
    let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
    let beside = |manifest: &&str| if folder.is_empty() { (*manifest).to_owned() } else { format!("{folder}/{manifest}") };
    role::MANIFESTS.iter().filter(|(lock, _)| *lock == name).flat_map(|(_, manifests)| manifests.iter().map(beside)).collect()
}

/// A content as a key.
fn content(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Quoted for a person: one line, bounded.
fn quote(text: &str) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let flat = flat.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= QUOTE_CHARS_MAX { flat } else { flat.chars().take(QUOTE_CHARS_MAX - 1).chain(['…']).collect() }
}
