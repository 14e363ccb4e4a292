//! What no agent is to touch of a repository: all but Aura's own refs and worktrees. It is measured when an attempt starts
//! and when it has ended. The stash is one for all worktrees, so it is pinned as well, and what was taken off it is put back.

use super::cmd::{Site, parts, raw_parts, run};
use super::overlay::content_id;
use super::{Expect, Repo, Result};
use crate::domain::Oid;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const STASH: &str = "refs/stash";
/// Most entries of the stash that are looked after, the newest first.
const STASH_MAX: usize = 100;
/// Most refs of one kind that are named.
const NAMED_MAX: usize = 5;
/// Most bytes of a hook that are looked at.
const HOOK_BYTES_MAX: u64 = 1024 * 1024;

/// One entry of the stash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stashed {
    pub commit: Oid,
    /// Names the branch that it was made on (untrusted text).
    pub subject: String,
}

/// What lies around the worktrees, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Around {
    /// The branch, or the commit, of the user's checkout.
    head: String,
    /// All that are not Aura's, by full name.
    refs: BTreeMap<String, String>,
    /// The newest first, without what was stashed on branches of Aura's.
    stash: Vec<Stashed>,
    /// What these hold, as one id each.
    index: String,
    config: String,
    hooks: String,
    exclude: String,
}

impl Around {
    /// Entries of the stash that are gone.
    #[must_use]
    pub fn stash_taken(&self, now: &Around) -> Vec<Stashed> {
        self.stash.iter().filter(|before| now.stash.iter().all(|entry| entry.commit != before.commit)).cloned().collect()
    }

    /// What is another than before, in words. What became of the stash is said apart.
    #[must_use]
    pub fn changed(&self, now: &Around) -> Vec<String> {
        let mut said = vec![];
        if self.head != now.head {
            said.push(format!("HEAD of the checkout ({} before)", shown(&self.head)));
        }
        for (kind, prefix) in
            [("branch", "refs/heads/"), ("tag", "refs/tags/"), ("remote-tracking branch", "refs/remotes/"), ("ref", "refs/")]
        {
            let is_of_kind = |name: &str| name.starts_with(prefix) && (kind != "ref" || KINDS.iter().all(|other| !name.starts_with(other)));
            said.extend(refs_changed(kind, prefix, &self.refs, &now.refs, is_of_kind));
        }
        for (what, before, after) in [
            ("the index of the checkout", &self.index, &now.index),
            ("the configuration (`.git/config`)", &self.config, &now.config),
            ("the hooks (`.git/hooks`)", &self.hooks, &now.hooks),
            ("`.git/info/exclude`", &self.exclude, &now.exclude),
        ] {
            if before != after {
                said.push(what.to_owned());
            }
        }
        said
    }
}

const KINDS: [&str; 3] = ["refs/heads/", "refs/tags/", "refs/remotes/"];

fn shown(name: &str) -> String {
    format!("`{}`", name.escape_debug())
}

fn refs_changed(
    kind: &str,
    prefix: &str,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
    is_of_kind: impl Fn(&str) -> bool,
) -> Option<String> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).filter(|name| is_of_kind(name)).collect();
    let word = |name: &String| match (before.get(name), after.get(name)) {
        (Some(_), None) => Some("removed"),
        (None, Some(_)) => Some("new"),
        (Some(old), Some(new)) if old != new => Some("moved"),
        (Some(_), Some(_)) | (None, None) => None,
    };
    let short = |name: &String| shown(name.strip_prefix(prefix).unwrap_or(name));
    let changed: Vec<String> = names.into_iter().filter_map(|name| Some(format!("{} ({})", short(name), word(name)?))).collect();
    if changed.is_empty() {
        return None;
    }
    let more = changed.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let named: Vec<&str> = changed.iter().take(NAMED_MAX).map(String::as_str).collect();
    Some(format!("{kind} {}{more}", named.join(", ")))
}

impl Repo {
    /// Measures it. Branches whose names begin with one of `own` are Aura's.
    pub fn around(&self, own: &[String]) -> Result<Around> {
        let listed = run(self.git(Site::Objects).args(["for-each-ref", "--format=%(refname) %(objectname)"]), "list all refs")?;
        let listed = listed.stdout_text();
        let refs: BTreeMap<String, String> =
            listed.lines().filter_map(|line| line.split_once(' ')).map(|(name, id)| (name.to_owned(), id.to_owned())).collect();
        let stash = if refs.contains_key(STASH) { self.stash(own)? } else { vec![] };
        let is_ours = |name: &str| {
            let is_kept = [STASH, "refs/prefetch/"].iter().any(|known| name.starts_with(known));
            let branch = name.strip_prefix("refs/heads/");
            is_kept || name.starts_with("refs/aura/") || branch.is_some_and(|branch| own.iter().any(|own| branch.starts_with(own.as_str())))
        };
        let read = |name: &str| std::fs::read(self.git_dir.join(name)).map(|bytes| content_id(&bytes)).unwrap_or_default();
        Ok(Around {
            head: self.head().map(|head| head.branch.unwrap_or_else(|| head.commit.to_string())).unwrap_or_default(),
            refs: refs.into_iter().filter(|(name, _)| !is_ours(name)).collect(),
            stash,
            index: self.index_content()?,
            config: [read("config"), read("config.worktree")].concat(),
            hooks: hooks_in(&self.git_dir.join("hooks")),
            exclude: read("info/exclude"),
        })
    }

    /// The stash that people made, not agents.
    fn stash(&self, own: &[String]) -> Result<Vec<Stashed>> {
        let args = ["log", "--walk-reflogs", "-z", "--format=%H %gs", "--no-show-signature"];
        let listed = run(self.git(Site::Objects).args(args).arg(format!("--max-count={STASH_MAX}")).args([STASH, "--"]), "list the stash")?;
        let entry = |line: String| {
            let (commit, subject) = line.split_once(' ')?;
            Some(Stashed { commit: Oid::parse(commit).ok()?, subject: subject.to_owned() })
        };
        let on = |subject: &str| subject.strip_prefix("WIP on ").or_else(|| subject.strip_prefix("On ")).map(str::to_owned);
        let is_agents = |entry: &Stashed| on(&entry.subject).is_some_and(|on| own.iter().any(|own| on.starts_with(own.as_str())));
        Ok(parts(&listed.stdout).filter_map(entry).filter(|entry| !is_agents(entry)).collect())
    }

    /// What the index of the user's checkout holds: git writes the file anew for less than a change.
    fn index_content(&self) -> Result<String> {
        let index = self.git_dir.join("index");
        if !index.exists() {
            return Ok(String::new());
        }
        let by_library = self.library().and_then(|_| git2::Index::open(&index).ok());
        let text: Vec<u8> = match by_library {
            Some(index) => index
                .iter()
                .flat_map(|entry| [format!("{:o} {} ", entry.mode, entry.id).into_bytes(), entry.path, vec![0]].concat())
                .collect(),
            None => run(self.git(Site::Index(&index)).args(["ls-files", "-s", "-z"]), "list the index of the checkout")?.stdout,
        };
        Ok(content_id(&text))
    }

    /// Keeps the stash under a ref of Aura's, whatever an agent does to it.
    pub fn pin_stash(&self, around: &Around, pin: &str, at: Timestamp) -> Result<()> {
        let commits: Vec<&Oid> = around.stash.iter().map(|entry| &entry.commit).collect();
        let Some(first) = commits.first() else { return Ok(()) };
        let pinned = self.commit_tree(&self.tree_of(first)?, &commits, "The stash, before an agent started\n", at)?;
        self.update_ref(pin, &pinned, Expect::Any, "aura: the stash")
    }

    /// Puts entries back on the stash, as `git stash store` does; the first one comes to lie on top.
    pub fn restore_stash(&self, entries: &[Stashed]) -> Result<()> {
        for entry in entries.iter().rev() {
            let subject = if entry.subject.is_empty() { "stash" } else { &entry.subject };
            let cmd = self.git(Site::Objects).args(["update-ref", "--create-reflog", "-m", subject, STASH, entry.commit.as_str()]);
            run(cmd, "put an entry back on the stash")?;
        }
        Ok(())
    }

    /// The files that an entry of the stash holds changes of.
    pub fn stashed_paths(&self, entry: &Stashed) -> Result<BTreeSet<String>> {
        let parents = self.parents(&entry.commit)?;
        let mut paths = BTreeSet::new();
        if let Some(base) = parents.first() {
            paths.extend(self.diff_files(base, &entry.commit)?.into_iter().map(|file| file.path));
        }
        if let Some(untracked) = parents.get(2) {
            let args = ["ls-tree", "-r", "-z", "--name-only", "--full-tree", untracked.as_str()];
            let listed = run(self.git(Site::Objects).args(args), "list the untracked files of a stash")?;
            paths.extend(raw_parts(&listed.stdout).map(|name| String::from_utf8_lossy(name).into_owned()));
        }
        Ok(paths)
    }
}

/// What hooks there are, as one id.
fn hooks_in(folder: &Path) -> String {
    let hook = |entry: std::fs::DirEntry| {
        let is_small = entry.metadata().is_ok_and(|meta| meta.is_file() && meta.len() <= HOOK_BYTES_MAX);
        let content = if is_small { std::fs::read(entry.path()).unwrap_or_default() } else { vec![] };
        (entry.file_name(), content_id(&content))
    };
    let hooks: BTreeMap<_, _> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(hook).collect();
    let text: String = hooks.into_iter().map(|(name, id)| format!("{} {id}\n", name.to_string_lossy())).collect();
    content_id(text.as_bytes())
}
