//! `[gate]` of `aura.toml`: the repository's own word on what its checks are. Refuses what it does not understand, by
//! the name of the key: a gate that is silently not the one that was meant is worse than none.

use super::{Check, DEADLINE, Format, Found, GateError, OUTPUT_BYTES, Programs, Report, detect, label};
use crate::domain::CheckKind;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// Bounds of `output_bytes`: less says nothing, more does not fit into a prompt.
const OUTPUT_RANGE: std::ops::RangeInclusive<usize> = 1024..=1024 * 1024;
const DAY: Duration = Duration::from_hours(24);

/// The table `[gate]`. Everything may be left out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateConfig {
    /// `false`: there is no gate, and the verdict says so (`Ungated`).
    pub enabled: bool,
    /// Replaces detection, also when it is empty.
    pub checks: Option<Vec<WantedCheck>>,
    /// Checks that are not run, by name (`npm test`) or by folder and name (`web: npm test`).
    pub skip: Vec<String>,
    /// How long each check may take that does not say so itself.
    pub timeout: Option<Timeout>,
    /// What is kept of the output of a red check.
    pub output_bytes: usize,
    /// Checks that are known to fail now and then, by name or by folder and name: red, they are run once more.
    pub flaky: Vec<String>,
}

impl Default for GateConfig {
    fn default() -> GateConfig {
        GateConfig { enabled: true, checks: None, skip: Vec::new(), timeout: None, output_bytes: OUTPUT_BYTES, flaky: Vec::new() }
    }
}

/// The table `[setup]`: what a worktree needs before anything in it is built.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SetupConfig {
    /// `false`: nothing is set up, whatever is found.
    pub enabled: bool,
    /// Replaces what would be found.
    pub steps: Option<Vec<WantedStep>>,
}

impl Default for SetupConfig {
    fn default() -> SetupConfig {
        SetupConfig { enabled: true, steps: None }
    }
}

/// One of `[setup] steps`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedStep {
    pub name: String,
    pub run: Run,
    #[serde(default = "root")]
    pub folder: String,
    pub timeout: Option<Timeout>,
}

/// One of `[gate] checks`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedCheck {
    pub name: String,
    pub kind: CheckKind,
    pub run: Run,
    #[serde(default = "root")]
    pub folder: String,
    pub timeout: Option<Timeout>,
    /// Where its runner writes which tests ran.
    pub report: Option<WantedReport>,
}

/// A report for machines that a check of the configuration leaves in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedReport {
    pub format: Format,
    /// Names of files, or of folders that hold them, anywhere below the check's folder.
    #[serde(default)]
    pub files: Vec<String>,
}

fn root() -> String {
    ".".to_owned()
}

/// A program and its arguments: a list, or a line that is split at spaces outside quotes. There is no shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run(pub Vec<String>);

/// A length of time as people write it: `90s`, `10m`, `1h30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(pub Duration);

/// The checks of the checkout at `root`: those of the configuration, else those that are found; without those to skip.
/// What is set up comes first. Where the checks are written down and the set-up is not, they are taken to be all.
pub fn checks(root: &Path, config: &GateConfig, setup: &SetupConfig, programs: &Programs) -> Result<Found, GateError> {
    if !OUTPUT_RANGE.contains(&config.output_bytes) {
        let why = format!("{} is not between {} and {}", config.output_bytes, OUTPUT_RANGE.start(), OUTPUT_RANGE.end());
        return Err(refused("gate.output_bytes", why));
    }
    if !config.enabled {
        return Ok(Found::default());
    }
    let deadline = config.timeout.map_or(DEADLINE, |timeout| timeout.0);
    let mut found = if let Some(wanted) = &config.checks {
        Found { checks: configured(wanted, "gate.checks", deadline)?, left_out: Vec::new() }
    } else {
        let found = detect(root, programs);
        let checks = found.checks.into_iter().map(|check| Check { deadline, ..check }).collect();
        Found { checks, ..found }
    };
    match &setup.steps {
        Some(steps) => {
            found.checks.retain(|check| check.kind != CheckKind::Setup);
            found.checks.splice(0..0, wanted_steps(steps, deadline)?);
        }
        None if !setup.enabled => found.checks.retain(|check| check.kind != CheckKind::Setup),
        None => {}
    }
    let skipped = |name: &str, label: &str| config.skip.iter().any(|skip| skip == name || skip == label);
    found.checks.retain(|check| !skipped(&check.name, &check.label()));
    found.left_out.retain(|label| !skipped(label.rsplit_once(": ").map_or(label, |(_, name)| name), label));
    Ok(found)
}

/// The set-up alone, for a worktree that an agent works in.
pub fn setup(root: &Path, setup: &SetupConfig, programs: &Programs) -> Result<Vec<Check>, GateError> {
    let found = checks(root, &GateConfig::default(), setup, programs)?;
    Ok(found.checks.into_iter().filter(|check| check.kind == CheckKind::Setup).collect())
}

fn wanted_steps(steps: &[WantedStep], deadline: Duration) -> Result<Vec<Check>, GateError> {
    let wanted = steps.iter().map(|step| WantedCheck {
        name: step.name.clone(),
        kind: CheckKind::Setup,
        run: step.run.clone(),
        folder: step.folder.clone(),
        timeout: step.timeout,
        report: None,
    });
    configured(&wanted.collect::<Vec<_>>(), "setup.steps", deadline)
}

fn refused(key: impl Into<String>, why: impl Into<String>) -> GateError {
    GateError::Config { key: key.into(), why: why.into() }
}

fn configured(wanted: &[WantedCheck], table: &str, deadline: Duration) -> Result<Vec<Check>, GateError> {
    let mut labels = BTreeSet::new();
    let mut checks = Vec::new();
    for (at, check) in wanted.iter().enumerate() {
        let key = |name: &str| format!("{table}[{at}].{name}");
        if check.name.trim().is_empty() || check.name.chars().any(char::is_control) {
            return Err(refused(key("name"), "a name is needed, in one line"));
        }
        let folder = clean_folder(&check.folder).ok_or_else(|| {
            let why = format!("`{}` is not a folder inside the repository: write it from the root, like `web/app`", check.folder);
            refused(key("folder"), why)
        })?;
        if !labels.insert(label(&folder, &check.name)) {
            return Err(refused(key("name"), format!("`{}` is there twice", label(&folder, &check.name))));
        }
        checks.push(Check {
            name: check.name.clone(),
            kind: check.kind,
            folder,
            argv: check.run.0.clone(),
            deadline: check.timeout.map_or(deadline, |timeout| timeout.0),
            report: check.report.as_ref().map(|report| Report {
                format: report.format,
                args: Vec::new(),
                at: None,
                folders: report.files.clone(),
                keeps: false,
            }),
            ..Check::new(check.kind, ".", "", &[])
        });
    }
    checks.sort_by_key(|check| check.kind);
    Ok(checks)
}

/// With `/` between the parts and nothing superfluous. `None` if it may leave the repository.
fn clean_folder(folder: &str) -> Option<String> {
    let folder = folder.replace('\\', "/");
    let parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let leaves = folder.starts_with('/') || parts.iter().any(|part| *part == ".." || part.contains(':') || part.contains('\0'));
    match (leaves, parts.is_empty()) {
        (true, _) => None,
        (false, true) => Some(root()),
        (false, false) => Some(parts.join("/")),
    }
}

/// Splits a line at spaces outside quotes. A backslash is a character like any other, for the sake of Windows' paths.
fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for character in line.chars() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(character),
            (None, '"' | '\'') => {
                word.get_or_insert_default();
                quote = Some(character);
            }
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            (None, ';' | '|' | '<' | '>' | '&' | '`') => {
                return Err(format!(
                    "`{character}` means something to a shell, and there is none: write one check for each command, or quote it"
                ));
            }
            (None, _) => word.get_or_insert_default().push(character),
        }
    }
    if let Some(open) = quote {
        return Err(format!("the quote {open} is not closed"));
    }
    words.extend(word);
    match words.first() {
        Some(first) if first.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')) => {
            Err(format!("`{first}` sets a variable in a shell, and there is none"))
        }
        Some(_) | None => Ok(words),
    }
}

impl<'de> Deserialize<'de> for Run {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Run, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = Run;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a command: [\"cargo\", \"test\"] or \"cargo test\"")
            }
            fn visit_str<E: de::Error>(self, line: &str) -> Result<Run, E> {
                checked(split(line).map_err(|why| E::custom(format!("`run`: {why}")))?)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Run, A::Error> {
                let mut words = Vec::new();
                while let Some(word) = list.next_element::<String>()? {
                    words.push(word);
                }
                checked(words)
            }
        }
        fn checked<E: de::Error>(words: Vec<String>) -> Result<Run, E> {
            let empty = words.first().is_none_or(|program| program.trim().is_empty());
            let broken = words.iter().any(|word| word.contains('\0'));
            if empty || broken { Err(E::custom("`run`: a program is needed")) } else { Ok(Run(words)) }
        }
        deserializer.deserialize_any(Words)
    }
}

impl<'de> Deserialize<'de> for Timeout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timeout, D::Error> {
        struct Length;
        impl Visitor<'_> for Length {
            type Value = Timeout;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a length of time in quotes, like \"90s\", \"10m\" or \"1h30m\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Timeout, E> {
                let wrong =
                    || E::custom(format!("`timeout`: `{text}` is not a length of time between 1s and 24h: write `90s`, `10m` or `1h30m`"));
                length(text).filter(|length| (Duration::from_secs(1)..=DAY).contains(length)).map(Timeout).ok_or_else(wrong)
            }
        }
        deserializer.deserialize_any(Length)
    }
}

fn length(text: &str) -> Option<Duration> {
    let mut total = 0_u64;
    let mut digits = String::new();
    for character in text.trim().chars() {
        let unit_s = match character {
            '0'..='9' => {
                digits.push(character);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            _ => return None,
        };
        total = total.checked_add(digits.parse::<u64>().ok()?.checked_mul(unit_s)?)?;
        digits.clear();
    }
    (digits.is_empty() && !text.trim().is_empty()).then(|| Duration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<GateConfig, String> {
        toml::from_str(text).map_err(|error: toml::de::Error| error.to_string())
    }
    fn checks_of(text: &str) -> Result<Vec<Check>, String> {
        let found =
            checks(Path::new("/nowhere"), &read(text)?, &SetupConfig::default(), &Programs::on("")).map_err(|error| error.to_string())?;
        Ok(found.checks)
    }

    #[test]
    fn a_whole_table_is_read() {
        let text = r#"
            timeout = "1h30m"
            checks = [
              { name = "unit", kind = "test", run = "sh -c 'a; b' \"\" C:\\x", folder = "./web/", timeout = "10m" },
              { name = "lint", kind = "build", run = ["cargo", "clippy"] },
              { name = "skipped", kind = "build", run = "x" },
            ]
            skip = ["skipped", "unit2"]
        "#;
        let checks = checks_of(text).unwrap();
        let rows: Vec<_> = checks.iter().map(|check| (check.label(), check.kind, check.deadline.as_secs(), check.argv.join("|"))).collect();
        assert_eq!(
            rows,
            [
                ("lint".to_owned(), CheckKind::Build, 5400, "cargo|clippy".to_owned()),
                ("web: unit".to_owned(), CheckKind::Test, 600, r"sh|-c|a; b||C:\x".to_owned())
            ]
        );
    }

    #[test]
    fn the_example_in_the_documentation_is_read() {
        let page = include_str!("../../docs/gates.md");
        let example = page.split("```toml\n[gate]\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
        assert_eq!(read(example).unwrap().checks.map(|checks| checks.len()), Some(4));
    }

    #[test]
    fn nothing_is_needed_and_no_checks_or_disabled_is_no_gate() {
        assert_eq!(read("").unwrap(), GateConfig::default());
        assert_eq!(checks_of("checks = []").unwrap(), []);
        assert_eq!(checks_of("enabled = false\nchecks = [{ name = 'a', kind = 'test', run = 'b' }]").unwrap(), []);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let with = |rest: &str| format!("checks = [{{ name = 'a', kind = 'test', run = 'x' }}, {{ {rest} }}]");
        let rows = [
            ("tests = []".to_owned(), "unknown field `tests`"),
            (with("name = 'b', kind = 'lint', run = 'x'"), "unknown variant `lint`, expected one of `setup`, `build`, `test`"),
            (with("name = 'b', kind = 'test'"), "missing field `run`"),
            (with("name = 'b', kind = 'test', run = 'x', cwd = 'y'"), "unknown field `cwd`"),
            (with("name = 'b', kind = 'test', run = 3"), "a command: "),
            (with("name = 'b', kind = 'test', run = []"), "a program is needed"),
            (with("name = 'b', kind = 'test', run = '  '"), "a program is needed"),
            (with("name = 'b', kind = 'test', run = 'a && b'"), "`&` means something to a shell"),
            (with("name = 'b', kind = 'test', run = 'a \"b'"), "the quote \" is not closed"),
            (with("name = 'b', kind = 'test', run = 'A=1 b'"), "`A=1` sets a variable"),
            (with("name = 'b', kind = 'test', run = 'x', timeout = '10 minutes'"), "`10 minutes` is not a length of time"),
            (with("name = 'b', kind = 'test', run = 'x', timeout = 10"), "a length of time in quotes"),
            (with("name = '', kind = 'test', run = 'x'"), "`gate.checks[1].name`"),
            (with("name = 'a', kind = 'build', run = 'x'"), "`gate.checks[1].name` in aura.toml: `a` is there twice"),
            (with("name = 'b', kind = 'test', run = 'x', folder = '../y'"), "`gate.checks[1].folder` in aura.toml: `../y`"),
            (with("name = 'b', kind = 'test', run = 'x', folder = '/y'"), "`gate.checks[1].folder`"),
            (with("name = 'b', kind = 'test', run = 'x', folder = 'C:/y'"), "`gate.checks[1].folder`"),
            ("timeout = '0s'".to_owned(), "`timeout`: `0s`"),
            ("timeout = '25h'".to_owned(), "`timeout`: `25h`"),
            ("output_bytes = 10".to_owned(), "`gate.output_bytes` in aura.toml: 10 is not between"),
        ];
        for (text, expected) in rows {
            let message = checks_of(&text).expect_err(&text);
            assert!(message.contains(expected), "{text}\n{message}");
        }
    }

    #[test]
    fn lengths_of_time() {
        let rows = [
            ("90s", Some(90)),
            ("10m", Some(600)),
            ("1h30m", Some(5400)),
            ("", None),
            ("10", None),
            ("m", None),
            ("1d", None),
            ("-1s", None),
        ];
        for (text, expected) in rows {
            assert_eq!(length(text).map(|length| length.as_secs()), expected, "{text}");
        }
        assert_eq!(length("99999999999999999999h"), None);
        assert_eq!(length("9999999999999999999h"), None);
    }
}
