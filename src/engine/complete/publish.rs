//! The squashed commit goes where it belongs, once. What was begun is looked for before it is done again: a remote that
//! holds the commit already has been pushed to.

use super::Ceremony;
use super::target::How;
use crate::domain::{Completion, Event, Oid, Published, Story};
use crate::engine::Places;
use crate::error::{Code, Error, Result};
use crate::forge::Scanner;
use crate::git::{Expect, GitError};

impl Ceremony<'_> {
    pub(super) fn publish_squashed(&self, story: &Story, base: &Oid, commit: &Oid) -> Result<()> {
        match &self.target.how {
            How::Push { remote } => self.push(story, base, commit, remote),
            How::Branch => {
                if self.base_has_moved(story, base, commit)? {
                    return Ok(());
                }
                self.finish(story, commit, Published::Branch { branch: story.created.branch.clone() })
            }
            How::Merge => self.merge(story, base, commit),
        }
    }

    /// Whether the base stands elsewhere than under the squash; then the ceremony goes round again.
    fn base_has_moved(&self, story: &Story, base: &Oid, commit: &Oid) -> Result<bool> {
        let now = self.base_now(story)?;
        // With the landings kept, the base is below them as it was.
        if now == *base {
            return Ok(false);
        }
        self.drop_squash(commit, &format!("the base has moved from {} to {}", base.short(), now.short()))?;
        Ok(true)
    }

    fn merge(&self, story: &Story, base: &Oid, commit: &Oid) -> Result<()> {
        let Some(into) = story.created.base_branch.clone() else {
            return self.finish(story, commit, Published::Branch { branch: story.created.branch.clone() });
        };
        let name = format!("refs/heads/{into}");
        if self.repo.resolve(&name)?.as_ref() != Some(commit) {
            match self.repo.update_users_ref(&name, commit, Expect::At(base), "aura: merge a completed story") {
                Ok(()) => {}
                Err(GitError::RefMoved { .. }) => return self.drop_squash(commit, &format!("`{into}` has moved")),
                Err(error) => return Err(error.into()),
            }
        }
        self.finish(story, commit, Published::Merged { into })
    }

    fn push(&self, story: &Story, base: &Oid, commit: &Oid, remote: &str) -> Result<()> {
        let branch = &story.created.branch;
        let was = self.repo.remote_branch(remote, branch).map_err(remote_trouble)?;
        if was.as_ref() == Some(commit) {
            return self.pushed(commit, remote, branch);
        }
        if self.base_has_moved(story, base, commit)? {
            return Ok(());
        }
        self.require_ours(story, remote, was.as_ref(), commit)?;
        if !story.pushes.contains(commit) {
            let (remote, branch) = (remote.to_owned(), branch.clone());
            self.append(Event::PushStarted { remote, branch, commit: commit.clone(), was: was.clone() })?;
        }
        let Err(error) = self.repo.push_commit(remote, commit, branch, was.as_ref()) else {
            return self.pushed(commit, remote, branch);
        };
        // A push whose answer was lost may have been made.
        match self.repo.remote_branch(remote, branch) {
            Ok(now) if now.as_ref() == Some(commit) => self.pushed(commit, remote, branch),
            Ok(_) => {
                self.drop_squash(commit, "the push was refused")?;
                Err(push_trouble(error, remote, branch))
            }
            Err(_) => Err(push_trouble(error, remote, branch)),
        }
    }

    fn pushed(&self, commit: &Oid, remote: &str, branch: &str) -> Result<()> {
        self.append(Event::BranchPushed { remote: remote.to_owned(), branch: branch.to_owned(), commit: commit.clone() })?;
        Ok(())
    }

    /// The remote branch is replaced only where Aura itself has put it, or where nothing of it is lost.
    fn require_ours(&self, story: &Story, remote: &str, was: Option<&Oid>, commit: &Oid) -> Result<()> {
        let Some(was) = was else { return Ok(()) };
        // Also the landings, which a person may have pushed to look at them.
        let is_kept = |by: &Oid| self.repo.is_ancestor(was, by).unwrap_or(false);
        if story.pushes.contains(was) || is_kept(commit) || is_kept(&story.tip.commit) {
            return Ok(());
        }
        let branch = &story.created.branch;
        Err(Error::new(Code::Conflict, format!("push `{branch}` to `{remote}`: it holds {}, which Aura has not put there", was.short()))
            .hint(format!(
                "look at it (`git fetch {remote} {branch}`); what is yours there, cherry-pick onto the story's branch; then delete \
                           it there (`git push {remote} --delete {branch}`) and complete again"
            )))
    }

    /// After the push: the pull request, then the end.
    pub(super) fn publish_pushed(&self, story: &Story, commit: &Oid, remote: &str, branch: &str) -> Result<()> {
        let how = match &self.target.pull {
            None => Published::Pushed { remote: remote.to_owned(), branch: branch.to_owned() },
            Some(target) => {
                let pull = self.pull_request(story, commit, target)?;
                Published::PullRequest { remote: remote.to_owned(), branch: branch.to_owned(), number: pull.number, url: pull.url }
            }
        };
        self.finish(story, commit, how)
    }

    /// The story branch and its worktree follow, and the story is done.
    fn finish(&self, story: &Story, commit: &Oid, how: Published) -> Result<()> {
        let places = Places(story);
        let at = self.repo.resolve(&places.story_ref())?;
        let tip = match &story.completion {
            Completion::Squashed { tip, .. } | Completion::Pushed { tip, .. } => tip,
            Completion::Open | Completion::Started | Completion::Done { .. } => &story.tip.commit,
        };
        if at.as_ref() == Some(tip) {
            self.repo.update_ref(&places.story_ref(), commit, Expect::At(tip), "aura: squash")?;
        }
        if at.as_ref() == Some(tip) || at.as_ref() == Some(commit) {
            self.sync_worktree(story, commit)?;
        } else {
            let text =
                format!("the story branch `{}` has moved meanwhile: what was committed there late is not published", story.created.branch);
            self.append(Event::Noted { text })?;
        }
        self.append(Event::StoryPublished { commit: commit.clone(), how })?;
        Ok(())
    }

    /// Same tree as the tip, so nothing of what people see changes but the name of the commit.
    fn sync_worktree(&self, story: &Story, commit: &Oid) -> Result<()> {
        let places = Places(story);
        let worktree = places.story_worktree();
        if worktree.join(".git").exists() {
            let from = self.repo.resolve(&places.synced_ref())?.unwrap_or_else(|| story.created.base_commit.clone());
            if self.repo.sync_checkout(&worktree, &from, commit).is_ok() {
                self.repo.update_ref(&places.synced_ref(), commit, Expect::Any, "aura: worktree brought up to date")?;
            }
        }
        Ok(())
    }
}

/// Git's words about a remote, and those of hooks, without what is secret.
fn words(text: &str) -> String {
    let mut result = String::new();
    for word in text.split(' ') {
        let shown = match (word.find("://"), word.rfind('@')) {
            (Some(scheme), Some(at)) if scheme < at => format!("{}://…{}", &word[..scheme], &word[at..]),
            _ => word.to_owned(),
        };
        result += if result.is_empty() { "" } else { " " };
        result += &shown;
    }
    // A hook that finds a secret may show it.
    Scanner::default().masked(&result)
}

/// Whether git's words hold one of these.
fn says(said: &str, marks: &[&str]) -> bool {
    marks.iter().any(|mark| said.contains(mark))
}

/// Why a remote cannot be asked.
pub(super) fn remote_trouble(error: GitError) -> Error {
    let GitError::Failed { doing, stderr } = error else { return error.into() };
    let said = words(&stderr);
    let lower = said.to_ascii_lowercase();
    let detail = format!("{doing}: {said}");
    if says(&lower, &["host key verification failed", "remote host identification has changed"]) {
        return Error::new(Code::NeedsLogin, detail)
            .hint("your SSH does not know this host: connect to it once yourself (`ssh -T git@HOST`), then complete again");
    }
    if says(&lower, &NO_LOGIN) {
        return Error::new(Code::NeedsLogin, detail)
            .hint("your own git must be able to push without asking: a credential helper (`gh auth setup-git`) or an SSH agent");
    }
    if says(&lower, &["not found", "does not exist", "does not appear to be a git repository"]) {
        return Error::new(Code::Unavailable, detail).hint("look at its address: `git remote -v`; then complete again");
    }
    Error::new(Code::Unavailable, detail).hint("complete again when it can be reached: nothing is lost")
}

const NO_LOGIN: [&str; 6] = [
    "authentication failed",
    "could not read username",
    "could not read password",
    "permission denied",
    "terminal prompts disabled",
    "returned error: 403",
];

/// Why a push was refused, and what to do about it.
fn push_trouble(error: GitError, remote: &str, branch: &str) -> Error {
    let GitError::Failed { doing, stderr } = error else { return error.into() };
    let said = words(&stderr);
    // The branch has a name of its own, which may be `secret-santa`.
    let lower = said.to_ascii_lowercase().replace(&branch.to_ascii_lowercase(), "…");
    let has = |marks: &[&str]| says(&lower, marks);
    let detail = format!("{doing}: {said}");
    let needs_person = |hint: String| Error::new(Code::NeedsPerson, detail.clone()).hint(hint);
    if has(&["stale info", "cannot lock ref", "failed to update ref", "(fetch first)", "(non-fast-forward)", "incorrect old value"]) {
        return Error::new(Code::Conflict, detail).hint(format!("`{branch}` was moved at `{remote}` meanwhile; complete again"));
    }
    if has(&["http 413", "error: 413", "pack exceeds maximum", "gh001", "large files detected", "file size limit"]) {
        return needs_person(format!(
            "something is too large for `{remote}`: take it out in the story's worktree (or into Git LFS) and commit there, then complete again"
        ));
    }
    if has(&["protected branch", "gh006", "gh013", "repository rule"]) {
        return needs_person(format!(
            "`{remote}` protects `{branch}`: see what its rules ask for, or create the story with another `--branch`"
        ));
    }
    if has(&["push protection", "gh009", "secret"]) {
        return needs_person("take the secret out in the story's worktree, commit there, then complete again".into());
    }
    if has(&["[remote rejected]", "remote rejected", "hook declined", "pre-receive"]) {
        return needs_person(format!("`{remote}` refuses the commit; mend what it asks for, then complete again"));
    }
    if has(&["failed to push some refs"]) && !has(&["[rejected]"]) && !has(&NO_LOGIN) {
        return needs_person("your own `pre-push` hook may have refused it: see what it says, then complete again".into());
    }
    remote_trouble(GitError::Failed { doing, stderr })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_git_is_sorted_and_loses_its_password() {
        let failed = |stderr: &str| GitError::Failed { doing: "push to `origin`".into(), stderr: stderr.into() };
        for (said, code) in [
            ("! refs/heads/x [remote rejected] (protected branch hook declined)", Code::NeedsPerson),
            ("! [rejected] (stale info) error: failed to push some refs", Code::Conflict),
            ("fatal: Authentication failed for 'https://github.com/a/b.git/'", Code::NeedsLogin),
            ("fatal: could not read Username for 'https://github.com': terminal prompts disabled", Code::NeedsLogin),
            ("fatal: unable to access: Could not resolve host: github.com", Code::Unavailable),
            ("lint says no error: failed to push some refs to 'x'", Code::NeedsPerson),
            ("error: RPC failed; HTTP 413 curl 22 The requested URL returned error: 413", Code::NeedsPerson),
            ("Host key verification failed. fatal: Could not read from remote repository.", Code::NeedsLogin),
            ("fatal: unable to connect to 192.0.2.1:4030", Code::Unavailable),
        ] {
            assert_eq!(push_trouble(failed(said), "origin", "aura/x").code, code, "{said}");
        }
        let error = push_trouble(failed("! [remote rejected] aura/secret-santa (hook declined)"), "origin", "aura/secret-santa");
        assert!(!error.hint.unwrap_or_default().contains("secret"), "the name of a branch is no reason");
        let error = remote_trouble(failed("unable to access 'https://me:hunter2@host/a.git/': no"));
        assert!(!error.detail.contains("hunter2") && error.detail.contains("host/a.git"), "{}", error.detail);
    }
}
