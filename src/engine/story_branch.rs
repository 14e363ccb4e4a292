//! The story branch when somebody else has moved or removed it: Aura knows where it has to be.

use super::{Engine, Places};
use crate::domain::{Event, Oid, Story};
use crate::error::{Code, Error, Result};
use crate::git::{Expect, Repo};
use std::path::Path;

/// Whether the branch is where the log says. Also true where the repository cannot be asked: then nothing can be done about it.
pub(super) fn stands_at_tip(story: &Story) -> bool {
    let found = Repo::discover(Path::new(&story.created.repository)).and_then(|repo| repo.resolve(&Places(story).story_ref()));
    found.map_or(true, |at| at.as_ref() == Some(&story.tip.commit))
}

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

/// Moves a branch that somebody has moved back to where all landed work is, and says so.
pub(super) fn put_forward(engine: &Engine, repo: &Repo, story: &Story, now: &Oid) -> Result<Story> {
    let (tip, branch) = (&story.tip.commit, &story.created.branch);
    repo.update_ref(&Places(story).story_ref(), tip, Expect::At(now), "aura: what landed stays")?;
    let text = format!(
        "the story branch `{branch}` had been moved back to {}, without work that has landed; it is at {} again. To take landed work \
         back, revert it: `git revert -m 1 COMMIT`",
        now.short(),
        tip.short()
    );
    engine.append(story.id, &[Event::Noted { text }])
}

/// Makes a removed branch again, at the tip that the log knows.
pub(super) fn put_back(repo: &Repo, story: &Story) -> Result<()> {
    if repo.resolve(story.tip.commit.as_str())?.is_none() {
        let detail = format!("the story branch `{}` is gone, and so is its commit {}", story.created.branch, story.tip.commit.short());
        return Err(Error::new(Code::Conflict, detail).hint("`aura rescue` lists what was kept"));
    }
    Ok(repo.update_ref(&Places(story).story_ref(), &story.tip.commit, Expect::Absent, "aura: the branch was removed")?)
}
