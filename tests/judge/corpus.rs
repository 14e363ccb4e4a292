//! A corpus of changes to tests: ways to make them say less, and changes that do no harm. For each ecosystem a small
//! project, and edits of it. The bench `judge` and the test of the same name look at each with the judge.

use aura::judge::{Changed, CheckLine, Observation, Trees, observe};
use std::collections::{BTreeMap, BTreeSet};

/// A change of a project.
#[derive(Clone, Copy, Debug)]
pub enum Edit {
    /// Text that stands in a file, and what stands there afterwards.
    Put(&'static str, &'static str, &'static str),
    Remove(&'static str),
    Rename(&'static str, &'static str),
    Add(&'static str, &'static str),
}

/// A change with a name.
pub type Case = (&'static str, &'static [Edit]);

/// A project, what its gate runs, and what is done to it.
pub struct Ecosystem {
    pub name: &'static str,
    pub files: &'static [(&'static str, &'static str)],
    pub check: &'static [&'static str],
    pub weakens: &'static [Case],
    pub harmless: &'static [Case],
}

/// What was seen in one case.
pub struct Seen {
    pub ecosystem: &'static str,
    pub case: &'static str,
    pub found: Vec<Observation>,
}

impl Seen {
    /// Whether something was named that makes tests say less.
    pub fn is_named(&self) -> bool {
        self.found.iter().any(|one| one.kind.is_weakening())
    }
    /// Whether the story would wait for a person, claims aside.
    pub fn is_noticed(&self) -> bool {
        !self.found.is_empty()
    }
}

pub fn ecosystems() -> Vec<&'static Ecosystem> {
    vec![
        &crate::corpus_rust::RUST,
        &crate::corpus_python::PYTHON,
        &crate::corpus_script::SCRIPT,
        &crate::corpus_go::GO,
        &crate::corpus_dotnet::DOTNET,
        &crate::corpus_java::JAVA,
    ]
}

/// Looks at every case of a kind.
pub fn look(ecosystem: &'static Ecosystem, cases: &'static [Case]) -> Vec<Seen> {
    cases.iter().map(|(case, edits)| Seen { ecosystem: ecosystem.name, case, found: look_at(ecosystem, edits) }).collect()
}

fn look_at(ecosystem: &Ecosystem, edits: &[Edit]) -> Vec<Observation> {
    let base: BTreeMap<String, String> = ecosystem.files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    let tip = edited(&base, edits);
    let paths: BTreeSet<&String> = base.keys().chain(tip.keys()).collect();
    let changed: Vec<Changed> = paths
        .into_iter()
        .filter(|path| base.get(*path) != tip.get(*path))
        .map(|path| Changed { path: path.clone(), was: base.contains_key(path), is: tip.contains_key(path) })
        .collect();
    assert!(!changed.is_empty(), "an edit that changes nothing: {edits:?}");
    let read = |files: &BTreeMap<String, String>, path: &str| files.get(path).map(|text| text.clone().into_bytes());
    let base_files = base.keys().cloned().collect();
    let trees = Trees { base: &|path| read(&base, path), tip: &|path| read(&tip, path), base_files: &base_files };
    let check = CheckLine { folder: ".".into(), argv: ecosystem.check.iter().map(|word| (*word).to_owned()).collect() };
    observe(&trees, &changed, &[check], &|_| false)
}

fn edited(base: &BTreeMap<String, String>, edits: &[Edit]) -> BTreeMap<String, String> {
    let mut files = base.clone();
    for edit in edits {
        match edit {
            Edit::Put(path, from, to) => {
                let text = files.get_mut(*path).expect("a file of the project");
                assert!(text.contains(from), "`{from}` does not stand in {path}");
                *text = text.replacen(from, to, 1);
            }
            Edit::Remove(path) => drop(files.remove(*path).expect("a file of the project")),
            Edit::Rename(path, to) => {
                let text = files.remove(*path).expect("a file of the project");
                files.insert((*to).to_owned(), text);
            }
            Edit::Add(path, text) => drop(files.insert((*path).to_owned(), (*text).to_owned())),
        }
    }
    files
}
