//! `[judge]`: what a change to a file that decides the gate means. Only from the user's own settings and from the base of a
//! story: the tip never has a say.

use globset::{GlobBuilder, GlobMatcher};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What a change means that no task of the plan claims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// The story waits until a person accepts it, or an attempt takes it back.
    #[default]
    Hold,
    /// It has to be taken back.
    Refuse,
    /// It is shown.
    Report,
}

/// One line of `[judge.paths]`.
#[derive(Clone, Debug)]
pub struct PathPolicy {
    glob: GlobMatcher,
    policy: Policy,
}

/// The table `[judge]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, try_from = "Written")]
pub struct JudgeSettings {
    pub policy: Option<Policy>,
    paths: Vec<PathPolicy>,
    also: Vec<GlobMatcher>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    policy: Option<Policy>,
    /// By glob; the longest that matches counts.
    paths: BTreeMap<String, Policy>,
    /// Globs of further files that decide the gate.
    also: Vec<String>,
}

impl TryFrom<Written> for JudgeSettings {
    type Error = String;
    fn try_from(written: Written) -> Result<JudgeSettings, String> {
        let mut paths: Vec<(String, Policy)> = written.paths.into_iter().collect();
        paths.sort_by_key(|(glob, _)| std::cmp::Reverse(glob.len()));
        let paths =
            paths.into_iter().map(|(glob, policy)| Ok(PathPolicy { glob: matcher(&glob)?, policy })).collect::<Result<_, String>>()?;
        let also = written.also.iter().map(|glob| matcher(glob)).collect::<Result<_, String>>()?;
        Ok(JudgeSettings { policy: written.policy, paths, also })
    }
}

fn matcher(glob: &str) -> Result<GlobMatcher, String> {
    let made = GlobBuilder::new(glob).literal_separator(true).build().map_err(|error| format!("`{glob}` is not a glob: {error}"))?;
    Ok(made.compile_matcher())
}

impl JudgeSettings {
    /// Whether a file is named as one that decides.
    #[must_use]
    pub fn names(&self, path: &str) -> bool {
        self.also.iter().any(|glob| glob.is_match(path)) || self.paths.iter().any(|line| line.glob.is_match(path))
    }

    fn of_path(&self, path: &str) -> Option<Policy> {
        self.paths.iter().find(|line| line.glob.is_match(path)).map(|line| line.policy)
    }

    /// The user's own word on a path counts before the repository's.
    #[must_use]
    pub fn policy(users: &JudgeSettings, base: &JudgeSettings, path: &str) -> Policy {
        users.of_path(path).or(base.of_path(path)).or(users.policy).or(base.policy).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_word_on_a_path_counts_before_the_repositorys() {
        let users: JudgeSettings = toml::from_str("paths = { 'a/**' = 'report' }").unwrap();
        let base: JudgeSettings =
            toml::from_str("policy = 'refuse'\npaths = { '**' = 'report', 'a/b.txt' = 'hold' }\nalso = ['x/*']").unwrap();
        let rows = [("a/b.txt", Policy::Report), ("b", Policy::Report)];
        for (path, expected) in rows {
            assert_eq!(JudgeSettings::policy(&users, &base, path), expected, "{path}");
        }
        let nobody = JudgeSettings::default();
        assert_eq!(JudgeSettings::policy(&nobody, &base, "a/b.txt"), Policy::Hold);
        assert_eq!(JudgeSettings::policy(&nobody, &nobody, "b"), Policy::Hold);
        assert!(base.names("x/y") && !nobody.names("x/y") && !users.names("x/y"));
        assert!(toml::from_str::<JudgeSettings>("paths = { '[' = 'hold' }").is_err());
    }
}
