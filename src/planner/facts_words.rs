//! Where the words of a story occur: in paths and in lines. Identifiers tell most, then words of the title.

use super::facts::{FactsBudget, Place, Source, WordFact, tidy_line};
use std::collections::{HashMap, HashSet};

const PLACES_EACH_MAX: usize = 8;
/// Several files tell more than one file many times.
const PLACES_EACH_FILE_MAX: usize = 3;
const PATHS_EACH_MAX: usize = 6;
const WORD_CHARS_MIN: usize = 4;
const WORD_CHARS_MAX: usize = 60;

/// Words that are in every story and tell nothing of this one.
const STOP_WORDS: &str = " able about above across actually after again against allow allows already also always another anything appear around because been \
before behaviour behavior being below between both build call called cannot case cases change changed changes code could create created currently default \
describe description different does doing done down each either else ensure enough error errors even every everything example existing expected feature file \
files find first fix following four from full function functions further general given gives good have having help here high however implement implementation \
implemented improve include includes including inside instead into issue issues item items just keep kind know large last later least less like line lines list \
little long look looks made main make makes making many means might more most move much must name names need needed needs never next nothing number often once \
only open option options order other others output over part parts pass place please possible problem project proper properly provide rather read reads really \
refactor remove request require required requirement requirements requires result results return returns right rule rules running said same second section \
several shall should show shown shows similar simple simply since single some something sometimes specific start state still stop story such support supported \
supports sure system take takes task tasks test tested tests text than that their them then there therefore these they thing things this those three through \
thus time times together tool under unless until update updated upon used useful user users uses using value values very want wants well were what when where \
whether which while whole will with within without work working works would write writes writing wrong your ";

/// The words with their places, and how many places were found in all.
pub(super) fn find(
    source: &Source<'_>,
    listed: &[(String, u64)],
    title: &str,
    description: &str,
    budget: FactsBudget,
) -> (Vec<WordFact>, usize) {
    let words = rank(title, description, budget.words_max);
    if words.is_empty() {
        return (vec![], 0);
    }
    let mut facts: Vec<WordFact> = words.iter().map(|word| WordFact { word: word.clone(), paths: vec![], places: vec![] }).collect();
    in_paths(listed, &mut facts);
    let mut hits = (source.grep)(&words, budget.hits_max);
    hits.truncate(budget.hits_max);
    let quiet: Vec<String> = words.iter().filter(|word| !hits.iter().any(|hit| hit.word.eq_ignore_ascii_case(word))).cloned().collect();
    // A word that is everywhere used up the budget of those that are rare, and rare ones tell more.
    if hits.len() == budget.hits_max && !quiet.is_empty() && quiet.len() < words.len() {
        let mut rare = (source.grep)(&quiet, budget.hits_max / 2);
        rare.truncate(budget.hits_max / 2);
        hits.extend(rare);
    }
    let count = hits.len();
    for hit in hits {
        let Some(fact) = facts.iter_mut().find(|fact| fact.word.eq_ignore_ascii_case(&hit.word)) else { continue };
        let here = fact.places.iter().filter(|place| place.path == hit.path).count();
        if fact.places.len() < PLACES_EACH_MAX && here < PLACES_EACH_FILE_MAX {
            fact.places.push(Place { path: hit.path, line: hit.line, text: tidy_line(&hit.text) });
        }
    }
    facts.retain(|fact| !fact.paths.is_empty() || !fact.places.is_empty());
    (facts, count)
}

fn in_paths(listed: &[(String, u64)], facts: &mut [WordFact]) {
    let wanted: Vec<String> = facts.iter().map(|fact| fact.word.to_ascii_lowercase()).collect();
    let mut found: Vec<Vec<&str>> = vec![vec![]; wanted.len()];
    let mut lower = String::new();
    for (path, _) in listed {
        lower.clear();
        lower.push_str(path);
        lower.make_ascii_lowercase();
        for (word, paths) in wanted.iter().zip(&mut found) {
            if lower.contains(word.as_str()) {
                paths.push(path);
            }
        }
    }
    for (fact, mut paths) in facts.iter_mut().zip(found) {
        paths.sort_by_key(|path| (path.len(), *path));
        fact.paths = paths.into_iter().take(PATHS_EACH_MAX).map(str::to_owned).collect();
    }
}

/// The most telling words: identifiers and paths of the text before plain words, the title's before the description's.
pub(super) fn rank(title: &str, description: &str, words_max: usize) -> Vec<String> {
    struct Seen {
        word: String,
        score: u32,
        place: usize,
    }
    let mut seen: HashMap<String, Seen> = HashMap::new();
    let stop: HashSet<&str> = STOP_WORDS.split(' ').collect();
    // Bounded: a story may be 64 KiB of anything.
    let words = split(title).map(|word| (word, 4)).chain(split(description).map(|word| (word, 1))).take(20_000);
    for (place, (word, weight)) in words.enumerate() {
        let key = word.to_lowercase();
        let chars = word.chars().count();
        let plain = chars < WORD_CHARS_MIN || !word.chars().any(char::is_alphabetic) || stop.contains(key.as_str());
        if chars > WORD_CHARS_MAX || (plain && !is_identifier(word)) || chars < 3 {
            continue;
        }
        let entry =
            seen.entry(key).or_insert_with(|| Seen { word: word.to_owned(), score: if is_identifier(word) { 8 } else { 0 }, place });
        entry.score = (entry.score + weight).min(20);
        // The spelling that looks like code is the one to look for.
        if is_identifier(word) && !is_identifier(&entry.word) {
            word.clone_into(&mut entry.word);
            entry.score += 8;
        }
    }
    let mut words: Vec<Seen> = seen.into_values().collect();
    words.sort_by_key(|seen| (std::cmp::Reverse(seen.score), seen.place));
    words.into_iter().take(words_max).map(|seen| seen.word).collect()
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').map(|word| word.trim_matches('_')).filter(|word| !word.is_empty())
}

/// `camelCase`, `PascalCase` with two humps, `snake_case`, `HTTP2`.
fn is_identifier(word: &str) -> bool {
    let hump = word.chars().zip(word.chars().skip(1)).any(|(a, b)| a.is_lowercase() && b.is_uppercase());
    let letters = word.chars().any(char::is_alphabetic);
    letters && (hump || word.contains('_') || (word.chars().any(|c| c.is_ascii_digit()) && word.chars().count() > 2))
}
