//! `[complete]`: how stories end. Each file says what it says, and leaves the rest to the one before it.

use serde::Deserialize;

/// How the base comes into a story whose landings are kept. For one squashed commit it makes no difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BringIn {
    #[default]
    Merge,
    /// Each landing becomes one commit on top of the base.
    Rebase,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompleteConfig {
    /// Whether a pull request is opened; none means: where the remote is a GitHub.
    pub pull_request: Option<bool>,
    pub draft: bool,
    pub labels: Vec<String>,
    /// People, and teams as `organisation/team`.
    pub reviewers: Vec<String>,
    /// Remote to push to; none means what the base branch is pushed to, else `origin`.
    pub remote: Option<String>,
    /// Whether what is published is looked through for secrets.
    pub secrets: bool,
    /// Files in which nothing is taken for one.
    pub secrets_allow: Vec<String>,
    pub bring_in: BringIn,
}

impl Default for CompleteConfig {
    fn default() -> Self {
        CompleteConfig {
            pull_request: None,
            draft: true,
            labels: vec![],
            reviewers: vec![],
            remote: None,
            secrets: true,
            secrets_allow: vec![],
            bring_in: BringIn::Merge,
        }
    }
}

/// What one file says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CompleteFile {
    pull_request: Option<bool>,
    draft: Option<bool>,
    labels: Option<Vec<String>>,
    reviewers: Option<Vec<String>>,
    remote: Option<String>,
    secrets: Option<bool>,
    secrets_allow: Option<Vec<String>>,
    bring_in: Option<BringIn>,
}

impl CompleteConfig {
    pub(super) fn merge(&mut self, file: CompleteFile) {
        self.pull_request = file.pull_request.or(self.pull_request);
        self.draft = file.draft.unwrap_or(self.draft);
        self.labels = file.labels.unwrap_or_else(|| std::mem::take(&mut self.labels));
        self.reviewers = file.reviewers.unwrap_or_else(|| std::mem::take(&mut self.reviewers));
        self.remote = file.remote.or_else(|| self.remote.take());
        self.secrets = file.secrets.unwrap_or(self.secrets);
        self.secrets_allow = file.secrets_allow.unwrap_or_else(|| std::mem::take(&mut self.secrets_allow));
        self.bring_in = file.bring_in.unwrap_or(self.bring_in);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_changes_only_what_it_names() {
        let mut config = CompleteConfig::default();
        config.merge(toml::from_str("draft = false\nlabels = [\"aura\"]\nbring_in = \"rebase\"").unwrap());
        config.merge(toml::from_str("reviewers = [\"ada\"]").unwrap());
        let CompleteConfig { draft, labels, reviewers, secrets, bring_in, .. } = config;
        assert_eq!((draft, labels, reviewers, secrets, bring_in), (false, vec!["aura".into()], vec!["ada".into()], true, BringIn::Rebase));
        assert!(toml::from_str::<CompleteFile>("bring_in = \"squash\"").is_err());
    }
}
