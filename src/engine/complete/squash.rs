//! One commit on top of the base with exactly the verified tree. Where the repository has hooks for commits, or commits are
//! signed, the user's own git makes it.

use super::Ceremony;
use crate::config::BringIn;
use crate::domain::{Event, Oid, Story};
use crate::engine::Places;
use crate::error::{Code, Error, Result};
use crate::forge::{Scanner, plain};
use crate::git::{CommitRequest, Expect, GitError};

/// Longest line of a task in a message.
const LINE_CHARS_MAX: usize = 100;

impl Ceremony<'_> {
    /// Squashes, unless a hook rewrites the files: then its rewriting becomes part of the story, to be verified first.
    pub(super) fn squash(&self, story: &Story, base: &Oid) -> Result<()> {
        let tip = story.tip.commit.clone();
        // The landings stay reachable.
        self.repo.update_ref(&Places(story).history_ref(), &tip, Expect::Any, "aura: the landings before the squash")?;
        if self.request.keep_commits {
            let commit = match self.config.complete.bring_in {
                BringIn::Merge => tip.clone(),
                BringIn::Rebase => self.in_a_row(story, base)?,
            };
            return self.squashed(story, base, tip, commit);
        }
        let commit = self.commit(story, base, &self.message(story))?;
        let tree = self.repo.tree_of(&commit)?;
        if tree != story.tip.tree {
            return self.take_rewriting(story, &tree);
        }
        self.squashed(story, base, tip, commit)
    }

    /// No branch holds it until it is published, and that may take until the remote is back: `git gc` must not take it.
    fn squashed(&self, story: &Story, base: &Oid, tip: Oid, commit: Oid) -> Result<()> {
        self.repo.update_ref(&Places(story).outgoing_ref(), &commit, Expect::Any, "aura: to be published")?;
        self.append(Event::Squashed { base: base.clone(), tip, commit })?;
        Ok(())
    }

    /// The message of the one commit.
    pub(super) fn message(&self, story: &Story) -> String {
        self.request.message.clone().unwrap_or_else(|| message(story))
    }

    /// Each landing as one commit on top of the base, with the verified tree at the end. Made again of the same parts, they
    /// are the same commits.
    fn in_a_row(&self, story: &Story, base: &Oid) -> Result<Oid> {
        let mut at = base.clone();
        for landing in self.repo.landings(&story.created.base_commit, &story.tip.commit)? {
            let Some(tree) = self.repo.replayed(&at, &landing)? else { return Err(no_row(story)) };
            // What brought the base in adds nothing to it.
            if tree != self.repo.tree_of(&at)? {
                at = self.repo.commit_tree(&tree, &[&at], &self.repo.message_of(&landing)?, self.repo.time_of(&landing)?)?;
            }
        }
        if self.repo.tree_of(&at)? == story.tip.tree { Ok(at) } else { Err(no_row(story)) }
    }

    /// The commit: the one that an earlier call made of the same parts, else a new one. What the user's git makes is never
    /// the same twice, so it is written down before it is used.
    fn commit(&self, story: &Story, base: &Oid, message: &str) -> Result<Oid> {
        let (places, at) = (Places(story), self.repo.time_of(&story.tip.commit)?);
        // Of the same parts this is always the same one: it stands for what was asked.
        let plain = self.repo.commit_tree(&story.tip.tree, &[base], message, at)?;
        if !self.repo.commits_are_the_users()? {
            return Ok(plain);
        }
        if let Some(made) = self.made_before(story, &plain)? {
            return Ok(made);
        }
        let request = CommitRequest { like: &story.tip.commit, parent: base, message, at };
        let worktree = places.gate_worktree();
        self.repo.worktree_add(&worktree, crate::git::At::Detached(base))?;
        let commit = self.repo.commit_as_user(&worktree, &request).map_err(|error| match error {
            GitError::Failed { stderr, .. } => {
                let said = Scanner::default().masked(&stderr);
                Error::new(Code::NeedsPerson, format!("commit the story: git or one of the repository's hooks refuses: {said}"))
                    .hint("mend what it asks for (in the story's worktree, and commit there), then complete again")
            }
            error => error.into(),
        })?;
        if self.repo.landings(base, &commit)? != [commit.clone()] {
            return Err(Error::new(Code::Conflict, "commit the story: a hook made more than one commit").hint("mend the hook"));
        }
        // Before it is written down: with the hook mended, another one is made.
        self.refuse_secret_message(&commit)?;
        let record = self.repo.commit_tree(&story.tip.tree, &[&commit, &plain], RECORD, at)?;
        self.repo.update_ref(&places.squash_ref(), &record, Expect::Any, "aura: squash")?;
        Ok(commit)
    }

    /// What the user's git has made of exactly these parts. One whose files a hook changed is none: they become part of
    /// the story first.
    fn made_before(&self, story: &Story, plain: &Oid) -> Result<Option<Oid>> {
        let Some(record) = self.repo.resolve(&Places(story).squash_ref())? else { return Ok(None) };
        match self.repo.parents(&record)?.as_slice() {
            [made, of] if of == plain && self.repo.tree_of(made)? == story.tip.tree => Ok(Some(made.clone())),
            _ => Ok(None),
        }
    }

    /// What a hook changed is a commit on the story branch like a person's: the gate sees it before anybody else does.
    fn take_rewriting(&self, story: &Story, tree: &Oid) -> Result<()> {
        let tip = &story.tip.commit;
        let hooked = self.repo.message_of(tip)?.contains(REWRITTEN);
        if hooked {
            return Err(Error::new(Code::NeedsPerson, "commit the story: a hook changes the files again and again")
                .hint("mend the hook, so that it leaves alone what it has changed before; then complete again"));
        }
        let message = format!("{REWRITTEN}\n\nAura-Story: {}\n", story.id);
        let commit = self.repo.commit_tree(tree, &[tip], &message, self.repo.time_of(tip)?)?;
        self.repo.update_ref(&Places(story).story_ref(), &commit, Expect::At(tip), "aura: what a hook changed")?;
        self.append(Event::TipAdopted { onto: tip.clone(), commit, tree: tree.clone() })?;
        Ok(())
    }
}

fn no_row(story: &Story) -> Error {
    let branch = story.created.base_branch.as_deref().unwrap_or("the base");
    Error::new(Code::Conflict, format!("keep the commits: the landings do not apply one after the other on top of `{branch}`"))
        .hint("complete without `--keep-commits`, or set `bring_in = \"merge\"` under [complete]")
}

const RECORD: &str = "What the user's git made of a squash\n";
const REWRITTEN: &str = "Take in what the repository's hooks changed";

/// Title, and one line for each task. Task titles are a model's words: they can neither ping nor close.
fn message(story: &Story) -> String {
    let title = subject(story);
    let mut text = format!("{title}\n\n");
    for task in story.tasks.iter().filter(|task| task.brings.is_none()) {
        text += &format!("- {}\n", plain(&task.planned.title, LINE_CHARS_MAX));
    }
    text + &format!("\nAura-Story: {}\n", story.id)
}

/// The story's title: a person's words, unless it was taken from an issue.
pub(super) fn subject(story: &Story) -> String {
    match story.created.issue_url {
        None => story.created.title.clone(),
        Some(_) => plain(&story.created.title, 200),
    }
}
