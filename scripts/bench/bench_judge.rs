//! What the judge catches of a corpus of changes to tests, how often it is wrong, and how long it takes.

use crate::corpus::{Seen, ecosystems, look};
use std::time::Instant;

pub fn judge() {
    let (mut ways, mut caught, mut harmless, mut wrong) = (0, 0, 0, 0);
    let began = Instant::now();
    for ecosystem in ecosystems() {
        let weakened = look(ecosystem, ecosystem.weakens);
        let unharmed = look(ecosystem, ecosystem.harmless);
        let missed: Vec<&Seen> = weakened.iter().filter(|seen| !seen.is_named()).collect();
        let alarms: Vec<&Seen> = unharmed.iter().filter(|seen| seen.is_named()).collect();
        println!(
            "{}: {} of {} ways to weaken named, {} of {} harmless changes named wrongly",
            ecosystem.name,
            weakened.len() - missed.len(),
            weakened.len(),
            alarms.len(),
            unharmed.len()
        );
        for seen in missed {
            let noticed = if seen.is_noticed() { "the file is held all the same" } else { "not noticed at all" };
            println!("  missed: {}: {} ({noticed})", seen.ecosystem, seen.case);
        }
        for seen in alarms {
            println!(
                "  wrong: {}: {}: {:?}",
                seen.ecosystem,
                seen.case,
                seen.found.iter().find(|one| one.kind.is_weakening()).map(|one| one.kind)
            );
        }
        ways += weakened.len();
        caught += weakened.iter().filter(|seen| seen.is_named()).count();
        harmless += unharmed.len();
        wrong += unharmed.iter().filter(|seen| seen.is_named()).count();
    }
    let share = |part: usize, whole: usize| part as f64 * 100.0 / whole as f64;
    println!("caught: {caught} of {ways} ({:.1} %)", share(caught, ways));
    println!("false alarms: {wrong} of {harmless} ({:.1} %)", share(wrong, harmless));
    let each = began.elapsed().as_secs_f64() * 1000.0 / (ways + harmless) as f64;
    println!("a comparison takes {each:.1} ms on average");
}
