//! The base as it is now, brought into the story. A conflict becomes a task that an agent resolves.

use super::Ceremony;
use super::publish::remote_trouble;
use crate::domain::{Event, Oid, Story, Verdict};
use crate::engine::gating::Site;
use crate::engine::{Places, judging, preserve};
use crate::error::{Code, Error, Result};
use crate::git::Expect;

impl Ceremony<'_> {
    /// A person may have committed to the story branch after the last gate: their commit is verified like any other.
    pub(super) fn adopt_tip(&self, story: &Story) -> Result<Story> {
        preserve::catch_up(self.engine, self.repo, story)
    }

    /// Where the base stands now: at the remote that is published to, else here.
    pub(super) fn base_now(&self, story: &Story) -> Result<Oid> {
        let Some(branch) = &self.target.base_branch else { return Ok(story.created.base_commit.clone()) };
        if let Some(remote) = &self.target.base_remote {
            if let Some(there) = self.repo.fetch_branch(remote, branch, &Places(story).base_ref()).map_err(remote_trouble)? {
                self.refuse_unpushed(story, remote, branch, &there)?;
                return Ok(there);
            }
            if self.target.pull.is_some() {
                return Err(Error::new(Code::NotFound, format!("open a pull request into `{branch}`: `{remote}` has no such branch"))
                    .hint("name one with `--base`, or push it first"));
            }
        }
        Ok(self.repo.resolve(&format!("refs/heads/{branch}"))?.unwrap_or_else(|| story.created.base_commit.clone()))
    }

    /// Commits of the user's that only their own base branch holds are not the story's to publish.
    fn refuse_unpushed(&self, story: &Story, remote: &str, branch: &str, there: &Oid) -> Result<()> {
        let from = &story.created.base_commit;
        if self.request.pull.base.is_some() || self.repo.is_ancestor(from, there)? {
            return Ok(());
        }
        Err(Error::new(
            Code::NeedsPerson,
            format!("the story starts from {}, which `{branch}` of `{remote}` does not hold: it would be published too", from.short()),
        )
        .hint(format!("push it first (`git push {remote} {branch}`), or name another base with `--base`")))
    }

    /// Merges what the base has gained meanwhile, or makes a task of the conflict.
    pub(super) fn bring(&self, story: &Story, base: &Oid) -> Result<(Story, Option<Vec<String>>)> {
        let onto = story.tip.commit.clone();
        if base == &onto || self.repo.is_ancestor(base, &onto)? {
            if story.open_bringing().is_none() {
                return Ok((story.clone(), None));
            }
            // Somebody has merged it by hand.
            let tree = story.tip.tree.clone();
            return Ok((self.append(Event::BaseBrought { base: base.clone(), onto: onto.clone(), commit: onto, tree })?, None));
        }
        let merge = self.repo.merge(&onto, base)?;
        if !merge.conflicts.is_empty() {
            let paths = merge.conflicts;
            let story = self.append(Event::BaseConflicted { base: base.clone(), onto, paths: paths.clone() })?;
            return Ok((story, Some(paths)));
        }
        let fork = self.repo.merge_base(&onto, base)?;
        let taken = fork.map(|fork| self.repo.taken_back(&onto, &merge.tree, &fork, base)).transpose()?.unwrap_or_default();
        if let Some(first) = taken.first() {
            return Err(Error::new(Code::Conflict, format!("bring in the base: the merge would take back landed work, in {}", first.path)));
        }
        let branch = self.target.base_branch.as_deref().unwrap_or("the base");
        let message = format!("Bring in {branch}\n\nAura-Story: {}\n", story.id);
        // Its date comes from what it is made of, so that made again it is the same commit.
        let at = self.repo.time_of(&onto)?.max(self.repo.time_of(base)?);
        let commit = self.repo.commit_tree(&merge.tree, &[&onto, base], &message, at)?;
        self.repo.update_ref(&Places(story).story_ref(), &commit, Expect::At(&onto), "aura: bring in the base")?;
        Ok((self.append(Event::BaseBrought { base: base.clone(), onto, commit, tree: merge.tree })?, None))
    }

    /// The gate on exactly the tip, unless its tree has been gated.
    pub(super) fn verify(&self, story: &Story) -> Result<Story> {
        let wave = story.wave_count().max(1);
        let occasion = format!("complete-{}", story.tip.commit.short());
        let site = Site { engine: self.engine, repo: self.repo, config: self.config, story };
        let Some(report) = site.gate(&story.tip.commit, &story.tip.tree, &occasion, &|| false)? else { return Ok(story.clone()) };
        let verdict = report.verdict;
        let failing = report.failing().map(|check| check.name.clone()).unwrap_or_default();
        let gate = |commit: &Oid, tree: &Oid| site.gate(commit, tree, &occasion, &|| false);
        let judged = judging::after_gate(&site, &report, &gate)?.unwrap_or_default();
        let story = self.engine.append(self.id, &[vec![Event::GateFinished { wave, report: Box::new(report) }], judged].concat())?;
        if let Some(error) = judging::held(&story).filter(|_| verdict.allows()) {
            return Err(error);
        }
        match verdict {
            Verdict::Passed | Verdict::Ungated | Verdict::Unproven => Ok(story),
            Verdict::Failed => Err(Error::new(
                Code::IllegalState,
                format!("complete `{}`: the gate is red at {}: `{failing}` fails", story.id.short(), story.tip.commit.short()),
            )
            .hint("`aura status` shows the output; `aura run --all` lets an agent repair it, then complete again")),
        }
    }
}
