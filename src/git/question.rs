//! Questions about a commit: its files, their content, its history, where words occur.

use super::cmd::{Site, failed, run, try_run};
use super::refs::theirs;
use super::{GitError, Repo, Result};
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

/// What libgit2 found at a path.
enum Found {
    File(Vec<u8>),
    NoFile,
}

impl Repo {
    /// Every file of a commit with its size in bytes. Submodules are not files.
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

    /// The start of a file of a commit (or tree), if there is such a file.
    pub fn read(&self, commit: &Oid, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>> {
        // Git reads `./` and `../` in such an expression from the current folder on.
        if path.is_empty() || path.starts_with('.') && (path.starts_with("./") || path.starts_with("../")) || path.contains('\0') {
            return Ok(None);
        }
        match self.read_by_library(commit, path, bytes_max) {
            Some(Found::File(content)) => return Ok(Some(content)),
            Some(Found::NoFile) => return Ok(None),
            None => {}
        }
        let doing = || format!("read `{}` at {}", path.escape_debug(), commit.short());
        // Room for the line before the content.
        let cmd = self.git(Site::Objects).args(["cat-file", "--batch", "-z"]).output_max(bytes_max.saturating_add(path.len() + 256));
        let output = try_run(cmd.stdin(format!("{commit}:{path}\0").into_bytes()))?;
        if !output.success() {
            return Err(failed(&output, &doing()));
        }
        let end = output.stdout.iter().position(|&byte| byte == b'\n').unwrap_or(output.stdout.len());
        let line = String::from_utf8_lossy(&output.stdout[..end]).into_owned();
        let mut fields = line.split(' ');
        let (Some(Ok(_)), Some("blob"), Some(Ok(size))) = (fields.next().map(Oid::parse), fields.next(), fields.next().map(str::parse))
        else {
            return if self.resolve(commit.as_str())?.is_some() || self.tree_of(commit).is_ok() {
                Ok(None)
            } else {
                Err(GitError::Failed { doing: doing(), stderr: "the commit is not there".into() })
            };
        };
        let size: usize = size;
        Ok(Some(output.stdout.into_iter().skip(end + 1).take(size.min(bytes_max)).collect()))
    }

    /// None where git has to be asked.
    fn read_by_library(&self, commit: &Oid, path: &str, bytes_max: usize) -> Option<Found> {
        let repo = self.library()?;
        let tree = repo.find_object(theirs(commit).ok()?, None).ok()?.peel_to_tree().ok()?;
        let entry = match tree.get_path(Path::new(path)) {
            Ok(entry) => entry,
            Err(e) => return (e.code() == git2::ErrorCode::NotFound).then_some(Found::NoFile),
        };
        if entry.kind() != Some(git2::ObjectType::Blob) {
            return Some(Found::NoFile);
        }
        let blob = repo.find_blob(entry.id()).ok()?;
        Some(Found::File(blob.content().iter().copied().take(bytes_max).collect()))
    }

    /// The last commits before and including `commit`, newest first.
    pub fn log(&self, commit: &Oid, count: usize) -> Result<Vec<LogEntry>> {
        let args = ["rev-list", "--no-commit-header", "--format=%H%x00%ct%x00%an%x00%s"];
        let cmd = self.git(Site::Objects).args(args).arg(format!("--max-count={count}")).arg(commit.as_str());
        let output = run(cmd, &format!("read the history of {}", commit.short()))?;
        let entry = |line: &str| {
            let mut fields = line.splitn(4, '\0');
            Some(LogEntry {
                commit: Oid::parse(fields.next()?).ok()?,
                time: fields.next()?.parse().ok().and_then(|s| Timestamp::from_second(s).ok()).unwrap_or(Timestamp::UNIX_EPOCH),
                author: fields.next()?.to_owned(),
                summary: fields.next()?.to_owned(),
            })
        };
        Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(entry).collect())
    }

    /// Lines of text files that hold one of the words, without regard to case; at most five of each file.
    pub fn grep(&self, commit: &Oid, words: &[String], count: usize) -> Result<Vec<Hit>> {
        if words.is_empty() {
            return Ok(vec![]);
        }
        let args = ["grep", "-I", "-i", "-F", "-n", "-z", "--max-count=5", "--no-color", "--no-column", "--full-name"];
        let cmd = words.iter().fold(self.git(Site::Objects).args(args), |cmd, word| cmd.arg("-e").arg(word));
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
