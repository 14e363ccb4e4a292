//! Nothing that looks like a secret is published: neither in files and their names nor in messages and the pull request.
//! Places are named, never values.

use super::Ceremony;
use super::target::PullTarget;
use crate::domain::{Oid, Story};
use crate::engine::Places;
use crate::error::{Code, Error, Result};
use crate::forge::{COMMIT_MARK, Finding, Scanner};

/// Most secrets that are named at once.
const FINDINGS_MAX: usize = 10;

impl Ceremony<'_> {
    fn scanner(&self) -> Scanner {
        let token = self.target.pull.as_ref().map(|pull| pull.token.clone());
        Scanner::new(token.into_iter().collect(), self.config.complete.secrets_allow.clone())
    }

    /// Stops before anything is published that looks like a secret.
    pub(super) fn refuse_secrets(&self, story: &Story, base: &Oid) -> Result<()> {
        if !self.config.complete.secrets {
            return Ok(());
        }
        let (scanner, tip, each) = (self.scanner(), &story.tip.commit, self.request.keep_commits);
        let patch = self
            .repo
            .patch(base, tip, each.then_some(COMMIT_MARK))
            .map_err(|error| Error::from(error).hint("mend what it says; `secrets = false` under [complete] publishes without looking"))?;
        let mut found = scanner.scan(&patch, FINDINGS_MAX);
        found.extend(scanner.scan_names(self.repo.new_names(base, tip, each)?.iter().map(String::as_str)));
        if !found.is_empty() {
            let squash = if each { "; without `--keep-commits`, what a later commit took out again is not published" } else { "" };
            return Err(refusal(&found).hint(format!(
                "take it out in {} and commit there, revoke it where it was issued, then complete again{squash}; for what is none, end the \
                 line with `gitleaks:allow`, or name the file in `secrets_allow` under [complete] in aura.toml",
                Places(story).story_worktree().display()
            )));
        }
        if each {
            for (commit, message) in self.repo.messages(base, tip)? {
                found.extend(scanner.scan_text(&format!("message of commit {commit}"), &message));
            }
        } else {
            found.extend(scanner.scan_text("commit message", &self.message(story)));
        }
        refuse_text(&found)?;
        self.target.pull.as_ref().map_or(Ok(()), |target| self.refuse_secret_words(story, tip, target))
    }

    /// Title and text of the pull request: asked for anew, they may be other ones than before the push.
    pub(super) fn refuse_secret_words(&self, story: &Story, commit: &Oid, target: &PullTarget) -> Result<()> {
        if !self.config.complete.secrets {
            return Ok(());
        }
        let text = self.request.pull.body.clone().unwrap_or_else(|| self.body(story, commit, target));
        let mut found = self.scanner().scan_text("title of the pull request", &self.title(story));
        found.extend(self.scanner().scan_text("text of the pull request", &text));
        refuse_text(&found)
    }

    /// A hook may have written something into the message.
    pub(super) fn refuse_secret_message(&self, commit: &Oid) -> Result<()> {
        if !self.config.complete.secrets {
            return Ok(());
        }
        refuse_text(&self.scanner().scan_text("commit message", &self.repo.message_of(commit)?))
    }
}

fn refuse_text(found: &[Finding]) -> Result<()> {
    if found.is_empty() {
        return Ok(());
    }
    Err(refusal(found)
        .hint("revoke it where it was issued; say the words yourself (`--commit-message`, `--title`, `--body`), then complete again"))
}

fn refusal(found: &[Finding]) -> Error {
    let places: Vec<String> = found.iter().take(FINDINGS_MAX).map(ToString::to_string).collect();
    Error::new(Code::NeedsPerson, format!("complete: what would be published holds a secret: {}", places.join(", ")))
}
