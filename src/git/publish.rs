//! What leaves the machine: the base as the remote has it, commits as the user's own git makes them, pushes under a lease.
//! Credentials, hooks, signing and proxies are the user's; nothing of it is written to their configuration.

use super::cmd::{Site, end_orphans, marked, oid, parts, run, try_run};
use super::worktree::At;
use super::{GitError, Repo, Result};
use crate::domain::Oid;
use jiff::Timestamp;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Hooks that a commit runs.
const COMMIT_HOOKS: [&str; 4] = ["pre-commit", "prepare-commit-msg", "commit-msg", "post-commit"];
const LOOKING: &str = "look through what is to be published";
/// Most bytes of a patch that is looked through.
const PATCH_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A commit to be made by the user's own git.
#[derive(Clone, Copy, Debug)]
pub struct CommitRequest<'a> {
    /// A commit with the tree that is wanted; the worktree is set to it.
    pub like: &'a Oid,
    pub parent: &'a Oid,
    pub message: &'a str,
    pub at: Timestamp,
}

/// A remote's addresses as git uses them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteUrls {
    pub fetch: Option<String>,
    pub push: Option<String>,
}

impl Repo {
    /// A value of the user's configuration as it is written there.
    pub fn setting(&self, key: &str) -> Result<Option<String>> {
        let output = try_run(self.users_git().args(["config", "--get", key]))?;
        Ok(Some(output.stdout_text()).filter(|text| output.success() && !text.is_empty()))
    }

    /// Where git itself would fetch from and push to, with its settings applied.
    pub fn remote_urls(&self, remote: &str) -> Result<RemoteUrls> {
        let text = run(self.users_git().args(["remote", "-v"]), "list the remotes")?.stdout_text();
        let of = |how: &str| {
            let line = text.lines().filter_map(|line| line.strip_prefix(remote)?.strip_prefix('\t')).find_map(|rest| rest.split_once(how));
            line.map(|(url, _)| url.to_owned()).filter(|url| !url.is_empty())
        };
        Ok(RemoteUrls { fetch: of(" (fetch)"), push: of(" (push)") })
    }

    /// The branch as the remote has it now, its commits brought here under a ref of Aura's own. None where there is no
    /// such branch. The user's remote-tracking branches and FETCH_HEAD stay as they are.
    pub fn fetch_branch(&self, remote: &str, branch: &str, into: &str) -> Result<Option<Oid>> {
        let refspec = format!("+refs/heads/{branch}:{into}");
        let options = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--refmap=", "--no-recurse-submodules"];
        let cmd =
            self.users_git().args(["-c", "gc.auto=0", "-c", "maintenance.auto=false"]).args(options).arg("--").arg(remote).arg(refspec);
        let doing = format!("fetch `{branch}` from `{remote}`");
        match run(cmd, &doing) {
            Ok(_) => self.resolve(into),
            Err(GitError::Failed { stderr, .. }) if stderr.contains("couldn't find remote ref") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where a branch stands now at the place that a remote is pushed to, if it exists.
    pub fn remote_branch(&self, remote: &str, branch: &str) -> Result<Option<Oid>> {
        let name = format!("refs/heads/{branch}");
        let doing = format!("ask `{remote}` for `{branch}`");
        // With a `pushurl`, asking by the name would look where it is fetched from.
        let RemoteUrls { fetch, push } = self.remote_urls(remote)?;
        let place = push.filter(|url| Some(url) != fetch.as_ref()).unwrap_or_else(|| remote.to_owned());
        let output = run(self.users_git().args(["ls-remote", "--quiet", "--"]).arg(place).arg(&name), &doing)?;
        let text = output.stdout_text();
        let line = text.lines().find_map(|line| line.split_once('\t').filter(|(_, of)| of.trim() == name));
        line.map(|(id, _)| Oid::parse(id.trim()).map_err(|why| GitError::Failed { doing, stderr: why })).transpose()
    }

    /// Pushes one commit to one branch, if that branch is what is expected: `was`, or absent.
    pub fn push_commit(&self, remote: &str, commit: &Oid, branch: &str, was: Option<&Oid>) -> Result<()> {
        let name = format!("refs/heads/{branch}");
        let lease = format!("--force-with-lease={name}:{}", was.map_or("", Oid::as_str));
        let cmd = self.users_git().args(["push", "--porcelain", "--no-follow-tags"]).arg(lease).arg("--").arg(remote);
        let output = try_run(cmd.arg(format!("{commit}:{name}")))?;
        if output.success() {
            return Ok(());
        }
        // Which ref was rejected and why stands on stdout, what hooks and servers say on stderr.
        let said = [output.stdout_text(), output.stderr_text()].join("\n");
        let plain: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(4000).collect();
        let stderr = plain.split_whitespace().collect::<Vec<_>>().join(" ");
        Err(GitError::Failed { doing: format!("push to `{remote}`"), stderr })
    }

    /// Whether a commit of the user's runs hooks or is signed, so that their own git has to make it.
    pub fn commits_are_the_users(&self) -> Result<bool> {
        let signed = try_run(self.users_git().args(["config", "--type=bool", "--get", "commit.gpgSign"]))?;
        if signed.stdout_text() == "true" {
            return Ok(true);
        }
        let folder = self.hooks_folder()?;
        Ok(COMMIT_HOOKS.iter().any(|hook| folder.join(hook).exists()))
    }

    /// Where the hooks of the user's checkout are. A name like `.hooks` would mean, in another worktree, what an agent has
    /// committed there.
    fn hooks_folder(&self) -> Result<PathBuf> {
        let found = run(self.users_git().args(["rev-parse", "--git-path", "hooks"]), "find the hooks")?;
        Ok(self.root().join(found.stdout_text()))
    }

    /// Commits with the user's own git: hooks, signing, identity. The worktree is Aura's own and holds the tree already.
    pub fn commit_as_user(&self, worktree: &Path, request: &CommitRequest<'_>) -> Result<Oid> {
        // A commit of a call that was killed may still be at work there.
        end_orphans(worktree);
        self.set_worktree(worktree, request.like)?;
        let admin = self.admin_of(worktree)?;
        self.set_head(&admin, At::Detached(request.parent))?;
        let date = format!("{} +0000", request.at.as_second());
        let mut hooks = OsString::from("core.hooksPath=");
        hooks.push(self.hooks_folder()?);
        let cmd = marked(self.users_git(), worktree).dir(worktree).env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date);
        let cmd = cmd
            .args(["-c", "core.fsmonitor=false", "-c"])
            .arg(hooks)
            .args(["commit", "--quiet", "--no-edit", "--allow-empty", "-F", "-"])
            .stdin(request.message);
        run(cmd, "commit with the repository's hooks")?;
        let doing = "read the commit";
        oid(&run(self.git(Site::Worktree { work: worktree, admin: &admin }).args(["rev-parse", "HEAD"]), doing)?, doing)
    }

    /// The tree of `onto` with what a commit changed of its first parent; none where that conflicts.
    pub fn replayed(&self, onto: &Oid, commit: &Oid) -> Result<Option<Oid>> {
        match self.parents(commit)?.first() {
            Some(parent) => self.without(onto, parent, commit),
            None => Ok(None),
        }
    }

    /// The message of a commit.
    pub fn message_of(&self, commit: &Oid) -> Result<String> {
        Ok(run(self.git(Site::Objects).args(["log", "-1", "--format=%B", commit.as_str()]), "read a message")?.stdout_text())
    }

    /// When a commit was made.
    pub fn time_of(&self, commit: &Oid) -> Result<Timestamp> {
        Ok(self.log(commit, 1)?.first().map_or(Timestamp::UNIX_EPOCH, |entry| entry.time))
    }

    /// What `to` adds to `from`, as a patch without context, binary files too; with a mark, what every commit in between
    /// adds, each behind a line of the mark and its short name.
    pub fn patch(&self, from: &Oid, to: &Oid, each: Option<&str>) -> Result<String> {
        let options = ["--text", "--no-color", "--no-ext-diff", "--no-textconv", "-U0", "--inter-hunk-context=0", "--no-renames"];
        // The last one takes back a `diff.orderFile`.
        let more = ["--no-relative", "--src-prefix=a/", "--dst-prefix=b/", "-O/dev/null"];
        let cmd = self.git(Site::Objects);
        let cmd = match each {
            Some(mark) => cmd.args(["log", "-p", "--diff-merges=first-parent", &format!("--format={mark}%h")]).args(options).args(more),
            None => cmd.arg("diff").args(options).args(more),
        };
        let output = run(cmd.arg(format!("{from}..{to}")).output_max(PATCH_BYTES_MAX), LOOKING)?;
        if output.truncated {
            let stderr = "it is larger than 256 MiB, too large to be looked through".to_owned();
            return Err(GitError::Failed { doing: LOOKING.into(), stderr });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The files that are new between two commits; with `each`, also those that a later commit removed again.
    pub fn new_names(&self, from: &Oid, to: &Oid, each: bool) -> Result<Vec<String>> {
        let options = ["--name-only", "-z", "--no-renames", "--no-relative", "--diff-filter=A", "-O/dev/null"];
        let cmd = self.git(Site::Objects);
        let cmd = if each { cmd.args(["log", "--format=", "--diff-merges=first-parent"]) } else { cmd.arg("diff") };
        Ok(parts(&run(cmd.args(options).arg(format!("{from}..{to}")), LOOKING)?.stdout).collect())
    }

    /// The commits between two, with their messages.
    pub fn messages(&self, from: &Oid, to: &Oid) -> Result<Vec<(String, String)>> {
        let output = run(self.git(Site::Objects).args(["log", "-z", "--format=%h %B"]).arg(format!("{from}..{to}")), LOOKING)?;
        Ok(parts(&output.stdout).filter_map(|text| text.split_once(' ').map(|(id, text)| (id.to_owned(), text.to_owned()))).collect())
    }
}
