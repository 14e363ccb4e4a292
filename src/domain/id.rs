//! Names of things: ids that are safe in paths, refs and file names by construction.

use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}
uuid_id!(
    /// A story. UUIDv7, so that ids sort by age.
    StoryId
);
uuid_id!(
    /// One drive of a story.
    RunId
);
uuid_id!(
    /// An agent's own session, chosen by Aura before the agent starts.
    SessionId
);

impl StoryId {
    /// The last eight hex digits: the random part of a UUIDv7, short enough for folder and branch names.
    #[must_use]
    pub fn short(&self) -> String {
        self.0.simple().to_string()[24..].to_owned()
    }
}

/// A task of a plan, for example `task-1`. At most 40 characters of `A-Z a-z 0-9 - _`, the first a letter or digit:
/// safe as a path component on every platform, as part of a ref name and as an argument.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId(String);

impl TaskId {
    pub const CHARS_MAX: usize = 40;

    pub fn parse(text: &str) -> Result<Self, String> {
        let safe = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if text.is_empty()
            || text.len() > Self::CHARS_MAX
            || !text.chars().all(safe)
            || !text.starts_with(|c: char| c.is_ascii_alphanumeric())
        {
            return Err(format!(
                "`{}` is not a task id: up to {} letters, digits, `-` and `_`, starting with a letter or digit",
                text.escape_debug().take(60).collect::<String>(),
                Self::CHARS_MAX
            ));
        }
        Ok(TaskId(text.to_owned()))
    }
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl TryFrom<String> for TaskId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        TaskId::parse(&text)
    }
}
impl From<TaskId> for String {
    fn from(id: TaskId) -> String {
        id.0
    }
}
impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A git object id: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Oid(String);

impl Oid {
    pub fn parse(text: &str) -> Result<Self, String> {
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        match text.len() {
            40 | 64 if text.chars().all(hex) => Ok(Oid(text.to_owned())),
            _ => Err(format!("`{}` is not a git object id", text.escape_debug().take(80).collect::<String>())),
        }
    }
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The first ten digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..10]
    }
}
impl TryFrom<String> for Oid {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Oid::parse(&text)
    }
}
impl From<Oid> for String {
    fn from(id: Oid) -> String {
        id.0
    }
}
impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn task_ids_that_could_be_paths_refs_or_options_are_refused() {
        for bad in ["", "-x", "--help", "a/b", "..", "a b", "a.lock", "ü", "a\n", "@{", "a~1", &"x".repeat(41)] {
            assert!(TaskId::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["task-1", "1", "Fix_it", &"x".repeat(40)] {
            assert!(TaskId::parse(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn object_ids_are_full_lower_case_hex() {
        assert!(Oid::parse(&"a1".repeat(20)).is_ok());
        assert!(Oid::parse(&"a1".repeat(32)).is_ok());
        for bad in ["HEAD", "", &"A1".repeat(20), &"a1".repeat(19)] {
            assert!(Oid::parse(bad).is_err(), "{bad:?}");
        }
    }
}
