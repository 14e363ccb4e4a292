//! Two models of the same tests: what the later one says less than the earlier one.

use super::limits::Limit;
use super::ranks::{EXACT, SOMETIMES};
use super::reading::{Source, Test, read};
use super::syntax::{Lang, Word};
use super::{Changed, Observation, SOURCE_BYTES_MAX, quote};
use crate::domain::FindingKind;
use std::collections::{BTreeMap, BTreeSet};

/// Removed tests of one file that are named one by one.
const NAMED_MAX: usize = 20;
/// How much alike two tests have to be that one is the other under another name, of ten.
const ALIKE: usize = 6;

/// A file before and after.
pub(super) struct Pair {
    path: String,
    is_mixed: bool,
    /// None where it is not in a language that is read.
    sides: Option<(Source, Source)>,
}

impl Pair {
    pub(super) fn of(change: &Changed, was: Option<&[u8]>, is: Option<&[u8]>, is_mixed: bool) -> Pair {
        let lang = Lang::of(&change.path);
        let model = |bytes: Option<&[u8]>| match (lang, bytes) {
            (Some(lang), Some(bytes)) if bytes.len() <= SOURCE_BYTES_MAX => read(lang, &String::from_utf8_lossy(bytes), is_mixed),
            (Some(_), None) => Some(Source::default()),
            _ => None,
        };
        let sides = model(was).zip(model(is));
        Pair { path: change.path.clone(), is_mixed, sides }
    }

    /// Everything of the base is there as it was: each item, each test with each of its statements.
    pub(super) fn is_only_added_to(&self) -> bool {
        let Some((was, is)) = &self.sides else { return false };
        let keeps = |before: &Test| {
            let after = is.tests.iter().find(|after| after.name == before.name);
            after.is_some_and(|after| {
                holds_all(&after.statements, &before.statements) && after.marks == before.marks && between(before, after).is_empty()
            })
        };
        was.narrowed.is_some() == is.narrowed.is_some() && holds_all(&is.rest, &was.rest) && was.tests.iter().all(keeps)
    }
}

fn holds_all(all: &[String], some: &[String]) -> bool {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for item in all {
        *counts.entry(item).or_default() += 1;
    }
    some.iter().all(|item| {
        let left = counts.entry(item).or_default();
        *left -= 1;
        *left >= 0
    })
}

/// What one test says less than another.
struct Less {
    kind: FindingKind,
    line: u32,
    detail: String,
}

/// All that was weakened in these files. A test that moved from one to another is the same test.
pub(super) fn weakened(pairs: &[Pair]) -> Vec<Observation> {
    let mut found = vec![];
    let mut taken: BTreeSet<(usize, usize)> = BTreeSet::new();
    let mut open: Vec<(usize, usize)> = vec![];
    let sides = |at: usize| pairs[at].sides.as_ref();
    for (at, pair) in pairs.iter().enumerate() {
        let Some((was, is)) = &pair.sides else { continue };
        for (number, before) in was.tests.iter().enumerate() {
            match is.tests.iter().enumerate().find(|(n, after)| after.name == before.name && !taken.contains(&(at, *n))) {
                Some((n, after)) => {
                    taken.insert((at, n));
                    found.extend(between(before, after).into_iter().map(|less| observed(pair, before, less)));
                }
                None => open.push((at, number)),
            }
        }
        found.extend(of_files(pair, was, is));
    }
    let mut gone: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, number) in open {
        let Some((was, _)) = sides(at) else { continue };
        match same_elsewhere(pairs, &taken, at, &was.tests[number]) {
            Some((other, n)) => {
                taken.insert((other, n));
                if let Some((_, is)) = sides(other) {
                    let less = between(&was.tests[number], &is.tests[n]);
                    found.extend(less.into_iter().map(|less| observed(&pairs[other], &was.tests[number], less)));
                }
            }
            None => gone.entry(at).or_default().push(number),
        }
    }
    for (at, numbers) in gone {
        if let Some((was, is)) = sides(at) {
            found.extend(removed(&pairs[at], was, is, at, &numbers, &taken));
        }
    }
    found
}

/// The test under another name or in another file: with the same words, else with the same name, else much alike.
fn same_elsewhere(pairs: &[Pair], taken: &BTreeSet<(usize, usize)>, at: usize, test: &Test) -> Option<(usize, usize)> {
    let free: Vec<(usize, usize, &Test)> = pairs
        .iter()
        .enumerate()
        .filter(|(_, pair)| is_found(&pair.path) || !is_found(&pairs[at].path))
        .filter_map(|(other, pair)| Some((other, &pair.sides.as_ref()?.1)))
        .flat_map(|(other, is)| is.tests.iter().enumerate().map(move |(n, after)| (other, n, after)))
        .filter(|(other, n, _)| !taken.contains(&(*other, *n)))
        .collect();
    let place = |found: &&(usize, usize, &Test)| (found.0, found.1);
    let last = |name: &str| name.rsplit(['.', ':', '>']).next().unwrap_or(name).trim().to_owned();
    let same = free.iter().find(|(_, _, after)| after.is_same_as(test));
    let named = || free.iter().find(|(other, _, after)| *other != at && last(&after.name) == last(&test.name));
    let alike = || free.iter().find(|(other, _, after)| *other == at && are_alike(test, after));
    same.or_else(named).or_else(alike).as_ref().map(place)
}

/// Whether a runner looks for tests in a file of that name by itself.
fn is_found(path: &str) -> bool {
    path.rsplit_once('.').is_none_or(|(_, ending)| ending != "py") || super::role::is_test_name(path.rsplit('/').next().unwrap_or(path))
}

fn are_alike(one: &Test, other: &Test) -> bool {
    let words = |test: &Test| test.asserts.iter().map(|found| super::syntax::joined(&found.words)).collect::<BTreeSet<_>>();
    let (one, other) = (words(one), words(other));
    let common = one.intersection(&other).count();
    common > 0 && common * 10 >= one.len().max(other.len()) * ALIKE
}

/// Tests that are nowhere any more; not those that became rows of a new one.
fn removed(pair: &Pair, was: &Source, is: &Source, at: usize, numbers: &[usize], taken: &BTreeSet<(usize, usize)>) -> Vec<Observation> {
    let new = is.tests.iter().enumerate().filter(|(n, _)| !taken.contains(&(at, *n))).map(|(_, test)| test);
    let rows: usize = new
        .filter(|test| test.skip.is_none() && test.count(EXACT) > 0)
        .map(|test| if test.cases.len() > 1 { test.cases.len() } else { 0 })
        .sum();
    if rows >= numbers.len() {
        return vec![];
    }
    let mut found: Vec<Observation> = numbers
        .iter()
        .take(NAMED_MAX)
        .map(|number| {
            let test = &was.tests[*number];
            let less = Less { kind: FindingKind::TestRemoved, line: test.line, detail: String::new() };
            observed(pair, test, less)
        })
        .collect();
    if numbers.len() > NAMED_MAX {
        let more = format!("and {} more", numbers.len() - NAMED_MAX);
        found.push(Observation::of_file(FindingKind::TestRemoved, &pair.path, more, numbers.len().to_string()));
    }
    found
}

fn observed(pair: &Pair, test: &Test, less: Less) -> Observation {
    Observation {
        kind: less.kind,
        path: pair.path.clone(),
        line: Some(less.line),
        subject: quote(&test.name),
        key: format!("{}\n{}", test.name, less.detail),
        detail: quote(&less.detail),
        is_mixed: pair.is_mixed,
    }
}

/// What is not about one test.
fn of_files(pair: &Pair, was: &Source, is: &Source) -> Vec<Observation> {
    let whole = |less: Less| Observation {
        kind: less.kind,
        path: pair.path.clone(),
        line: Some(less.line),
        subject: String::new(),
        key: less.detail.clone(),
        detail: quote(&less.detail),
        is_mixed: pair.is_mixed,
    };
    let mut found = vec![];
    if let (None, Some((line, how))) = (&was.narrowed, &is.narrowed)
        && !was.tests.is_empty()
    {
        found.push(whole(Less { kind: FindingKind::TestsNarrowed, line: *line, detail: how.clone() }));
    }
    found.extend(raised(&was.limits, &is.limits).into_iter().map(whole));
    found
}

fn between(was: &Test, is: &Test) -> Vec<Less> {
    let less = |kind, detail: String| Less { kind, line: is.line, detail };
    let mut found = vec![];
    if let (None, Some(how)) = (&was.skip, &is.skip) {
        found.push(less(FindingKind::TestSkipped, how.clone()));
        return found;
    }
    if let (None, Some(how)) = (&was.xfail, &is.xfail) {
        found.push(less(FindingKind::ExpectedToFail, how.clone()));
    }
    if is.cases.len() < was.cases.len() {
        let gone = was.cases.iter().find(|case| !is.cases.contains(case)).cloned().unwrap_or_default();
        found.push(less(
            FindingKind::CasesRemoved,
            format!("{} of {} are left; for example without {gone}", is.cases.len(), was.cases.len()),
        ));
    }
    if let Some(said) = says_less(was, is) {
        found.push(said);
    } else if let Some(said) = other_values(was, is) {
        found.push(said);
    }
    found.extend(raised(&was.limits, &is.limits));
    found
}

/// Fewer assertions, or weaker ones.
fn says_less(was: &Test, is: &Test) -> Option<Less> {
    let gone = was.asserts.iter().find(|before| !is.asserts.iter().any(|after| after.words == before.words && after.rank >= before.rank));
    let gone = gone.map_or_else(String::new, |gone| super::syntax::joined(&gone.words));
    let made = |kind| Some(Less { kind, line: is.line, detail: gone.clone() });
    // Rows of a table share one assertion.
    let rows = is.cases.len() > was.cases.len() && was.cases.is_empty() && is.count(EXACT) > 0;
    if rows {
        return None;
    }
    if is.asserts.len() < was.asserts.len() {
        // One loop may say what many lines said, as long as it says it exactly.
        return made(FindingKind::AssertionRemoved);
    }
    let drops = (SOMETIMES..=EXACT).any(|rank| is.count(rank) < was.count(rank));
    if drops { made(FindingKind::AssertionWeakened) } else { None }
}

/// The same test with other values in it.
fn other_values(was: &Test, is: &Test) -> Option<Less> {
    let of_values = |words: &[super::syntax::Tok]| {
        words.iter().filter(|tok| tok.word != Word::Plain).map(|tok| (tok.word, tok.text.clone())).collect::<Vec<_>>()
    };
    for before in was.asserts.iter().filter(|before| before.rank > SOMETIMES) {
        if is.asserts.iter().any(|after| after.words == before.words) {
            continue;
        }
        let same = is.asserts.iter().find(|after| {
            after.name == before.name
                && super::syntax::skeleton(&after.words) == super::syntax::skeleton(&before.words)
                && !was.asserts.iter().any(|other| other.words == after.words)
        });
        let is_limit = same.is_some_and(|_| was.limits.len() == is.limits.len() && was.limits != is.limits);
        if let Some(after) = same.filter(|_| !is_limit) {
            let detail = format!("{} instead of {}", super::syntax::joined(&after.words), super::syntax::joined(&before.words));
            return Some(Less { kind: FindingKind::ExpectationChanged, line: after.line, detail });
        }
    }
    // A value that is compared by its name: the words are the same, and a number or a flag differs.
    if was.words != is.words && was.skeleton() == is.skeleton() && was.limits == is.limits {
        let (before, after) = (of_values(&was.words), of_values(&is.words));
        let differs = before.iter().zip(&after).find(|(one, other)| one != other && one.0 != Word::Text);
        if let Some((one, other)) = differs {
            return Some(Less {
                kind: FindingKind::ExpectationChanged,
                line: is.line,
                detail: format!("{} instead of {}", other.1, one.1),
            });
        }
    }
    let changed = was.cases.len() == is.cases.len() && !was.cases.is_empty();
    let differs = was.cases.iter().find(|case| !is.cases.contains(case)).filter(|_| changed);
    let numbers = |case: &str| case.chars().filter(char::is_ascii_digit).collect::<String>();
    let now = differs.and_then(|_| is.cases.iter().find(|case| !was.cases.contains(case)));
    match (differs, now) {
        (Some(before), Some(after)) if numbers(before) != numbers(after) || before.split(' ').count() == after.split(' ').count() => {
            Some(Less { kind: FindingKind::ExpectationChanged, line: is.line, detail: format!("{after} instead of {before}") })
        }
        _ => None,
    }
}

/// Limits that let more through than before.
fn raised(was: &[Limit], is: &[Limit]) -> Vec<Less> {
    let keys: BTreeSet<&str> = is.iter().map(|limit| limit.key.as_str()).collect();
    let of = |limits: &[Limit], key: &str| limits.iter().filter(|limit| limit.key == key).cloned().collect::<Vec<_>>();
    let mut found = vec![];
    for key in keys {
        let (before, after) = (of(was, key), of(is, key));
        let weaker = |one: &Limit, other: &Limit| if other.up_is_weak { other.value > one.value } else { other.value < one.value };
        let worst = if before.len() == after.len() {
            before.iter().zip(&after).find(|(one, other)| weaker(one, other)).map(|(one, other)| (one.value, other))
        } else if before.is_empty() {
            // Once more is a try that was not there.
            after.iter().find(|limit| key.contains("retr") && limit.value > 0.0).map(|limit| (0.0, limit))
        } else {
            after.iter().find(|limit| before.iter().all(|one| weaker(one, limit))).map(|limit| (before[0].value, limit))
        };
        if let Some((from, limit)) = worst {
            let detail = format!("{key}: {} instead of {from}", limit.value);
            found.push(Less { kind: FindingKind::LimitRaised, line: limit.line, detail });
        }
    }
    found
}
