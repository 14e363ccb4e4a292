//! Secrets in what is about to be published. The rules name tokens by the shapes that their issuers document (prefix,
//! alphabet, length), so that a find is almost surely one; only the last rule goes by the word beside it and by entropy.
//! A find says where it is and what it looks like, never what it is.

use super::Token;
use regex::Regex;
use std::fmt;
use std::sync::OnceLock;

/// A line with this mark is a person's decision, as other scanners have it.
const ALLOWED: &str = "gitleaks:allow";
/// Line of a patch that says whose changes follow.
pub const COMMIT_MARK: &str = "aura-commit ";
/// Bits for each character, from which on a word behind `password =` is no word.
const ENTROPY_MIN: f64 = 3.6;

/// Name, a word that has to be in the line (lower case), and the shape.
const RULES: &[(&str, &str, &str)] = &[
    ("a GitHub token", "gh", r"\bgh[pousr]_[0-9A-Za-z]{36,255}\b"),
    ("a GitHub token", "github_pat_", r"\bgithub_pat_[0-9A-Za-z_]{60,255}\b"),
    ("a GitLab token", "gl", r"\bgl(?:pat|dt|rt|cbt|ptt|soat|ft|imt|agent)-[0-9A-Za-z_-]{20,}"),
    ("a private key", "private key", r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    ("an AWS access key id", "a", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),
    ("a Slack token", "xox", r"\bxox[abeoprs]-[0-9A-Za-z-]{10,}"),
    ("a Slack token", "xapp-", r"\bxapp-\d-[A-Z0-9]+-\d+-[0-9a-f]{32,}"),
    ("a Slack webhook", "hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{40,60}"),
    ("a Google API key", "aiza", r"\bAIza[0-9A-Za-z_-]{35}\b"),
    ("a Google OAuth secret", "gocspx-", r"\bGOCSPX-[0-9A-Za-z_-]{28}"),
    ("an Anthropic key", "sk-ant-", r"\bsk-ant-(?:api|admin|oat)\d\d-[0-9A-Za-z_-]{60,}"),
    ("an OpenAI key", "sk-", r"\bsk-(?:proj|svcacct|admin)-[0-9A-Za-z_-]{40,}"),
    ("an OpenAI key", "t3blbkfj", r"\bsk-[0-9A-Za-z_-]{20,}T3BlbkFJ[0-9A-Za-z_-]{20,}"),
    ("a Stripe key", "k_", r"\b[rs]k_(?:live|test|prod)_[0-9A-Za-z]{16,}"),
    ("an npm token", "npm_", r"\bnpm_[0-9A-Za-z]{36}\b"),
    ("a PyPI token", "pypi-", r"\bpypi-AgE[0-9A-Za-z_-]{50,}"),
    ("a crates.io token", "cio", r"\bcio[0-9A-Za-z]{32}\b"),
    ("a SendGrid key", "sg.", r"\bSG\.[0-9A-Za-z_-]{20,24}\.[0-9A-Za-z_-]{39,50}"),
    ("a Twilio key", "sk", r"\bSK[0-9a-f]{32}\b"),
    ("a DigitalOcean token", "_v1_", r"\bdo[oprt]_v1_[0-9a-f]{64}\b"),
    ("a Hugging Face token", "hf_", r"\bhf_[A-Za-z]{34}\b"),
    ("a Docker Hub token", "dckr_", r"\bdckr_(?:pat|oat)_[0-9A-Za-z_-]{27,}"),
    ("a Vault token", "hv", r"\bhv[sbr]\.[0-9A-Za-z_-]{24,}"),
    ("an Azure storage key", "accountkey=", r"(?i)AccountKey=[0-9A-Za-z+/]{86}=="),
    ("a Telegram bot token", ":aa", r"\b\d{8,10}:AA[0-9A-Za-z_-]{32,34}\b"),
    ("an age secret key", "age-secret-key-1", r"\bAGE-SECRET-KEY-1[0-9A-Z]{58}\b"),
    ("a signed web token", "eyj", r"\beyJ[0-9A-Za-z_-]{15,}\.eyJ[0-9A-Za-z_-]{15,}\.[0-9A-Za-z_-]{20,}"),
    ("a password in an address", "://", r"[a-z][a-z0-9+.-]*://[^\s/:@'\x22<>{}$]+:([^\s/:@'\x22<>{}$]{8,})@[A-Za-z0-9]"),
];

/// A value behind a telling name.
const NAMED: &str = r#"(?i)(?:api[_-]?key|secret|token|passw(?:or)?d|credential|auth[_-]?key|private[_-]?key)[a-z0-9_.-]{0,30}["']?\s*(?:=|:=|:|=>)\s*["']([0-9A-Za-z+/=_.~-]{16,200})["']"#;

/// Files that are lists of hashes.
const HASH_FILES: [&str; 9] = [
    "Cargo.lock",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "poetry.lock",
    "Pipfile.lock",
    "go.sum",
    "gradle.lockfile",
];

/// A secret that would have been published. Holds nothing of its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A file, with … for what looks like a secret in its name; or what else is published, such as a message.
    pub path: String,
    /// None: the name itself.
    pub line: Option<u32>,
    /// The commit that adds it, where there are several.
    pub commit: Option<String>,
    /// What it looks like, with its article.
    pub what: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.escape_debug())?;
        match self.line {
            Some(line) => write!(f, ":{line} ({}", self.what)?,
            None => write!(f, " ({} in its name", self.what)?,
        }
        match &self.commit {
            Some(commit) => write!(f, ", added by {commit})"),
            None => f.write_str(")"),
        }
    }
}

/// Looks through patches, names and texts.
#[derive(Debug, Default)]
pub struct Scanner {
    /// Values that must not appear whatever they look like.
    known: Vec<Token>,
    /// Files whose content is a person's decision, see [`Scanner::new`].
    allowed: Vec<String>,
}

impl Scanner {
    /// `allowed` are paths from the root of the repository, where `*` stands for anything; one that ends in `/` is a folder.
    #[must_use]
    pub fn new(known: Vec<Token>, allowed: Vec<String>) -> Scanner {
        Scanner { known, allowed }
    }

    /// What the added lines of a patch without context hold, at most `max` finds. What git takes for binary is looked
    /// through like text, also when it is UTF-16.
    #[must_use]
    pub fn scan(&self, patch: &str, max: usize) -> Vec<Finding> {
        let (mut path, mut commit, mut number, mut found) = (String::new(), None, 0u32, vec![]);
        // Inside a hunk a line may begin with anything, also with `+++`.
        let mut left = 0u32;
        for line in patch.split('\n') {
            if left == 0 {
                if let Some(name) = line.strip_prefix("+++ ") {
                    path = unquoted(name);
                } else if let Some((first, count)) = line.strip_prefix("@@ ").and_then(hunk) {
                    (number, left) = (first, count);
                } else if let Some(of) = line.strip_prefix(COMMIT_MARK) {
                    commit = Some(of.trim().to_owned());
                }
                continue;
            }
            let Some(text) = line.strip_prefix('+') else { continue };
            if let Some(what) = self.judge(&path, text) {
                let finding = Finding { path: self.masked(&path), line: Some(number), commit: commit.clone(), what };
                if !found.contains(&finding) {
                    found.push(finding);
                }
                if found.len() >= max {
                    break;
                }
            }
            (number, left) = (number + 1, left - 1);
        }
        found
    }

    /// Names of files that hold one themselves.
    #[must_use]
    pub fn scan_names<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<Finding> {
        let judged = names.filter_map(|name| Some((name, self.judge(name, name)?)));
        judged.map(|(name, what)| Finding { path: self.masked(name), line: None, commit: None, what }).collect()
    }

    /// What is no file: `place` says what it is.
    #[must_use]
    pub fn scan_text(&self, place: &str, text: &str) -> Vec<Finding> {
        let lines = text.lines().zip(1u32..).filter_map(|(line, number)| Some((number, self.judge("", line)?)));
        lines.map(|(number, what)| Finding { path: place.to_owned(), line: Some(number), commit: None, what }).collect()
    }

    /// A text with … for all that looks like a secret.
    #[must_use]
    pub fn masked(&self, text: &str) -> String {
        let mut text = self.known.iter().fold(text.to_owned(), |text, token| text.replace(token.reveal(), "…"));
        let lower = text.to_ascii_lowercase();
        for (_, _, shape) in rules().iter().filter(|(_, word, _)| lower.contains(word)) {
            text = shape.replace_all(&text, "…").into_owned();
        }
        text
    }

    fn judge(&self, path: &str, line: &str) -> Option<&'static str> {
        if line.contains('\0') {
            // UTF-16: every other byte of plain text.
            let text = line.replace('\0', "");
            return if text.contains('\0') { None } else { self.judge(path, &text) };
        }
        if self.known.iter().any(|token| line.contains(token.reveal())) {
            return Some("the very token that Aura uses");
        }
        if line.contains(ALLOWED) || self.allowed.iter().any(|pattern| fits(pattern, path)) {
            return None;
        }
        let lower = line.to_ascii_lowercase();
        let shaped = rules().iter().find(|(_, word, shape)| lower.contains(word) && real(shape, line));
        if let Some((what, _, _)) = shaped {
            return Some(what);
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        (!HASH_FILES.contains(&name) && is_named_secret(line)).then_some("a secret by its name")
    }
}

/// Whether a path is one that a person has allowed.
fn fits(pattern: &str, path: &str) -> bool {
    if path.is_empty() {
        return false;
    }
    let pattern = if pattern.ends_with('/') { format!("{pattern}*") } else { pattern.to_owned() };
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| path.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// A match that is no placeholder.
fn real(shape: &Regex, line: &str) -> bool {
    shape.captures_iter(line).any(|found| {
        let text = found.get(1).or(found.get(0)).map_or("", |found| found.as_str());
        !is_placeholder(text)
    })
}

fn is_named_secret(line: &str) -> bool {
    static NAMED_SHAPE: OnceLock<Option<Regex>> = OnceLock::new();
    let Some(shape) = NAMED_SHAPE.get_or_init(|| Regex::new(NAMED).ok()) else { return false };
    shape.captures_iter(line).filter_map(|found| found.get(1)).any(|found| {
        let text = found.as_str();
        let mixed = text.chars().any(|c| c.is_ascii_digit()) && text.chars().any(|c| c.is_ascii_alphabetic());
        mixed && !is_placeholder(text) && entropy(text) >= ENTROPY_MIN
    })
}

fn is_placeholder(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let words = ["example", "placeholder", "changeme", "your", "dummy", "xxxxx", "redacted", "00000000", "123456789", "password", "secret"];
    words.iter().any(|word| lower.contains(word))
}

/// Shannon entropy, in bits for each character.
fn entropy(text: &str) -> f64 {
    let mut counts = [0u32; 256];
    text.bytes().for_each(|byte| counts[byte as usize] += 1);
    let all = text.len().max(1) as f64;
    counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / all).map(|share| -share * share.log2()).sum()
}

fn rules() -> &'static [(&'static str, &'static str, Regex)] {
    static COMPILED: OnceLock<Vec<(&str, &str, Regex)>> = OnceLock::new();
    COMPILED.get_or_init(|| RULES.iter().filter_map(|(what, word, shape)| Some((*what, *word, Regex::new(shape).ok()?))).collect())
}

/// First line and count of the new side: `-1,2 +3,4 @@ …`.
fn hunk(text: &str) -> Option<(u32, u32)> {
    let new = text.split(' ').find_map(|part| part.strip_prefix('+'))?;
    let (first, count) = new.split_once(',').unwrap_or((new, "1"));
    Some((first.parse().ok()?, count.parse().ok()?))
}

/// A path as a patch names it: `b/src/x`, in quotes where it holds odd characters.
fn unquoted(name: &str) -> String {
    let name = name.trim_end_matches('\t').trim_matches('"');
    name.strip_prefix("b/").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(path: &str, line: &str) -> String {
        format!("diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -0,0 +7,2 @@\n+before\n+{line}\n")
    }

    /// Put together here, so that no scanner takes this file for a leak.
    fn samples() -> Vec<String> {
        let filler = |n: usize| "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8bC0fG".repeat(8)[..n].to_owned();
        vec![
            format!("token: ghp_{}", filler(36)),
            format!("github_pat_{}", filler(82)),
            ["-----BEGIN RSA", "PRIVATE KEY-----"].join(" "),
            format!("aws_key = {}{}", "AKIA", "QYLPMN5HFZ3ABCDE"),
            format!("xoxb-{}", filler(40)),
            format!("AIza{}", filler(35)),
            format!("sk-ant-api03-{}", filler(93)),
            format!("sk-proj-{}", filler(80)),
            format!("npm_{}", filler(36)),
            format!("glpat-{}", filler(20)),
            format!("sk_live_{}", filler(24)),
            format!("Bearer eyJ{}.eyJ{}.{}", filler(20), filler(40), filler(43)),
            format!("postgres://app:{}@db.internal/x", filler(16)),
            format!("const API_KEY = \"{}\";", filler(32)),
        ]
    }

    #[test]
    fn every_rule_compiles() {
        assert_eq!(rules().len(), RULES.len());
        Regex::new(NAMED).unwrap();
    }

    #[test]
    fn a_secret_is_found_with_its_place_and_without_its_value() {
        for line in samples() {
            let found = Scanner::default().scan(&patch("src/app.txt", &line), 5);
            assert_eq!(found.iter().map(|f| (f.path.as_str(), f.line)).collect::<Vec<_>>(), [("src/app.txt", Some(8))], "{line}");
            let said = format!("{} {}", found[0], Scanner::default().masked(&format!("the hook says: {line}")));
            assert!(!said.contains("aB3dE5gH7jK9") || line.contains("API_KEY"), "{said}");
        }
    }

    #[test]
    fn ordinary_lines_are_let_through() {
        for line in [
            "let token = tokens.next().expect(\"a token\");",
            "password = \"${DB_PASSWORD}\"",
            "api_key: \"your-api-key-goes-here-1234\"",
            "https://user:password@example.org/",
            "sha256 = \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"",
            "AKIAIOSFODNN7EXAMPLE",
            "fn secret_key_of(name: &str) -> Option<SecretKey> {",
        ] {
            assert_eq!(Scanner::default().scan(&patch("src/a.rs", line), 5), [], "{line}");
        }
        for line in samples() {
            assert_eq!(Scanner::default().scan(&patch("a", &format!("{line} # gitleaks:allow")), 5), [], "{line}");
        }
    }

    #[test]
    fn only_what_is_added_counts_and_a_line_cannot_pose_as_a_header() {
        let secret = &samples()[0];
        let text = format!("--- a/x\n+++ b/x\n@@ -1,1 +1,3 @@\n-{secret}\n+++ b/harmless\n+@@ -0,0 +90,1 @@\n+{secret}\n");
        assert_eq!(Scanner::default().scan(&text, 5), [Finding { path: "x".into(), line: Some(3), commit: None, what: "a GitHub token" }]);
        let known = Scanner::new(vec![Token::new("abc-def-ghi").unwrap()], vec![]);
        assert_eq!(known.scan(&patch("x", "it is abc-def-ghi"), 5).len(), 1);
    }

    #[test]
    fn wherever_it_hides() {
        let secret = &samples()[0];
        let wide: String = format!("\u{fffd}{secret}").chars().flat_map(|c| [c, '\0']).collect();
        let long = format!("{}{secret};{}", "x=1;".repeat(50_000), "y=2;".repeat(50_000));
        for line in [wide, long, format!("{secret}\r"), format!("\u{1}\u{7f}{secret}\u{fffd}\u{2}")] {
            let found = Scanner::default().scan(&patch("some.bin", &line), 5);
            assert_eq!(found.len(), 1, "{}", line.chars().take(80).collect::<String>());
        }
        let name = format!("keys/{}.txt", samples()[0].trim_start_matches("token: "));
        let found = Scanner::default().scan_names([name.as_str(), "src/main.rs"].into_iter());
        assert_eq!(found[0].to_string(), "keys/….txt (a GitHub token in its name)");
        let found = Scanner::default().scan_text("commit message", &format!("Title\n\n{secret}"));
        assert_eq!(found[0].to_string(), "commit message:3 (a GitHub token)");
        let both = format!("{COMMIT_MARK}0123abc\n\n{}{COMMIT_MARK}4567def\n", patch("x", secret));
        assert_eq!(Scanner::default().scan(&both, 5)[0].to_string(), "x:8 (a GitHub token, added by 0123abc)");
    }

    #[test]
    fn what_a_person_allows_is_let_through() {
        for (pattern, path, is_allowed) in [
            ("tests/key.pem", "tests/key.pem", true),
            ("tests/key.pem", "src/tests/key.pem", false),
            ("tests/", "tests/a/b.txt", true),
            ("tests/", "tests.rs", false),
            ("*.pem", "a/b.pem", true),
            ("a/*/c*", "a/b/cd", true),
            ("a/*/c", "a/b/d", false),
            ("", "a", false),
        ] {
            let scanner = Scanner::new(vec![], vec![pattern.into()]);
            assert_eq!(scanner.scan(&patch(path, &samples()[0]), 5).is_empty(), is_allowed, "{pattern} {path}");
        }
        let known = Scanner::new(vec![Token::new("abc-def-ghi").unwrap()], vec!["*".into()]);
        assert_eq!(known.scan(&patch("x", "it is abc-def-ghi # gitleaks:allow"), 5).len(), 1, "the token in use is never allowed");
    }
}
