//! What is known of a repository from its first moment in this process: whether libgit2 reads it, whose name commits
//! bear, and which programs its configuration lets git run.
//!
//! An agent can write to `.git/config`: a filter or a merge driver that it puts there would be run by Aura's next git
//! command. So programs that came into that file since are not run, and those that were there are run as they were.

use super::cmd::{Site, parts, try_run};
use super::{Repo, Result, cmd, io};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Settings whose values are programs that plumbing may run, or that lead it to some; and `required`, which goes with a
/// filter. Hooks, monitors, pagers, editors and signing are off in any case.
const PROGRAMS: &str = concat!(
    r"^(filter\..*\.(clean|smudge|process|required)|merge\..*\.driver|core\.(sshcommand|gitproxy|askpass|alternaterefscommand)",
    r"|credential\.(.*\.)?helper|remote\..*\.(uploadpack|vcs)|protocol\.(.*\.)?allow)$"
);

/// Name and address.
pub(super) type Person = (String, String);
/// What the repository's configuration lets git run, by setting.
pub type Programs = BTreeMap<String, String>;
/// Keys and values.
type Overrides = Vec<(String, String)>;

#[derive(Debug)]
pub(super) struct Known {
    /// Whether libgit2 reads this repository as git does.
    pub(super) by_library: bool,
    /// Whether the file system takes names for the same that differ in case only. What the configuration says was true where the
    /// repository was made, which may be another machine.
    pub(super) ignores_case: bool,
    /// Author and committer, once they are known.
    people: OnceLock<(Person, Person)>,
    /// The repository's own configuration file as it was at first.
    first: Option<Vec<u8>>,
    /// The programs that are trusted, where they were written down before this process began.
    trusted: OnceLock<Programs>,
    /// What has to be said to every command while the file is like this.
    overrides: Mutex<Option<(Vec<u8>, Overrides)>>,
}

impl Known {
    pub(super) fn new(git_dir: &Path, by_library: bool) -> Known {
        let first = std::fs::read(git_dir.join("config")).ok();
        // Git itself looks for its own file under another name.
        let ignores_case = git_dir.join("CoNfIg").symlink_metadata().is_ok();
        Known { by_library, ignores_case, people: OnceLock::new(), first, trusted: OnceLock::new(), overrides: Mutex::default() }
    }
}

impl Repo {
    /// The programs that the repository's configuration lets plumbing run now.
    pub fn programs(&self) -> Result<Programs> {
        self.programs_in(&std::fs::read(self.git_dir.join("config")).unwrap_or_default())
    }

    /// The same repository, with these programs as the ones that were there at first: what an agent has written since, in
    /// whatever process, is not run.
    #[must_use]
    pub fn trusting(self, programs: Programs) -> Repo {
        let _ = self.known.trusted.set(programs);
        self
    }

    /// Settings that take the programs of the repository's configuration back to what they were at first.
    pub(super) fn overrides(&self) -> Overrides {
        let now = std::fs::read(self.git_dir.join("config")).ok();
        if now == self.known.first && self.known.trusted.get().is_none() {
            return vec![];
        }
        let now = now.unwrap_or_default();
        let mut known = self.known.overrides.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, overrides)) = known.as_ref().filter(|(of, _)| *of == now) {
            return overrides.clone();
        }
        let overrides = self.back_to_the_first(&now).unwrap_or_else(|error| {
            tracing::warn!(repository = %self.root.display(), %error, "the programs of a changed configuration are not known");
            vec![]
        });
        *known = Some((now, overrides.clone()));
        overrides
    }

    fn back_to_the_first(&self, now: &[u8]) -> Result<Overrides> {
        let before = match self.known.trusted.get() {
            Some(trusted) => trusted.clone(),
            None => self.programs_in(self.known.first.as_deref().unwrap_or_default())?,
        };
        let now = self.programs_in(now)?;
        let mut overrides = vec![];
        for (key, value) in &now {
            match before.get(key) {
                Some(first) if first == value => {}
                Some(first) => overrides.push((key.clone(), first.clone())),
                None if key.ends_with(".required") => overrides.push((key.clone(), "false".into())),
                None if key.starts_with("protocol.") => overrides.push((key.clone(), "never".into())),
                None => overrides.push((key.clone(), String::new())),
            }
        }
        if !overrides.is_empty() {
            tracing::warn!(?overrides, "programs that came into the repository's configuration meanwhile are not run");
        }
        Ok(overrides)
    }

    /// The programs that this text of a configuration file names, includes too.
    fn programs_in(&self, text: &[u8]) -> Result<Programs> {
        // A file beside the other, since what it includes may be relative to it.
        let path = self.git_dir.join(format!("aura-config-{}", std::process::id()));
        std::fs::write(&path, text).map_err(io(format!("write {}", path.display())))?;
        let asked = cmd::config_of(&path, PROGRAMS);
        let _ = std::fs::remove_file(&path);
        let entry = |line: String| line.split_once('\n').map(|(key, value)| (key.to_owned(), value.to_owned()));
        Ok(parts(&asked?.stdout).filter_map(entry).collect())
    }

    /// Author and committer as git would write them, by the user's settings and environment. Asked once: a process for
    /// each commit would double the price of a landing.
    pub(super) fn people(&self) -> &(Person, Person) {
        self.known.people.get_or_init(|| {
            let committer = self.person("GIT_COMMITTER_IDENT").unwrap_or_else(|| ("Aura".into(), "aura@localhost".into()));
            let author = self.person("GIT_AUTHOR_IDENT").unwrap_or_else(|| committer.clone());
            (author, committer)
        })
    }

    /// None where git would refuse to commit.
    fn person(&self, variable: &str) -> Option<Person> {
        let asked = try_run(self.git(Site::Objects).args(["var", variable])).ok().filter(crate::proc::Output::success)?;
        let text = asked.stdout_text();
        let (name, rest) = text.split_once(" <")?;
        let (address, _) = rest.rsplit_once("> ")?;
        Some((name.to_owned(), address.to_owned()))
    }

    /// Whether HEAD of a worktree is the file of that name.
    pub(super) fn has_ref_files(&self) -> bool {
        self.known.by_library || !self.git_dir.join("reftable").is_dir()
    }

    /// Whether a setting of the user's is true.
    pub(super) fn is_set(&self, key: &str) -> Result<bool> {
        Ok(try_run(self.git(Site::Objects).args(["config", "--type=bool", "--get", key]))?.stdout_text() == "true")
    }
}
