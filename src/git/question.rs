//! Questions about a commit: its files, their content, its history, where words occur.

use super::cmd::{Site, failed, run, try_run};
use super::refs::{ours, theirs};
use super::{Repo, Result, library};
use crate::domain::Oid;
use crate::proc::Exit;
use jiff::Timestamp;
use std::path::Path;

#[derive(Clone, Debug)]
pub struct LogEntry {
    pub commit: Oid,
    pub summary: String,
    pub author: String,
    pub time: Timestamp,
}

/// A word that occurs in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    pub path: String,
    pub line: u32,
    pub text: String,
    pub word: String,
}

impl Repo {
    /// Every file of a commit with its size in bytes.
    pub fn files(&self, commit: &Oid) -> Result<Vec<(String, u64)>> {
        let args = ["ls-tree", "-r", "-l", "-z", "--full-tree", commit.as_str()];
        let output = run(self.git(Site::Objects).args(args), "list the files of a commit")?;
        let file = |line: String| {
            let (meta, path) = line.split_once('\t')?;
            let size = meta.split_ascii_whitespace().nth(3)?.parse().ok()?;
            Some((path.to_owned(), size))
        };
        Ok(super::cmd::parts(&output.stdout).filter_map(file).collect())
    }

    /// The start of a file of a commit, if there is such a file.
    pub fn read(&self, commit: &Oid, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>> {
        let repo = self.open()?;
        let tree =
            theirs(commit).and_then(|id| repo.find_commit(id)).and_then(|c| c.tree()).map_err(library(format!("read commit {commit}")))?;
        let Ok(blob) = tree.get_path(Path::new(path)).and_then(|e| e.to_object(&repo)).and_then(|o| o.peel_to_blob()) else {
            return Ok(None);
        };
        Ok(Some(blob.content().iter().copied().take(bytes_max).collect()))
    }

    /// The last commits before and including `commit`, newest first.
    pub fn log(&self, commit: &Oid, count: usize) -> Result<Vec<LogEntry>> {
        let repo = self.open()?;
        let doing = || format!("read the history of {}", commit.short());
        let mut walk = repo.revwalk().map_err(library(doing()))?;
        theirs(commit).and_then(|id| walk.push(id)).map_err(library(doing()))?;
        let mut entries = vec![];
        for id in walk.take(count) {
            let Ok(found) = id.and_then(|id| repo.find_commit(id)) else { break };
            entries.push(LogEntry {
                commit: ours(found.id()),
                summary: String::from_utf8_lossy(found.summary_bytes().unwrap_or_default()).into_owned(),
                author: String::from_utf8_lossy(found.author().name_bytes()).into_owned(),
                time: Timestamp::from_second(found.time().seconds()).unwrap_or(Timestamp::UNIX_EPOCH),
            });
        }
        Ok(entries)
    }

    /// Lines of text files that hold one of the words, without regard to case; at most five of each file.
    pub fn grep(&self, commit: &Oid, words: &[String], count: usize) -> Result<Vec<Hit>> {
        if words.is_empty() {
            return Ok(vec![]);
        }
        let mut cmd = self.git(Site::Objects).args(["grep", "-I", "-i", "-F", "-n", "-z", "--max-count=5", "--no-color", "--full-name"]);
        for word in words {
            cmd = cmd.arg("-e").arg(word);
        }
        let output = try_run(cmd.arg(commit.as_str()).output_max(4 * 1024 * 1024))?;
        match output.exit {
            Exit::Code(0) => {}
            Exit::Code(1) => return Ok(vec![]),
            Exit::Code(_) | Exit::Signal(_) | Exit::DeadlinePassed => return Err(failed(&output, "search the repository")),
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lower: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
        Ok(text.lines().filter_map(|line| hit(line, &lower)).take(count).collect())
    }
}

fn hit(line: &str, words: &[String]) -> Option<Hit> {
    let mut fields = line.splitn(3, '\0');
    let path = fields.next()?.split_once(':')?.1.to_owned();
    let number = fields.next()?.parse().ok()?;
    let text: String = fields.next()?.trim().chars().take(200).collect();
    let word = words.iter().find(|word| text.to_lowercase().contains(*word)).or(words.first())?.clone();
    Some(Hit { path, line: number, text, word })
}
