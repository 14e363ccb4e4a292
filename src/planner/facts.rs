//! What a repository is, gathered from a listing and a few files within a stated budget. Needs no model and no git: it
//! is given plain data and functions. Everything in it is the repository's own word: shown and quoted, never obeyed.

use super::facts_commands::{self, Command};
use super::facts_tables::{self as tables, ConventionKind};
use super::facts_words;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Where the facts come from.
pub struct Source<'a> {
    /// Every tracked file with its size in bytes.
    pub files: &'a [(String, u64)],
    /// The first so many bytes of a file; nothing where it cannot be read.
    pub read: &'a dyn Fn(&str, usize) -> Option<Vec<u8>>,
    /// Newest first.
    pub log: &'a [LogLine],
    /// At most so many places where any of the words occurs, in tracked text files.
    pub grep: &'a dyn Fn(&[String], usize) -> Vec<WordHit>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    pub commit: String,
    pub summary: String,
    pub author: String,
    /// RFC 3339.
    pub time: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordHit {
    pub path: String,
    /// From 1.
    pub line: u32,
    pub text: String,
    pub word: String,
}

/// How much may be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FactsBudget {
    /// Files of the listing that are counted.
    pub files_listed_max: usize,
    /// Files that are opened.
    pub files_read_max: usize,
    /// Bytes read from them in all.
    pub bytes_read_max: usize,
    pub words_max: usize,
    /// Places of words.
    pub hits_max: usize,
    pub history_max: usize,
}

impl Default for FactsBudget {
    fn default() -> Self {
        FactsBudget {
            files_listed_max: 200_000,
            files_read_max: 24,
            bytes_read_max: 256 * 1024,
            words_max: 12,
            hits_max: 200,
            history_max: 15,
        }
    }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RepoFacts {
    pub files: u64,
    pub bytes: u64,
    /// Most bytes first; files of other people (vendored, generated) not counted.
    pub languages: Vec<Language>,
    pub build_systems: Vec<BuildSystem>,
    /// Likely ones, nearest to the top first. Nobody ran them.
    pub commands: Vec<Command>,
    /// Folders of the first two levels, most files first.
    pub layout: Vec<Folder>,
    pub conventions: Vec<Convention>,
    pub history: Vec<LogLine>,
    /// The story's words, most telling first.
    pub words: Vec<WordFact>,
    pub spent: Spent,
    /// Whether the budget kept something out; `left_out` says what.
    pub truncated: bool,
    pub left_out: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Language {
    pub name: String,
    pub files: u64,
    pub bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildSystem {
    pub name: String,
    /// At most eight, nearest to the top first.
    pub files: Vec<String>,
    pub count: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Folder {
    pub path: String,
    pub files: u64,
    pub bytes: u64,
}

/// A file that says how work is done here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Convention {
    pub path: String,
    /// `readme`, `contributing`, `agents`, `format`, `lint` or `process`.
    pub kind: String,
    /// Its beginning, where it is prose.
    pub excerpt: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WordFact {
    pub word: String,
    /// Paths that hold the word, shortest first.
    pub paths: Vec<String>,
    pub places: Vec<Place>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    pub path: String,
    pub line: u32,
    pub text: String,
}

/// What looking cost, of which budget.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spent {
    pub files_listed: usize,
    pub files_read: usize,
    pub bytes_read: usize,
    pub hits: usize,
    pub budget: FactsBudget,
}

const SHOWN_FILES_MAX: usize = 8;
const FOLDERS_MAX: usize = 30;
const LANGUAGES_MAX: usize = 15;
const CONVENTIONS_MAX: usize = 40;
const LINE_CHARS_MAX: usize = 160;

/// Reads files while the budget lasts.
pub(super) struct Reader<'a> {
    source: &'a Source<'a>,
    budget: FactsBudget,
    files: usize,
    bytes: usize,
    refused: Vec<String>,
}

impl Reader<'_> {
    /// The beginning of a text file, unless there is none, it is binary, or the budget is spent.
    pub(super) fn text(&mut self, path: &str, bytes_max: usize) -> Option<String> {
        if self.files >= self.budget.files_read_max || self.bytes >= self.budget.bytes_read_max {
            self.refused.push(path.to_owned());
            return None;
        }
        let bytes_max = bytes_max.min(self.budget.bytes_read_max - self.bytes);
        let mut bytes = (self.source.read)(path, bytes_max)?;
        bytes.truncate(bytes_max);
        self.files += 1;
        self.bytes += bytes.len();
        (!bytes.contains(&0)).then(|| String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl RepoFacts {
    /// Looks at a repository with a story in mind.
    #[must_use]
    pub fn gather(source: &Source<'_>, title: &str, description: &str, budget: FactsBudget) -> RepoFacts {
        let listed = &source.files[..source.files.len().min(budget.files_listed_max)];
        let mut facts = RepoFacts {
            files: source.files.len() as u64,
            bytes: source.files.iter().map(|(_, bytes)| bytes).sum(),
            ..RepoFacts::default()
        };
        facts.count(listed);
        let marks = Marks::of(listed);
        facts.build_systems = marks.build_systems();
        let mut reader = Reader { source, budget, files: 0, bytes: 0, refused: vec![] };
        facts.conventions = marks.conventions(&mut reader);
        facts.commands = facts_commands::find(listed, &facts.build_systems, &mut reader);
        facts.history = source.log.iter().take(budget.history_max).map(tidy_log).collect();
        let (words, hits) = facts_words::find(source, listed, title, description, budget);
        facts.words = words;
        facts.spent = Spent { files_listed: listed.len(), files_read: reader.files, bytes_read: reader.bytes, hits, budget };
        if listed.len() < source.files.len() {
            facts.left_out.push(format!("{} of {} files were not counted", source.files.len() - listed.len(), source.files.len()));
        }
        if !reader.refused.is_empty() {
            facts.left_out.push(format!("{} files were not read: {}", reader.refused.len(), shown(&reader.refused)));
        }
        if marks.conventions.len() > CONVENTIONS_MAX {
            facts.left_out.push(format!("{} files with conventions are not listed", marks.conventions.len() - CONVENTIONS_MAX));
        }
        if hits >= budget.hits_max {
            facts.left_out.push(format!("places of words after the first {hits}"));
        }
        facts.truncated = !facts.left_out.is_empty();
        facts
    }

    fn count(&mut self, files: &[(String, u64)]) {
        let mut languages: HashMap<&'static str, (u64, u64)> = HashMap::new();
        let mut folders: HashMap<&str, (u64, u64)> = HashMap::new();
        for (path, bytes) in files {
            let mut slashes = path.match_indices('/').map(|(at, _)| at);
            for end in [slashes.next(), slashes.next()].into_iter().flatten() {
                let folder = folders.entry(&path[..end]).or_default();
                folder.0 += 1;
                folder.1 += bytes;
            }
            if let Some(name) = tables::language(path).filter(|_| !tables::is_foreign(path)) {
                let language = languages.entry(name).or_default();
                language.0 += 1;
                language.1 += bytes;
            }
        }
        self.languages = languages.into_iter().map(|(name, (files, bytes))| Language { name: name.into(), files, bytes }).collect();
        self.languages.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
        self.languages.truncate(LANGUAGES_MAX);
        self.layout = folders.into_iter().map(|(path, (files, bytes))| Folder { path: path.into(), files, bytes }).collect();
        self.layout.sort_by(|a, b| b.files.cmp(&a.files).then_with(|| a.path.cmp(&b.path)));
        self.layout.truncate(FOLDERS_MAX);
    }
}

/// Files whose names mean something.
struct Marks<'a> {
    build: BTreeMap<&'static str, Vec<&'a str>>,
    conventions: Vec<(ConventionKind, &'a str)>,
}

impl<'a> Marks<'a> {
    fn of(files: &'a [(String, u64)]) -> Marks<'a> {
        let mut marks = Marks { build: BTreeMap::new(), conventions: vec![] };
        for (path, _) in files {
            if tables::is_foreign(path) {
                continue;
            }
            if let Some(name) = tables::build_system(path) {
                marks.build.entry(name).or_default().push(path);
            }
            if let Some(kind) = tables::convention(path) {
                marks.conventions.push((kind, path));
            }
        }
        for files in marks.build.values_mut() {
            files.sort_by_key(|path| (depth(path), *path));
        }
        marks.conventions.sort_by_key(|(kind, path)| (depth(path), *kind, *path));
        marks
    }

    fn build_systems(&self) -> Vec<BuildSystem> {
        let shown = |files: &[&str]| files.iter().take(SHOWN_FILES_MAX).map(|path| (*path).to_owned()).collect();
        let system =
            |(name, files): (&&str, &Vec<&str>)| BuildSystem { name: (*name).into(), files: shown(files), count: files.len() as u64 };
        let mut systems: Vec<BuildSystem> = self.build.iter().map(system).collect();
        systems.sort_by_key(|system| depth(&system.files[0]));
        systems
    }

    fn conventions(&self, reader: &mut Reader<'_>) -> Vec<Convention> {
        let mut found = vec![];
        for (kind, path) in self.conventions.iter().take(CONVENTIONS_MAX) {
            let bytes_max = kind.excerpt_bytes();
            // Those deep inside speak of their folder only; that they are there is enough.
            let excerpt = if bytes_max > 0 && depth(path) <= 1 { reader.text(path, bytes_max).map(|text| tidy_text(&text)) } else { None };
            found.push(Convention { path: (*path).to_owned(), kind: kind.name().into(), excerpt: excerpt.filter(|text| !text.is_empty()) });
        }
        found
    }
}

pub(super) fn depth(path: &str) -> usize {
    path.bytes().filter(|&b| b == b'/').count()
}

fn shown(paths: &[String]) -> String {
    let names: Vec<String> = paths.iter().take(SHOWN_FILES_MAX).map(|path| tidy_line(path)).collect();
    names.join(", ") + if paths.len() > SHOWN_FILES_MAX { ", …" } else { "" }
}

fn tidy_log(line: &LogLine) -> LogLine {
    LogLine {
        commit: tidy_line(&line.commit),
        summary: tidy_line(&line.summary),
        author: tidy_line(&line.author),
        time: tidy_line(&line.time),
    }
}

/// One line, bounded, without control characters.
pub(super) fn tidy_line(text: &str) -> String {
    let clean: String = text.chars().take(4 * LINE_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(LINE_CHARS_MAX).collect()
}

/// Prose, without control characters and without rows of blank lines.
fn tidy_text(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    let mut tidy = String::new();
    for line in clean.lines() {
        if !line.trim().is_empty() || !tidy.ends_with("\n\n") {
            tidy.push_str(line.trim_end());
            tidy.push('\n');
        }
    }
    // The last character may be half of one that the budget cut.
    tidy.trim().trim_end_matches('\u{fffd}').to_owned()
}

#[cfg(test)]
#[path = "facts_tests.rs"]
mod tests;
