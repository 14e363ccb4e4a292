//! Refs, and the commits they name: read and moved by libgit2 where it can, by git where it cannot. A ref moves by
//! compare-and-swap, or says why it did not.

use super::again::{self, Watch, age_mark};
use super::cmd::{Site, failed, init_in, oid, parts, run, try_run};
use super::{Expect, GitError, Head, Repo, Result, plain};
use crate::domain::Oid;
use crate::proc::fault::{self, Step};
use crate::proc::{Exit, Output};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a lock on the file that all refs share is waited for: a little longer than it takes to prove that it is dead.
const PATIENCE: Duration = Duration::from_secs(70);

/// A remote's addresses as the configuration has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteAddresses {
    pub fetch: Vec<String>,
    /// Only to push to.
    pub push: Vec<String>,
}

impl Repo {
    /// HEAD of the checkout that was asked about.
    pub fn head(&self) -> Result<Head> {
        let doing = || format!("read HEAD of {}", self.here.display());
        let commit = self.head_commit()?.ok_or_else(|| GitError::Empty { path: self.here.clone() })?;
        let name = try_run(self.users_git().dir(&self.here).args(["symbolic-ref", "--quiet", "HEAD"]))?;
        if !matches!(name.exit, Exit::Code(0 | 1)) {
            return Err(failed(&name, &doing()));
        }
        Ok(Head { branch: name.stdout_text().strip_prefix("refs/heads/").map(str::to_owned), commit })
    }

    /// None before the first commit.
    pub(super) fn head_commit(&self) -> Result<Option<Oid>> {
        if self.known.by_library
            && let Ok(found) = git2::Repository::open(&self.here).and_then(|repo| repo.head()?.peel_to_commit().map(|commit| commit.id()))
        {
            return Ok(Some(ours(found)));
        }
        let asked = try_run(self.users_git().dir(&self.here).args(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]))?;
        if !matches!(asked.exit, Exit::Code(0 | 1)) {
            return Err(failed(&asked, &format!("read HEAD of {}", self.here.display())));
        }
        Ok(asked.success().then(|| Oid::parse(asked.stdout_text().trim()).ok()).flatten())
    }

    /// The commit that a name or expression means in the checkout that was asked about, if any.
    pub fn resolve(&self, rev: &str) -> Result<Option<Oid>> {
        // NUL would end the argument, and an empty expression means HEAD to some commands.
        if rev.is_empty() || rev.contains('\0') {
            return Ok(None);
        }
        if let Some(repo) = self.library() {
            if let Some(found) = theirs_exactly(rev).and_then(|id| repo.find_object(id, None).ok()?.peel_to_commit().ok()) {
                return Ok(Some(ours(found.id())));
            }
            if rev.starts_with("refs/") && git2::Reference::is_valid_name(rev) {
                match repo.find_reference(rev).and_then(|found| found.peel_to_commit()) {
                    Ok(commit) => return Ok(Some(ours(commit.id()))),
                    Err(e) if e.code() == git2::ErrorCode::NotFound && e.class() == git2::ErrorClass::Reference => return Ok(None),
                    Err(_) => {}
                }
            }
        }
        self.peeled(rev, "commit")
    }

    /// The tree of a commit (or a tree itself).
    pub fn tree_of(&self, commit: &Oid) -> Result<Oid> {
        let found = self.library().and_then(|repo| Some(repo.find_object(theirs(commit).ok()?, None).ok()?.peel_to_tree().ok()?.id()));
        if let Some(found) = found {
            return Ok(ours(found));
        }
        let missing = || GitError::Failed { doing: format!("read commit {}", commit.short()), stderr: "it is not there".into() };
        self.peeled(commit.as_str(), "tree")?.ok_or_else(missing)
    }

    fn peeled(&self, rev: &str, kind: &str) -> Result<Option<Oid>> {
        // Through the checkout's own folder: `HEAD` and `@{-1}` are not those of another.
        let args = ["rev-parse", "--verify", "--quiet", "--end-of-options"];
        let site =
            if rev.starts_with("refs/") || Oid::parse(rev).is_ok() { self.git(Site::Objects) } else { self.users_git().dir(&self.here) };
        let asked = try_run(site.args(args).arg(format!("{rev}^{{{kind}}}")))?;
        match asked.exit {
            Exit::Code(0) => oid(&asked, "resolve a name").map(Some),
            Exit::Code(_) => Ok(None),
            Exit::Signal(_) | Exit::DeadlinePassed => Err(failed(&asked, "resolve a name")),
        }
    }

    /// Whether `a` is `b` or one of its ancestors.
    pub fn is_ancestor(&self, a: &Oid, b: &Oid) -> Result<bool> {
        if a == b {
            return Ok(true);
        }
        let found = self.library().and_then(|repo| repo.graph_descendant_of(theirs(b).ok()?, theirs(a).ok()?).ok());
        if let Some(found) = found {
            return Ok(found);
        }
        let asked = try_run(self.git(Site::Objects).args(["merge-base", "--is-ancestor", a.as_str(), b.as_str()]))?;
        match asked.exit {
            Exit::Code(0) => Ok(true),
            Exit::Code(1) => Ok(false),
            Exit::Code(_) | Exit::Signal(_) | Exit::DeadlinePassed => {
                Err(failed(&asked, &format!("compare {} and {}", a.short(), b.short())))
            }
        }
    }

    /// Parents of a commit, in their order.
    pub fn parents(&self, commit: &Oid) -> Result<Vec<Oid>> {
        let found = self.library().and_then(|repo| Some(repo.find_commit(theirs(commit).ok()?).ok()?.parent_ids().map(ours).collect()));
        if let Some(found) = found {
            return Ok(found);
        }
        let args = ["rev-list", "--parents", "--max-count=1", "--end-of-options", commit.as_str()];
        let output = run(self.git(Site::Objects).args(args), &format!("read commit {}", commit.short()))?;
        Ok(output.stdout_text().split_ascii_whitespace().skip(1).filter_map(|id| Oid::parse(id).ok()).collect())
    }

    /// The commits on the first-parent line after `good` up to `bad`, oldest first.
    pub(super) fn first_parents(&self, good: &Oid, bad: &Oid) -> Result<Vec<Oid>> {
        let walk = |repo: git2::Repository| -> Result<Vec<Oid>, git2::Error> {
            let mut walk = repo.revwalk()?;
            walk.simplify_first_parent()?;
            walk.set_sorting(git2::Sort::TOPOLOGICAL | git2::Sort::REVERSE)?;
            walk.push(theirs(bad)?)?;
            walk.hide(theirs(good)?)?;
            walk.map(|id| id.map(ours)).collect()
        };
        if let Some(Ok(found)) = self.library().map(walk) {
            return Ok(found);
        }
        let doing = format!("list the commits from {} to {}", good.short(), bad.short());
        let args = ["rev-list", "--first-parent", "--reverse", bad.as_str()];
        let output = run(self.git(Site::Objects).args(args).arg(format!("^{good}")), &doing)?;
        Ok(output.stdout_text().lines().filter_map(|line| Oid::parse(line).ok()).collect())
    }

    /// Moves a ref of Aura's own (full name), if it is what is expected. A lock that a killed process left on it is
    /// removed: one that is alive holds it for a moment only.
    ///
    /// # Errors
    /// [`GitError::RefMoved`] when it is not; [`GitError::RefTaken`] when it should not exist, or when another name is
    /// in its way (`a` and `a/b` cannot both be).
    pub fn update_ref(&self, name: &str, new: &Oid, expect: Expect<'_>, reason: &str) -> Result<()> {
        fault::around(Step::RefUpdate, &format_args!("{name} to {}", new.short()), || {
            if self.moved_by_library(name, new, expect, reason) {
                return Ok(());
            }
            let is_there = || Ok(self.value_of(name)?.as_ref() == Some(new));
            let attempt = || self.try_update(name, new, expect, reason);
            let output = self.despite_the_dead(name, attempt, || Ok(is_there()? || self.why_not(name, expect)?.is_some()))?;
            // A git that was killed may have done it before; and where nothing else is expected, what is there already is done.
            let may_be_done = matches!(output.exit, Exit::Signal(_)) || matches!(expect, Expect::Any);
            if !output.success() && may_be_done && is_there()? {
                return Ok(());
            }
            self.moved(name, new, expect, &output)
        })
    }

    /// True when it is done. Why it is not, git says better.
    fn moved_by_library(&self, name: &str, new: &Oid, expect: Expect<'_>, reason: &str) -> bool {
        let (Some(repo), Ok(id)) = (self.library(), theirs(new)) else { return false };
        if !name.starts_with("refs/") || repo.find_commit(id).is_err() {
            return false;
        }
        let done = match expect {
            Expect::Absent => repo.reference(name, id, false, reason),
            Expect::Any => repo.reference(name, id, true, reason),
            Expect::At(old) => theirs(old).and_then(|old| repo.reference_matching(name, id, true, old, reason)),
        };
        done.is_ok()
    }

    /// Moves a ref of the user's, if it is what is expected. Nothing of theirs is removed for it.
    pub fn update_users_ref(&self, name: &str, new: &Oid, expect: Expect<'_>, reason: &str) -> Result<()> {
        fault::around(Step::RefUpdate, &format_args!("{name} to {}", new.short()), || {
            let output = self.try_update(name, new, expect, reason)?;
            self.moved(name, new, expect, &output)
        })
    }

    fn try_update(&self, name: &str, new: &Oid, expect: Expect<'_>, reason: &str) -> Result<Output> {
        if !name.starts_with("refs/") {
            let stderr = "it is not the full name of a ref".to_owned();
            return Err(GitError::Failed { doing: format!("move `{}`", name.escape_debug()), stderr });
        }
        let old = match expect {
            Expect::Absent => Some(""),
            Expect::At(old) => Some(old.as_str()),
            Expect::Any => None,
        };
        let cmd = self.git(Site::Objects).args(["update-ref", "--no-deref", "-m", reason, "--", name, new.as_str()]);
        try_run(old.into_iter().fold(cmd, crate::proc::Cmd::arg))
    }

    fn moved(&self, name: &str, new: &Oid, expect: Expect<'_>, output: &Output) -> Result<()> {
        if output.success() {
            return Ok(());
        }
        Err(self.why_not(name, expect)?.unwrap_or_else(|| failed(output, &format!("move `{name}` to {}", new.short()))))
    }

    /// Deletes a ref, if it still is what is expected. A ref that is gone already is fine.
    pub fn delete_ref(&self, name: &str, expect: &Oid) -> Result<()> {
        match self.value_of(name)? {
            None => return Ok(()),
            Some(now) if now != *expect => return Err(GitError::RefMoved { name: name.into() }),
            Some(_) => {}
        }
        let args = ["update-ref", "--no-deref", "-d", "--", name, expect.as_str()];
        let attempt = || try_run(self.git(Site::Objects).args(args));
        let deletion = || self.despite_the_dead(name, attempt, || Ok(self.value_of(name)?.as_ref() != Some(expect)));
        let output = fault::around(Step::RefUpdate, &format_args!("delete {name}"), deletion)?;
        if output.success() || self.value_of(name)?.is_none() {
            return Ok(());
        }
        Err(self.why_not(name, Expect::At(expect))?.unwrap_or_else(|| failed(&output, &format!("delete `{name}`"))))
    }

    /// What a ref (full name, nothing else) points to.
    fn value_of(&self, name: &str) -> Result<Option<Oid>> {
        Ok(self.names_from(name)?.into_iter().find(|(found, _)| found == name).map(|(_, id)| id))
    }

    /// A name and all names below it.
    fn names_from(&self, name: &str) -> Result<Vec<(String, Oid)>> {
        let cmd = self.git(Site::Objects).args(["for-each-ref", "--format=%(refname) %(objectname)", "--"]).arg(name);
        let output = run(cmd, &format!("look up `{name}`"))?;
        let line = |line: &str| line.split_once(' ').and_then(|(name, id)| Some((name.to_owned(), Oid::parse(id).ok()?)));
        Ok(output.stdout_text().lines().filter_map(line).collect())
    }

    /// Why a ref could not be moved, told by what is there now and not by git's words.
    fn why_not(&self, name: &str, expect: Expect<'_>) -> Result<Option<GitError>> {
        let (moved, taken) = (GitError::RefMoved { name: name.into() }, GitError::RefTaken { name: name.into() });
        let below = self.names_from(name)?;
        let now = below.iter().find(|(found, _)| found == name).map(|(_, id)| id);
        match (expect, now) {
            (Expect::Absent, Some(_)) => return Ok(Some(taken)),
            (Expect::At(old), now) if now != Some(old) => return Ok(Some(moved)),
            (Expect::Absent | Expect::At(_) | Expect::Any, _) => {}
        }
        if now.is_none() && !below.is_empty() {
            return Ok(Some(taken));
        }
        for (at, _) in name.match_indices('/').skip(2) {
            if self.value_of(&name[..at])?.is_some() {
                return Ok(Some(taken));
            }
        }
        Ok(None)
    }

    /// Tries again when a git was killed over it, or when all that stood in the way is a lock that a killed one left. Git
    /// itself waits a second for a lock; one of Aura's own that was there before and is the same afterwards belongs to
    /// nobody. On the file that all refs share, somebody's git may be at work for longer: it is waited for.
    fn despite_the_dead(&self, name: &str, attempt: impl Fn() -> Result<Output>, is_settled: impl Fn() -> Result<bool>) -> Result<Output> {
        let own = self.git_dir.join(format!("{name}.lock"));
        let mut shared = Watch::on(self.git_dir.join(if self.has_ref_files() { "packed-refs.lock" } else { "reftable/tables.list.lock" }));
        let (begun, mut tries) = (Instant::now(), 0);
        loop {
            let (own_before, shared_before) = (age_mark(&own), shared.is_there());
            let output = attempt()?;
            let was_killed = matches!(output.exit, Exit::Signal(_));
            // A git that dies with its driver may take the lock just before, and leave it while this one waits.
            let has_met = own_before.is_some() || shared_before || age_mark(&own).is_some() || shared.is_there();
            let has_patience = if has_met { begun.elapsed() < PATIENCE } else { tries < again::TRIES };
            tries += 1;
            if output.success() || !(has_met || was_killed) || !has_patience || is_settled()? {
                return Ok(output);
            }
            let one_healer = self.metadata_lock()?;
            if own_before.is_some() && age_mark(&own) == own_before {
                again::remove_dead(&own);
            }
            shared.heal();
            drop(one_healer);
            again::pause(tries);
        }
    }

    /// A commit made of parts. The same parts give the same id.
    pub fn commit_tree(&self, tree: &Oid, parents: &[&Oid], message: &str, at: Timestamp) -> Result<Oid> {
        let doing = "write a commit";
        let message = if message.ends_with('\n') { message.to_owned() } else { format!("{message}\n") };
        if let Some(Ok(commit)) = self.library().map(|repo| self.commit_by_library(&repo, tree, parents, &message, at)) {
            return Ok(ours(commit));
        }
        let cmd = self.identified(self.git(Site::Objects), at).args(["commit-tree", "--no-gpg-sign"]).arg(tree.as_str());
        let cmd = parents.iter().fold(cmd, |cmd, parent| cmd.args(["-p", parent.as_str()]));
        oid(&run(cmd.args(["-F", "-"]).stdin(message), doing)?, doing)
    }

    fn commit_by_library(
        &self,
        repo: &git2::Repository,
        tree: &Oid,
        parents: &[&Oid],
        message: &str,
        at: Timestamp,
    ) -> Result<git2::Oid, git2::Error> {
        let (author, committer) = self.people();
        let signed = |(name, address): &(String, String)| git2::Signature::new(name, address, &git2::Time::new(at.as_second(), 0));
        let tree = repo.find_tree(theirs(tree)?)?;
        let parents = parents.iter().map(|id| repo.find_commit(theirs(id)?)).collect::<Result<Vec<_>, _>>()?;
        repo.commit(None, &signed(author)?, &signed(committer)?, message, &tree, &parents.iter().collect::<Vec<_>>())
    }

    /// Names of the repository's remotes.
    pub fn remotes(&self) -> Result<Vec<String>> {
        let output = run(self.git(Site::Objects).arg("remote"), "list remotes")?;
        Ok(output.stdout_text().lines().map(str::to_owned).collect())
    }

    /// Every remote's name, with the addresses that the configuration gives it: to fetch from, and only to push to.
    pub fn remote_addresses(&self) -> Result<BTreeMap<String, RemoteAddresses>> {
        let pattern = r"^remote\..*\.(url|pushurl)$";
        let output = try_run(self.users_git().args(["config", "--null", "--get-regexp", pattern]))?;
        // Exit code 1: there is none.
        if !matches!(output.exit, Exit::Code(0 | 1)) {
            return Err(failed(&output, "list the remotes"));
        }
        let mut found: BTreeMap<String, RemoteAddresses> = BTreeMap::new();
        for entry in parts(&output.stdout) {
            let Some((key, value)) = entry.split_once('\n') else { continue };
            let Some((name, kind)) = key.strip_prefix("remote.").and_then(|rest| rest.rsplit_once('.')) else { continue };
            let of = found.entry(name.to_owned()).or_default();
            if kind == "pushurl" { of.push.push(value.to_owned()) } else { of.fetch.push(value.to_owned()) }
        }
        Ok(found)
    }

    /// The checkout (the user's or a linked worktree) that has a branch checked out.
    pub fn checked_out_at(&self, branch: &str) -> Result<Option<PathBuf>> {
        let output = run(self.git(Site::Objects).args(["worktree", "list", "--porcelain", "-z"]), "list worktrees")?;
        let full = format!("refs/heads/{branch}");
        let wanted = format!("branch {full}");
        let mut at = None;
        for field in parts(&output.stdout) {
            if let Some(path) = field.strip_prefix("worktree ") {
                at = Some(plain(Path::new(path)));
            } else if field == wanted
                && let Some(path) = at.take().filter(|path| path.exists())
            {
                return Ok(Some(path));
            }
        }
        // In the middle of a rebase or a bisection HEAD is detached, and the branch is in use all the same.
        let says = |folder: &Path, file: &str, name: &str| std::fs::read_to_string(folder.join(file)).is_ok_and(|text| text.trim() == name);
        let main = (self.git_dir.clone(), self.root.clone());
        let busy = |(folder, path): &(PathBuf, PathBuf)| {
            let rebases = ["rebase-merge/head-name", "rebase-apply/head-name"].iter().any(|file| says(folder, file, &full));
            path.exists() && (rebases || says(folder, "BISECT_START", branch))
        };
        Ok(std::iter::once(main).chain(self.worktrees()?).find(busy).map(|(_, path)| path))
    }

    /// Pushes with the user's own git: credentials, hooks and all. `lease`: the remote's ref must be this before.
    pub fn push(&self, remote: &str, refspec: &str, lease: Option<&Oid>) -> Result<()> {
        let mut cmd = self.users_git().args(["push", "--porcelain"]);
        if let (Some(lease), Some((_, name))) = (lease, refspec.split_once(':')) {
            cmd = cmd.arg(format!("--force-with-lease={name}:{lease}"));
        }
        run(cmd.arg("--").arg(remote).arg(refspec), &format!("push to `{remote}`"))?;
        Ok(())
    }
}

pub(super) fn ours(id: git2::Oid) -> Oid {
    Oid::parse(&id.to_string()).expect("libgit2 prints object ids as hex")
}

pub(super) fn theirs(id: &Oid) -> Result<git2::Oid, git2::Error> {
    // A shorter or longer name would be taken for the beginning of one.
    theirs_exactly(id.as_str()).ok_or_else(|| git2::Error::from_str("not a SHA-1 name"))
}

fn theirs_exactly(text: &str) -> Option<git2::Oid> {
    if text.len() == 40 { git2::Oid::from_str(text).ok() } else { None }
}

/// Makes a repository of a folder's files: one commit on `main`, and `notes` checked out.
pub fn init(folder: &Path) -> Result<()> {
    let doing = format!("make a repository in {}", folder.display());
    run(init_in(folder), &doing)?;
    let here = plain(folder);
    let repo = Repo::of(here.clone(), &here.join(".git"), false, false);
    let site = Site::Tree { work: &repo.root, index: &repo.git_dir.join("index") };
    run(repo.git(site).args(["add", "-A", "--", "."]), &doing)?;
    let tree = oid(&run(repo.git(site).arg("write-tree"), &doing)?, &doing)?;
    let commit = repo.commit_tree(&tree, &[], "A very small shop", Timestamp::now())?;
    for branch in ["main", "notes"] {
        repo.update_ref(&format!("refs/heads/{branch}"), &commit, Expect::Absent, "aura: a new repository")?;
    }
    run(repo.git(Site::Objects).args(["symbolic-ref", "HEAD", "refs/heads/notes"]), &doing)?;
    Ok(())
}
