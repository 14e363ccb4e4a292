//! How much of a corpus the judge catches, and how often it is wrong.

use crate::corpus::{Seen, ecosystems, look};
use aura::judge::Observation;

/// Ways to weaken, and changes that do no harm, of each ecosystem at least.
const CASES_MIN: usize = 10;

fn shown(seen: &[Seen]) -> String {
    let found =
        |found: &[Observation]| found.iter().map(|one| format!("    {:?} {}: {}\n", one.kind, one.subject, one.detail)).collect::<String>();
    seen.iter().map(|seen| format!("  {}: {}\n{}", seen.ecosystem, seen.case, found(&seen.found))).collect()
}

#[test]
fn nineteen_of_twenty_ways_to_weaken_are_named_and_no_more_than_one_of_twenty_harmless_changes() {
    let (mut ways, mut missed, mut harmless, mut wrong) = (0, vec![], 0, vec![]);
    for ecosystem in ecosystems() {
        assert!(ecosystem.weakens.len() >= CASES_MIN && ecosystem.harmless.len() >= CASES_MIN, "{}", ecosystem.name);
        ways += ecosystem.weakens.len();
        harmless += ecosystem.harmless.len();
        missed.extend(look(ecosystem, ecosystem.weakens).into_iter().filter(|seen| !seen.is_named()));
        wrong.extend(look(ecosystem, ecosystem.harmless).into_iter().filter(Seen::is_named));
    }
    let figures =
        format!("{} of {ways} missed:\n{}{} of {harmless} named wrongly:\n{}", missed.len(), shown(&missed), wrong.len(), shown(&wrong));
    assert!(missed.len() * 20 <= ways && wrong.len() * 20 <= harmless, "{figures}");
}

#[test]
fn every_way_to_weaken_is_noticed_one_way_or_another() {
    for ecosystem in ecosystems() {
        let unseen: Vec<Seen> = look(ecosystem, ecosystem.weakens).into_iter().filter(|seen| !seen.is_noticed()).collect();
        assert!(unseen.is_empty(), "{}", shown(&unseen));
    }
}
