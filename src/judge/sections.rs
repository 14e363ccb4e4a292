//! Files of which a part decides the gate: that part, compared; and when two files say the same although they look
//! otherwise.

use super::syntax::{Lang, joined, tokens};
use super::{CheckLine, Observation, content, quote};
use crate::domain::FindingKind;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Whose part it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Pyproject,
    SetupCfg,
    Cargo,
    CargoConfig,
    Package,
    Make,
    Just,
    Java,
    DotNet,
    Vite,
    Lock,
}

/// What the part says: by the name of a setting.
type Says = BTreeMap<String, String>;

pub(super) fn compare(part: Part, path: &str, was: Option<&[u8]>, is: Option<&[u8]>, checks: &[CheckLine]) -> Vec<Observation> {
    let before = says(part, path, was.unwrap_or_default(), checks);
    let after = is.map(|is| says(part, path, is, checks)).unwrap_or_default();
    if is.is_none() && !before.is_empty() {
        return vec![Observation::of_file(FindingKind::JudgeRemoved, path, "removed", "removed".into())];
    }
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut found = vec![];
    for name in names {
        let (one, other) = (before.get(name), after.get(name));
        // What is only added to a lock file is a new dependency, and no word about the ones that were there.
        let is_free = one == other || one.is_none() && matches!(part, Part::Lock);
        if !is_free {
            let detail = match (one, other) {
                (_, None) => format!("`{name}` is gone"),
                (None, Some(other)) => format!("`{name}` is new: {other}"),
                (Some(one), Some(other)) => format!("`{name}`: {other}, before {one}"),
            };
            let key = format!("{name}\n{}", other.map_or("", String::as_str));
            let whole = Observation::of_file(FindingKind::JudgeChanged, path, quote(&detail), key);
            found.push(Observation { subject: quote(name), ..whole });
        }
    }
    if part == Part::Lock && found.len() > 1 {
        let detail = format!("{} entries that were locked are otherwise, for example {}", found.len(), found[0].detail);
        let key = is.map(content).unwrap_or_default();
        return vec![Observation::of_file(FindingKind::JudgeChanged, path, quote(&detail), key)];
    }
    found
}

fn says(part: Part, path: &str, bytes: &[u8], checks: &[CheckLine]) -> Says {
    let text = String::from_utf8_lossy(bytes);
    let folder = path.rsplit_once('/').map_or(".", |(folder, _)| folder);
    match part {
        Part::Pyproject => {
            toml_parts(&text, &["tool.pytest", "tool.coverage", "tool.tox", "tool.nox", "tool.mypy", "tool.ruff", "tool.hatch.envs"])
        }
        Part::Cargo => cargo(&text),
        Part::CargoConfig => toml_parts(&text, &["alias", "target", "build.rustflags", "env", "profile"]),
        Part::SetupCfg => ini(&text, &["tool:pytest", "coverage", "mypy", "flake8", "unittest", "aliases", "tox"]),
        Part::Package => package(&text, folder, checks),
        Part::Make => make(&text, folder, checks),
        Part::Just => {
            if runs(folder, "just", checks) {
                whole(&text)
            } else {
                Says::new()
            }
        }
        Part::Java => lines(
            &text,
            &[
                "skipTests",
                "testFailureIgnore",
                "ignoreFailures",
                "surefire",
                "failsafe",
                "<exclude>",
                "useJUnit",
                "exclude",
                "enabled",
                "filter",
                "maven.test",
                "failIfNoTests",
            ],
        ),
        Part::DotNet => lines(
            &text,
            &[
                "IsTestProject",
                "Compile Remove",
                "VSTest",
                "NoWarn",
                "TreatWarningsAsErrors",
                "DefineConstants",
                "RunSettings",
                "Collect",
                "Exclude",
            ],
        ),
        Part::Vite => lines(&text, &["test", "exclude", "include", "passWithNoTests", "retry", "timeout", "allowOnly", "bail"]),
        Part::Lock => lock(&text),
    }
}

fn whole(text: &str) -> Says {
    Says::from([("recipes".to_owned(), without_comments(text, "#"))])
}

fn toml_parts(text: &str, parts: &[&str]) -> Says {
    let Ok(table) = toml::from_str::<toml::Table>(text) else { return Says::from([("text".to_owned(), text.to_owned())]) };
    let mut says = Says::new();
    for part in parts {
        let mut value: Option<&toml::Value> = None;
        let mut names = part.split('.');
        if let Some(first) = names.next() {
            value = table.get(first);
        }
        for name in names {
            value = value.and_then(|value| value.get(name));
        }
        match value {
            Some(toml::Value::Table(table)) => says.extend(table.iter().map(|(key, value)| (format!("{part}.{key}"), value.to_string()))),
            Some(value) => drop(says.insert((*part).to_owned(), value.to_string())),
            None => {}
        }
    }
    says
}

/// Test targets, whether tests are found by themselves, lints, and how tests are built.
fn cargo(text: &str) -> Says {
    let mut says = toml_parts(text, &["lints", "workspace.lints", "profile.test", "profile.dev", "package.metadata.nextest"]);
    let Ok(table) = toml::from_str::<toml::Table>(text) else { return says };
    let package = table.get("package");
    for key in ["autotests", "autobenches", "autoexamples"] {
        if let Some(value) = package.and_then(|package| package.get(key)) {
            says.insert(format!("package.{key}"), value.to_string());
        }
    }
    for key in ["test", "doctest", "harness"] {
        if let Some(value) = table.get("lib").and_then(|lib| lib.get(key)) {
            says.insert(format!("lib.{key}"), value.to_string());
        }
    }
    for key in ["members", "exclude", "default-members"] {
        // A member that is added is tested too.
        let list = table.get("workspace").and_then(|workspace| workspace.get(key)).and_then(toml::Value::as_array);
        for item in list.into_iter().flatten().filter(|_| key != "default-members" || list.is_some()) {
            let says_less = key == "exclude";
            says.insert(format!("workspace.{key} {item}"), if says_less { "left out".into() } else { String::new() });
        }
    }
    says.retain(|name, _| !name.starts_with("workspace.members") || !name.contains('*'));
    for target in table.get("test").and_then(toml::Value::as_array).into_iter().flatten() {
        let name = target.get("name").map_or_else(String::new, ToString::to_string);
        let off = ["test", "harness", "required-features", "path"].iter().filter_map(|key| Some(format!("{key} = {}", target.get(key)?)));
        says.insert(format!("test {name}"), off.collect::<Vec<_>>().join(", "));
    }
    says
}

fn ini(text: &str, parts: &[&str]) -> Says {
    let (mut says, mut section, mut key) = (Says::new(), String::new(), String::new());
    for line in text.lines() {
        let plain = line.split(['#', ';']).next().unwrap_or("").trim_end();
        if let Some(name) = plain.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
            key.clear();
            continue;
        }
        let wanted = parts.iter().any(|part| section.starts_with(part));
        if !wanted || plain.trim().is_empty() {
            continue;
        }
        match plain.split_once(['=', ':']).filter(|_| !line.starts_with(char::is_whitespace)) {
            Some((name, value)) => {
                key = format!("{section}.{}", name.trim());
                says.insert(key.clone(), value.trim().to_owned());
            }
            None => *says.entry(key.clone()).or_default() += &format!(" {}", plain.trim()),
        }
    }
    says
}

/// Scripts that the gate runs, with what they run in turn, and the tables of test tools.
fn package(text: &str, folder: &str, checks: &[CheckLine]) -> Says {
    let Ok(json) = serde_json::from_str::<Value>(text) else { return Says::from([("text".to_owned(), text.to_owned())]) };
    let mut says = Says::new();
    for key in ["jest", "mocha", "ava", "nyc", "c8", "vitest", "tap", "eslintConfig", "lint-staged"] {
        if let Some(value) = json.get(key) {
            says.insert(key.to_owned(), value.to_string());
        }
    }
    let scripts = json.get("scripts").and_then(Value::as_object);
    let script = |name: &str| scripts.and_then(|scripts| scripts.get(name)).and_then(Value::as_str);
    let mut open: Vec<String> = vec![];
    for check in checks.iter().filter(|check| is_near(folder, &check.folder)) {
        let runs_scripts = check.argv.first().is_some_and(|program| matches!(program.as_str(), "npm" | "pnpm" | "yarn" | "bun" | "npx"));
        open.extend(check.argv.iter().skip(1).filter(|_| runs_scripts).cloned());
    }
    // Without a word on what is run, the usual ones are.
    open.extend(["test", "build", "lint", "check", "typecheck"].map(str::to_owned));
    while let Some(name) = open.pop() {
        for name in [format!("pre{name}"), name.clone(), format!("post{name}")] {
            let Some(line) = script(&name) else { continue };
            if says.insert(format!("scripts.{name}"), line.to_owned()).is_none() {
                open.extend(line.split_whitespace().map(|word| word.trim_matches(['"', '\'']).to_owned()));
            }
        }
    }
    says
}

fn is_near(folder: &str, check: &str) -> bool {
    check == "." || check == folder || folder.starts_with(&format!("{check}/")) || folder == "."
}

fn runs(folder: &str, program: &str, checks: &[CheckLine]) -> bool {
    checks.iter().any(|check| {
        is_near(folder, &check.folder) && check.argv.iter().any(|word| word == program || word.contains(&format!("{program} ")))
    })
}

/// The rules that the gate's targets need, and all variables.
fn make(text: &str, folder: &str, checks: &[CheckLine]) -> Says {
    if !runs(folder, "make", checks) && !runs(folder, "gmake", checks) {
        return Says::new();
    }
    let mut rules: BTreeMap<String, (Vec<String>, String)> = BTreeMap::new();
    let (mut says, mut last) = (Says::new(), None::<String>);
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty()) {
        if line.starts_with('\t') {
            if let Some((_, recipe)) = last.as_ref().and_then(|last| rules.get_mut(last)) {
                *recipe += &format!("{}\n", line.trim());
            }
            continue;
        }
        match line.split_once(':').filter(|(_, rest)| !rest.starts_with('=')) {
            Some((targets, needs)) if !line.split(':').next().unwrap_or("").contains('=') => {
                for target in targets.split_whitespace() {
                    let rule = rules.entry(target.to_owned()).or_default();
                    rule.0.extend(needs.split_whitespace().map(str::to_owned));
                    last = Some(target.to_owned());
                }
            }
            _ => {
                let name = line.split(['=', ' ', '?', ':', '+']).next().unwrap_or("").to_owned();
                *says.entry(format!("variable {name}")).or_default() += line.trim();
                last = None;
            }
        }
    }
    let words = |check: &CheckLine| check.argv.iter().flat_map(|word| word.split_whitespace()).map(str::to_owned).collect::<Vec<_>>();
    let mut open: Vec<String> = checks.iter().filter(|check| is_near(folder, &check.folder)).flat_map(words).collect();
    open.push("all".into());
    while let Some(target) = open.pop() {
        let Some((needs, recipe)) = rules.get(&target) else { continue };
        if says.insert(format!("target {target}"), format!("{}: {recipe}", needs.join(" "))).is_none() {
            open.extend(needs.iter().cloned());
            open.extend(recipe.split_whitespace().filter(|_| recipe.contains("$(MAKE)") || recipe.contains("make ")).map(str::to_owned));
        }
    }
    says
}

/// Lines that hold one of those words.
fn lines(text: &str, wanted: &[&str]) -> Says {
    let mut says = Says::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//") && !line.starts_with("<!--")) {
        if wanted.iter().any(|word| line.contains(word)) {
            *says.entry(line.to_owned()).or_default() += "+";
        }
    }
    says
}

/// What is locked: lines that name a version, a source or a sum.
fn lock(text: &str) -> Says {
    let wanted = ["checksum", "integrity", "resolved", "resolution", "hash", "sha256", "h1:", "contentHash"];
    let mut says = Says::new();
    for line in text.lines().map(str::trim).filter(|line| wanted.iter().any(|word| line.contains(word))) {
        *says.entry(quote(line)).or_default() += "+";
    }
    says
}

fn without_comments(text: &str, mark: &str) -> String {
    let lines = text.lines().map(str::trim_end).filter(|line| !line.trim().is_empty());
    let is_first = |at: usize, line: &str| at == 0 && line.starts_with("#!");
    lines
        .enumerate()
        .filter(|(at, line)| is_first(*at, line) || !line.trim_start().starts_with(mark))
        .map(|(_, line)| line)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Whether two versions of a file differ only in comments and layout.
pub(super) fn says_the_same(path: &str, was: &[u8], is: &[u8]) -> bool {
    if was == is {
        return true;
    }
    let (Ok(was), Ok(is)) = (std::str::from_utf8(was), std::str::from_utf8(is)) else { return false };
    if let Some(lang) = Lang::of(path) {
        let words = |text: &str| {
            lang.parse(text).map(|tree| (tree.root_node().has_error(), joined(&tokens(tree.root_node(), text)), layout(lang, text)))
        };
        return match (words(was), words(is)) {
            (Some((false, one, how)), Some((false, other, now))) => one == other && how == now,
            _ => false,
        };
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending {
        "toml" => matches!((toml::from_str::<toml::Table>(was), toml::from_str::<toml::Table>(is)), (Ok(one), Ok(other)) if one == other),
        "json" => matches!((serde_json::from_str::<Value>(was), serde_json::from_str::<Value>(is)), (Ok(one), Ok(other)) if one == other),
        "sh" | "bash" | "yml" | "yaml" | "ini" | "cfg" | "bats" | "ps1" | "mk" | "" => {
            without_comments(was, "#") == without_comments(is, "#")
        }
        _ => false,
    }
}

/// In Python the indent has a meaning that words alone do not show.
fn layout(lang: Lang, text: &str) -> Vec<usize> {
    if lang != Lang::Python {
        return vec![];
    }
    let mut depths = vec![];
    let Some(tree) = lang.parse(text) else { return depths };
    super::syntax::walk(tree.root_node(), true, &mut |node| {
        if node.kind() == "block" {
            depths.push(node.named_child_count());
        }
    });
    depths
}

/// The first line in which two versions differ, for a person.
pub(super) fn first_change(was: &[u8], is: &[u8]) -> String {
    let (was, is) = (String::from_utf8_lossy(was).into_owned(), String::from_utf8_lossy(is).into_owned());
    let before: BTreeSet<&str> = was.lines().map(str::trim).collect();
    let after: BTreeSet<&str> = is.lines().map(str::trim).collect();
    let new = is.lines().map(str::trim).find(|line| !line.is_empty() && !before.contains(line));
    let gone = was.lines().map(str::trim).find(|line| !line.is_empty() && !after.contains(line));
    match (new, gone) {
        (Some(new), _) => quote(&format!("now says: {new}")),
        (None, Some(gone)) => quote(&format!("no longer says: {gone}")),
        (None, None) => "changed".into(),
    }
}
