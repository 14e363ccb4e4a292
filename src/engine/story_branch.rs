//! The story branch when somebody else has moved or removed it: Aura knows where it has to be.

use super::Places;
use crate::domain::Story;
use crate::error::{Code, Error, Result};
use crate::git::{Expect, Repo};

/// The command that puts the branch back where all landed work is. Also while a worktree has it checked out, which
/// `git branch -f` refuses.
pub(super) fn way_back(story: &Story) -> String {
    format!("git -C '{}' update-ref {} {}", story.created.repository.replace('\'', "'\\''"), Places(story).story_ref(), story.tip.commit)
}

/// The branch does not exist any more.
pub(super) fn is_gone(story: &Story) -> Error {
    Error::new(Code::Conflict, format!("the story branch `{}` is gone", story.created.branch))
        .hint(format!("the next run puts it back; by hand: `{}`", way_back(story)))
}

/// Makes a removed branch again, at the tip that the log knows.
pub(super) fn put_back(repo: &Repo, story: &Story) -> Result<()> {
    if repo.resolve(story.tip.commit.as_str())?.is_none() {
        let detail = format!("the story branch `{}` is gone, and so is its commit {}", story.created.branch, story.tip.commit.short());
        return Err(Error::new(Code::Conflict, detail).hint("`aura rescue` lists what was kept"));
    }
    Ok(repo.update_ref(&Places(story).story_ref(), &story.tip.commit, Expect::Absent, "aura: the branch was removed")?)
}
