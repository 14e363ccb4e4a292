//! The pull request: found or opened, never twice. An open one of the branch is brought up to date; what people have
//! written into it stays.

use super::Ceremony;
use super::body::{self, Evidence};
use super::squash::subject;
use super::target::PullTarget;
use crate::domain::{Event, Oid, PullRequestRef, Story};
use crate::error::{Error, Result};
use crate::forge::{ForgeError, IssueAddress, NewPull, Pull, PullChange, PullState, Slug};

impl Ceremony<'_> {
    pub(super) fn pull_request(&self, story: &Story, commit: &Oid, target: &PullTarget) -> Result<PullRequestRef> {
        self.refuse_secret_words(story, commit, target)?;
        let (github, slug) = (&target.github, &target.slug);
        // A number means something in one repository only, and another may be asked for now.
        let found = match story.pull_request.as_ref().filter(|known| is_in(&known.url, slug)) {
            Some(known) => Some(github.pull(slug, known.number)?),
            None => github.find_pull(slug, &target.head, commit.as_str())?,
        };
        let evidence = self.evidence(story, commit, target);
        let (pull, updated) = match found {
            Some(pull) => (self.update(story, target, &pull, &evidence)?, true),
            None => match self.open(story, target, &body::of(story, &evidence)) {
                Ok(pull) => (pull, false),
                // Somebody was faster, or an answer of ours was lost.
                Err(ForgeError::Invalid { said, .. }) if said.contains("already exists") => {
                    let found = github.find_pull(slug, &target.head, commit.as_str())?;
                    let found =
                        found.ok_or_else(|| Error::internal(format!("a pull request of `{}` exists and is not found", target.head)))?;
                    (self.update(story, target, &found, &evidence)?, true)
                }
                Err(error) => return Err(error.into()),
            },
        };
        let known = PullRequestRef { number: pull.number, url: pull.url.clone() };
        if story.pull_request.as_ref() != Some(&known) {
            self.append(Event::PullRequestOpened { number: known.number, url: known.url.clone(), updated })?;
        }
        if pull.state == PullState::Open {
            self.label_and_ask(target, &known, &pull.author)?;
        }
        Ok(known)
    }

    fn open(&self, story: &Story, target: &PullTarget, text: &str) -> Result<Pull, ForgeError> {
        let options = &self.request.pull;
        let title = self.title(story);
        let mut new = NewPull {
            title: &title,
            body: options.body.as_deref().unwrap_or(text),
            head: &target.head,
            base: self.target.base_branch.as_deref().unwrap_or_default(),
            draft: options.draft.unwrap_or(self.config.complete.draft),
        };
        match target.github.open_pull(&target.slug, &new) {
            // A plan of GitHub's without drafts: the wish for one was only the default.
            Err(ForgeError::Invalid { said, .. })
                if new.draft && options.draft.is_none() && said.contains("Draft pull requests are not") =>
            {
                new.draft = false;
                target.github.open_pull(&target.slug, &new)
            }
            done => done,
        }
    }

    /// An open one gets our part of the text anew, and a title or base that was asked for.
    fn update(&self, story: &Story, target: &PullTarget, pull: &Pull, evidence: &Evidence<'_>) -> Result<Pull, ForgeError> {
        if pull.state != PullState::Open {
            return Ok(pull.clone());
        }
        let options = &self.request.pull;
        let merged = body::merged(&pull.body, story, evidence);
        let change = PullChange {
            title: options.title.as_deref().filter(|title| *title != pull.title),
            body: options.body.as_deref().or(merged.as_deref()).filter(|body| *body != pull.body),
            base: options.base.as_deref().filter(|base| *base != pull.base),
        };
        if change.title.is_none() && change.body.is_none() && change.base.is_none() {
            return Ok(pull.clone());
        }
        target.github.update_pull(&target.slug, pull.number, &change)
    }

    fn label_and_ask(&self, target: &PullTarget, known: &PullRequestRef, author: &str) -> Result<()> {
        let either = |asked: &Vec<String>, configured: &Vec<String>| if asked.is_empty() { configured.clone() } else { asked.clone() };
        let labels = either(&self.request.pull.labels, &self.config.complete.labels);
        // A team's settings name everybody, also who opens it; GitHub asks nobody to review their own.
        let others: Vec<String> =
            self.config.complete.reviewers.iter().filter(|name| !name.eq_ignore_ascii_case(author)).cloned().collect();
        let reviewers = either(&self.request.pull.reviewers, &others);
        let is_open = |error: ForgeError| {
            let mut error = Error::from(error);
            error.detail = format!("{} is open, but: {}", known.url, error.detail);
            error
        };
        if !labels.is_empty() {
            target.github.add_labels(&target.slug, known.number, &labels).map_err(is_open)?;
        }
        if !reviewers.is_empty() {
            target.github.request_reviewers(&target.slug, known.number, &reviewers).map_err(is_open)?;
        }
        Ok(())
    }

    pub(super) fn title(&self, story: &Story) -> String {
        self.request.pull.title.clone().unwrap_or_else(|| subject(story))
    }

    pub(super) fn body(&self, story: &Story, commit: &Oid, target: &PullTarget) -> String {
        body::of(story, &self.evidence(story, commit, target))
    }

    fn evidence<'a>(&'a self, story: &Story, commit: &'a Oid, target: &PullTarget) -> Evidence<'a> {
        let issue = story.created.issue_url.as_deref().and_then(IssueAddress::parse).filter(|issue| issue.host == target.host);
        let closes = issue
            .map(|issue| if issue.slug == target.slug { format!("#{}", issue.number) } else { format!("{}#{}", issue.slug, issue.number) });
        Evidence { commit, base_branch: self.target.base_branch.as_deref(), is_kept: self.request.keep_commits, closes }
    }
}

fn is_in(url: &str, slug: &Slug) -> bool {
    Slug::of_page(url).is_some_and(|of| of.to_string().eq_ignore_ascii_case(&slug.to_string()))
}
