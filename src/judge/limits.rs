//! Numbers that say how long, how often or how far off something may be, and which way each of them says less.

use super::syntax::{Tok, chain, is_number, line, named, text, tokens};
use tree_sitter::Node;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Limit {
    pub key: String,
    pub value: f64,
    /// Whether a higher value says less.
    pub up_is_weak: bool,
    pub line: u32,
}

/// Words of a name that make its number a limit, and whether more of it says less.
const WORDS: [(&str, bool); 27] = [
    ("timeout", true),
    ("deadline", true),
    ("patience", true),
    ("toler", true),
    ("tol", true),
    ("eps", true),
    ("epsilon", true),
    ("delta", true),
    ("atol", true),
    ("rtol", true),
    ("rel", true),
    ("abs", true),
    ("within", true),
    ("offset", true),
    ("duration", true),
    ("retry", true),
    ("retries", true),
    ("reruns", true),
    ("flaky", true),
    ("threshold", true),
    ("maxtime", true),
    ("precision", false),
    ("places", false),
    ("digits", false),
    ("decimal", false),
    ("significant", false),
    ("closeto", false),
];

/// Every limit below a node; not inside nodes that `skip` names.
pub(super) fn limits(node: Node<'_>, source: &str, skip: &dyn Fn(Node<'_>) -> bool, found: &mut Vec<Limit>) {
    if is_number(node.kind()) {
        found.extend(limit(node, source));
        return;
    }
    if node.kind() == "token_tree" {
        in_words(&tokens(node, source), line(node), found);
        return;
    }
    let mut cursor = node.walk();
    let kids: Vec<Node<'_>> = node.children(&mut cursor).collect();
    for kid in kids.into_iter().filter(|kid| !skip(*kid)) {
        limits(kid, source, skip, found);
    }
}

fn value_of(text: &str) -> Option<f64> {
    let plain: String = text.chars().filter(|c| *c != '_').collect();
    let plain = plain.trim_end_matches(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E'));
    let plain = plain.trim_end_matches("_f64");
    plain.parse().ok().or_else(|| plain.trim_end_matches(['e', 'E']).parse().ok())
}

fn known(name: &str) -> Option<(String, bool)> {
    let name = name.to_ascii_lowercase();
    let parts: Vec<&str> = name.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let (word, up) = WORDS.iter().find(|(word, _)| if word.len() <= 4 { parts.contains(word) } else { name.contains(word) })?;
    Some(((*word).to_owned(), *up))
}

/// Units of lengths of time, in seconds.
fn unit(name: &str) -> Option<f64> {
    Some(match name {
        "from_secs" | "from_secs_f64" | "Second" | "FromSeconds" | "ofSeconds" | "SECONDS" => 1.0,
        "from_millis" | "Millisecond" | "FromMilliseconds" | "ofMillis" | "MILLISECONDS" => 0.001,
        "from_mins" | "Minute" | "FromMinutes" | "ofMinutes" | "MINUTES" => 60.0,
        _ => return None,
    })
}

fn limit(number: Node<'_>, source: &str) -> Option<Limit> {
    let value = value_of(text(number, source))?;
    let is_negative = number.parent().is_some_and(|parent| parent.kind().contains("unary") && text(parent, source).starts_with('-'));
    let value = if is_negative { -value } else { value };
    let made = |(key, up_is_weak): (String, bool), value: f64| Some(Limit { key, value, up_is_weak, line: line(number) });
    let (mut node, mut scale) = (number, 1.0);
    for _ in 0..7 {
        let parent = node.parent()?;
        match parent.kind() {
            "keyword_argument"
            | "pair"
            | "attribute_argument"
            | "element_value_pair"
            | "argument"
            | "assignment"
            | "variable_declarator"
            | "const_item"
            | "static_item"
            | "let_declaration"
            | "const_spec"
            | "short_var_declaration"
            | "keyed_element" => {
                if let Some(found) = named(parent).first().filter(|first| **first != node).and_then(|first| known(text(*first, source))) {
                    return made(found, value * scale);
                }
            }
            "comparison_operator" | "binary_expression" => {
                let words = text(parent, source);
                if let Some(unit) = ["Second", "Millisecond", "Minute"]
                    .iter()
                    .find(|unit| words.contains(&format!("time.{unit}")))
                    .and_then(|name| unit(name))
                {
                    scale = unit;
                } else if named(parent).last() == Some(&node)
                    && let Some(found) = compared(parent, source)
                {
                    return made(found, value);
                }
            }
            "call" | "call_expression" | "invocation_expression" | "method_invocation" | "attribute" | "annotation" => {
                let links = chain(parent, source);
                let name = links
                    .last()
                    .map_or_else(|| named(parent).first().map_or("", |n| text(*n, source)).to_owned(), |link| link.name.clone());
                if let Some(found) = unit(&name) {
                    scale *= found;
                    if links.first().is_some_and(|first| first.name == "Duration" || first.name == "TimeSpan")
                        && parent.parent().is_some_and(|p| p.kind() == "arguments" || p.kind() == "argument_list")
                    {
                        node = parent;
                        continue;
                    }
                }
                let owner = links.first().map_or("", |link| link.name.as_str());
                if name == "setTimeout" && owner != "jest" {
                    return None;
                }
                if let Some(found) = in_call(&name, owner, number, parent) {
                    return made(found, value * scale);
                }
            }
            _ => {}
        }
        node = parent;
    }
    None
}

/// A number as an argument: by the name of what is called, and by its place.
fn in_call(name: &str, owner: &str, inside: Node<'_>, call: Node<'_>) -> Option<(String, bool)> {
    let lower = name.to_ascii_lowercase();
    let list = call.child_by_field_name("arguments").or_else(|| named(call).into_iter().find(|kid| kid.kind().ends_with("argument_list")));
    let place = list.and_then(|list| {
        named(list).iter().position(|arg| arg.byte_range().start <= inside.start_byte() && inside.end_byte() <= arg.end_byte())
    });
    match lower.as_str() {
        "tobecloseto" => return (place == Some(1)).then(|| ("digits".into(), false)),
        "test" | "it" | "specify" if place == Some(2) => return Some(("timeout".into(), true)),
        "retrytimes" => return Some(("retry".into(), true)),
        "assertequals" | "areequal" if place == Some(2) => return Some(("delta".into(), true)),
        "equal" if owner == "Assert" && place == Some(2) => return Some(("precision".into(), false)),
        "assertalmostequal" if place == Some(2) => return Some(("places".into(), false)),
        "indelta" | "inepsilon" if place == Some(3) => return Some(("delta".into(), true)),
        "closeto" | "beapproximately" if place == Some(1) => return Some(("delta".into(), true)),
        "approx" => return None,
        "assertless" | "assertlessequal" | "tobelessthan" | "tobelessthanorequal" | "islessthan" | "islessthanorequalto" | "belessthan" => {
            return Some(("at most".into(), true));
        }
        "assertgreater"
        | "assertgreaterequal"
        | "tobegreaterthan"
        | "tobegreaterthanorequal"
        | "isgreaterthan"
        | "isgreaterthanorequalto"
        | "begreaterthan" => return Some(("at least".into(), false)),
        _ => {}
    }
    let is_sleep = lower.contains("sleep");
    known(name).filter(|_| !is_sleep)
}

/// `x < 5` asserted, or `x > 5` as the condition of a failure.
fn compared(comparison: Node<'_>, source: &str) -> Option<(String, bool)> {
    let words = tokens(comparison, source);
    let less = words.iter().any(|tok| tok.is("<") || tok.is("<="));
    let more = words.iter().any(|tok| tok.is(">") || tok.is(">="));
    let (mut asserted, mut failing, mut node) = (false, false, comparison);
    for _ in 0..5 {
        let Some(parent) = node.parent() else { break };
        match parent.kind() {
            "assert_statement" => asserted = true,
            "if_statement" | "if_expression" => {
                failing = text(parent, source).contains(".Error") || text(parent, source).contains(".Fatal");
            }
            "call" | "call_expression" | "invocation_expression" | "method_invocation" => {
                let name = chain(parent, source).iter().map(|link| link.name.to_ascii_lowercase()).collect::<String>();
                asserted = asserted || name.contains("assert") || name.contains("expect") || name.contains("true");
            }
            _ => {}
        }
        node = parent;
    }
    match (asserted, failing, less, more) {
        (true, _, true, false) | (false, true, false, true) => Some(("at most".into(), true)),
        (true, _, false, true) | (false, true, true, false) => Some(("at least".into(), false)),
        _ => None,
    }
}

/// The arguments of a macro are only words: `x < 1e-6`, `epsilon = 1e-6`.
fn in_words(words: &[Tok], line: u32, found: &mut Vec<Limit>) {
    for trio in words.windows(2) {
        let [before, number] = trio else { continue };
        let Some(value) = (number.word == super::syntax::Word::Number).then(|| value_of(&number.text)).flatten() else { continue };
        let at = words.iter().position(|tok| std::ptr::eq(tok, before)).unwrap_or(0);
        let key = match before.text.as_str() {
            "<" | "<=" => Some(("at most".to_owned(), true)),
            ">" | ">=" => Some(("at least".to_owned(), false)),
            "=" if at > 0 => known(&words[at - 1].text),
            "(" if at > 0 => unit(&words[at - 1].text).map(|_| ("duration".to_owned(), true)),
            _ => None,
        };
        found.extend(key.map(|(key, up_is_weak)| Limit { key, value, up_is_weak, line }));
    }
}
