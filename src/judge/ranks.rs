//! How much an assertion says, by its name and by what it compares. Ranks of different libraries are comparable, so that a
//! test may move from one to another without saying less: 4 pins a value, 3 bounds it, 2 says that there is one, 1 does not
//! always run, 0 says nothing.

use super::syntax::{Tok, Word};

pub(super) const EXACT: u8 = 4;
pub(super) const BOUND: u8 = 3;
pub(super) const PRESENT: u8 = 2;
pub(super) const SOMETIMES: u8 = 1;
pub(super) const NOTHING: u8 = 0;

/// The name of a check without case and punctuation: `assert_eq!` is `asserteq`.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_ascii_lowercase()
}

pub(super) fn is_boolean(name: &str) -> bool {
    matches!(
        name,
        "assert"
            | "asserttrue"
            | "assertfalse"
            | "true"
            | "false"
            | "istrue"
            | "isfalse"
            | "ok"
            | "propassert"
            | "debugassert"
            | "condition"
    )
}

const EXACT_NAMES: [&str; 66] = [
    "eq",
    "equal",
    "equals",
    "asserteq",
    "assertequal",
    "assertequals",
    "areequal",
    "aresame",
    "same",
    "assertsame",
    "tobe",
    "toequal",
    "tostrictequal",
    "strictequal",
    "deepequal",
    "deepstrictequal",
    "be",
    "is",
    "isequalto",
    "isequal",
    "eql",
    "deepeq",
    "jsoneq",
    "yamleq",
    "equalvalues",
    "exactly",
    "equalerror",
    "assertlistequal",
    "assertdictequal",
    "assertsetequal",
    "asserttupleequal",
    "assertcountequal",
    "assertmultilineequal",
    "assertarrayequals",
    "assertarrayequal",
    "assertiterableequals",
    "assertlinesmatch",
    "sequenceequal",
    "equivalent",
    "areequivalent",
    "beequivalentto",
    "equivalentto",
    "tohavelength",
    "length",
    "lengthof",
    "len",
    "hassize",
    "havecount",
    "tohavebeencalledtimes",
    "calledwith",
    "tohavebeencalledwith",
    "tohavebeenlastcalledwith",
    "tohavebeennthcalledwith",
    "assertcalledoncewith",
    "assertcalledwith",
    "assertcalledonce",
    "asserthascalls",
    "shouldbe",
    "propasserteq",
    "debugasserteq",
    "elementsmatch",
    "containsexactly",
    "hasvalue",
    "equalto",
    "nil",
    "single",
];
const PRESENT_NAMES: [&str; 44] = [
    "ne",
    "assertne",
    "propassertne",
    "notequal",
    "notequals",
    "assertnotequal",
    "assertnotequals",
    "arenotequal",
    "isnotequalto",
    "notbe",
    "notstrictequal",
    "notdeepequal",
    "notnull",
    "isnotnull",
    "assertnotnull",
    "assertisnotnone",
    "notnone",
    "notnil",
    "notbenull",
    "tobedefined",
    "tobetruthy",
    "tobefalsy",
    "truthy",
    "exist",
    "exists",
    "notempty",
    "isnotempty",
    "notbeempty",
    "assertisinstance",
    "isinstanceof",
    "instanceof",
    "tobeinstanceof",
    "beoftype",
    "isassignablefrom",
    "istype",
    "a",
    "an",
    "doesnotthrow",
    "assertdoesnotthrow",
    "notthrow",
    "nothrow",
    "doesnotreject",
    "not",
    "anything",
];

/// What an assertion says, by its name and by what it compares.
pub(super) fn rank_of(name: &str, args: &[Vec<Tok>], negated: bool) -> u8 {
    let name = plain(name);
    let words = args.concat();
    if is_trivial(&name, args) {
        return NOTHING;
    }
    let has = |word: &str| words.iter().any(|tok| tok.is(word));
    let rank = if is_boolean(&name) && args.len() <= 2 && name != "istrue" && name != "isfalse" {
        args.first().map_or(BOUND, |arg| truth(arg, false))
    } else if matches!(name.as_str(), "that" | "assertthat") {
        matcher(&words)
    } else if name.contains("snapshot") || EXACT_NAMES.contains(&name.as_str()) {
        if is_within(&name, args) { BOUND } else { EXACT }
    } else if PRESENT_NAMES.contains(&name.as_str()) {
        PRESENT
    } else if ["throw", "raise", "reject"].iter().any(|word| name.contains(word)) {
        thrown(&words)
    } else {
        BOUND
    };
    let rank = match rank {
        EXACT if negated => PRESENT,
        BOUND if negated && name.contains("throw") => PRESENT,
        rank => rank,
    };
    if has("anything") || has("ANY") || has("IsAny") {
        return rank.min(PRESENT);
    }
    if has("approx") || has("objectContaining") || has("arrayContaining") || has("stringContaining") {
        return rank.min(BOUND);
    }
    rank
}

/// A comparison that names how far apart the two may be.
fn is_within(name: &str, args: &[Vec<Tok>]) -> bool {
    let named = |arg: &Vec<Tok>| {
        arg.first().is_some_and(|tok| ["places", "delta", "precision", "tolerance", "rel", "abs"].iter().any(|key| tok.is(key)))
    };
    let third = args.get(2).is_some_and(|arg| arg.iter().any(|tok| tok.word == Word::Number));
    args.iter().skip(2).any(named) || third && matches!(name, "assertequals" | "equal" | "areequal" | "asserteq")
}

/// `Is.EqualTo(3)`, `equalTo(3)`, `is(3)`.
fn matcher(words: &[Tok]) -> u8 {
    let has = |word: &str| words.iter().any(|tok| tok.is(word));
    if has("Not") || has("not") || has("Null") || has("notNullValue") || has("InstanceOf") || has("instanceOf") || has("anything") {
        return PRESENT;
    }
    if has("Within") || has("closeTo") {
        return BOUND;
    }
    if has("EqualTo") || has("equalTo") || has("is") || has("EquivalentTo") || has("SameAs") { EXACT } else { BOUND }
}

fn thrown(words: &[Tok]) -> u8 {
    let general = ["Exception", "BaseException", "Throwable", "Error", "object", "Object"];
    let is_general = words
        .iter()
        .find(|tok| tok.word == Word::Plain && tok.text.starts_with(char::is_uppercase))
        .is_some_and(|tok| general.contains(&tok.text.as_str()));
    let has_text = words.iter().any(|tok| tok.word == Word::Text || tok.is("match") || tok.text.starts_with('/'));
    match (is_general, has_text) {
        (true, false) => PRESENT,
        (false, true) => EXACT,
        (true, true) | (false, false) => BOUND,
    }
}

/// A condition that is asserted.
pub(super) fn truth(words: &[Tok], is_bare: bool) -> u8 {
    if is_always_true(words) {
        return NOTHING;
    }
    let has = |word: &str| words.iter().any(|tok| tok.is(word));
    if words.len() == 2 && has("!") || words.first().is_some_and(|tok| tok.is("not")) && words.len() == 2 {
        return BOUND;
    }
    let is_presence = has("isinstance") || has("is_some") || has("is_ok") || has("instanceof") || has("callable") || has("hasattr");
    let none = ["null", "None", "undefined", "nil"].iter().any(|none| has(none));
    if is_presence || has("!=") || has("!==") || has("not") && has("is") && none {
        return PRESENT;
    }
    if has("approx") || has("isclose") || has("abs") || has("<") || has(">") || has("<=") || has(">=") {
        return BOUND;
    }
    if has("==") || has("===") || has("equals") || has("is") && none || has("DeepEqual") || has("SequenceEqual") {
        return EXACT;
    }
    // `assert result` holds for nearly every result.
    if is_bare && words.len() == 1 { PRESENT } else { BOUND }
}

/// What a failure under this condition asserts.
pub(super) fn denied(condition: &[Tok]) -> u8 {
    let has = |word: &str| condition.iter().any(|tok| tok.is(word));
    if has("false") || has("False") {
        return NOTHING;
    }
    let none = has("nil") || has("null") || has("None");
    if has("Diff") || has("DeepEqual") || has("Equal") || has("equals") {
        return EXACT;
    }
    if (has("!=") || has("!==") || has("ne")) && !none {
        return EXACT;
    }
    if has("==") && !none { PRESENT } else { BOUND }
}

fn is_always_true(words: &[Tok]) -> bool {
    let ends = |or: &str| words.windows(2).any(|pair| pair[0].is(or) && (pair[1].is("true") || pair[1].is("True")));
    let starts = |or: &str| words.windows(2).any(|pair| (pair[0].is("true") || pair[0].is("True")) && pair[1].is(or));
    let constant = words.iter().all(|tok| tok.word != Word::Plain) && !words.is_empty();
    let itself = ["==", "===", "is"].iter().any(|same| {
        let mut sides = words.splitn(2, |tok| tok.is(same));
        matches!((sides.next(), sides.next()), (Some(one), Some(other)) if !one.is_empty() && one == other)
    });
    let of_constants = words.len() == 3 && words[0].word != Word::Plain && words[2].word != Word::Plain;
    ends("||") || ends("or") || starts("||") || starts("or") || constant || itself || of_constants
}

/// It compares a thing with itself, or constants with one another.
fn is_trivial(name: &str, args: &[Vec<Tok>]) -> bool {
    let constant = |arg: &Vec<Tok>| !arg.is_empty() && arg.iter().all(|tok| tok.word != Word::Plain || tok.is("(") || tok.is(")"));
    let bare = |arg: &Vec<Tok>| arg.iter().filter(|tok| !tok.is("(") && !tok.is(")")).cloned().collect::<Vec<_>>();
    match args {
        [one] => is_boolean(name) && is_always_true(one) || !name.contains("snapshot") && constant_text(one),
        [one, other, ..] => bare(one) == bare(other) || constant(one) && constant(other) || constant_text(one) && constant(other),
        [] => false,
    }
}

/// The subject of a fluent assertion is one word.
fn constant_text(arg: &[Tok]) -> bool {
    arg.len() == 1 && matches!(arg[0].text.trim_matches(['(', ')', ' ']), "true" | "false" | "True" | "1")
}
