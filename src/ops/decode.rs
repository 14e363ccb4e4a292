//! Arguments from JSON. A refusal names the field that is wrong, by its path, and for an unknown one the known ones; it
//! is bounded and printable whatever was given.

use crate::error::{Error, Result};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// Most characters of what serde says. Long enough for the list of known fields of any verb.
const MESSAGE_CHARS_MAX: usize = 500;
/// Most characters of a caller's own text in a message.
const QUOTE_CHARS_MAX: usize = 60;

/// Below this every whole number has a float of its own: 2^53.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Decodes what was given to `doing`, as the schema of `T` wants it.
pub(super) fn decode<T: DeserializeOwned>(doing: &str, mut value: Value, schema: &Value) -> Result<T> {
    super::fit::fit(&mut value, schema);
    make_whole(&mut value);
    let Value::Object(fields) = &value else {
        return Err(Error::invalid(format!("{doing}: the arguments are not a JSON object"))
            .hint("give an object, for example {\"storyId\": \"latest\"}"));
    };
    // So that a quoted name leaves room for the known ones.
    if let Some(key) = fields.keys().find(|key| key.chars().count() > QUOTE_CHARS_MAX) {
        return Err(Error::invalid(format!("{doing}: unknown field `{}…`", quote(key))));
    }
    // Only an error needs the value once more.
    T::deserialize(&value).map_err(|error| {
        let message = error.to_string();
        let fails = |part: Value| T::deserialize(part).is_err_and(|e| e.to_string() == message);
        let path = blame(&value, &message, &fails).unwrap_or_default();
        let place = match path.strip_prefix('.').unwrap_or(&path) {
            "" => String::new(),
            path => format!("`{path}`: "),
        };
        Error::invalid(format!("{doing}: {place}{}", words(&message)))
    })
}

/// `4.0` is a whole number to JSON Schema, and to the languages that know only one kind of number; what those cannot say exactly is none.
fn make_whole(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < EXACT_MAX);
            if let Some(whole) = whole {
                *value = json!(whole as i64);
            }
        }
        Value::Number(number) if number.as_f64().is_some_and(|n| n.abs() >= EXACT_MAX) => *value = json!(number.as_f64()),
        Value::Array(items) => items.iter_mut().for_each(make_whole),
        Value::Object(fields) => fields.values_mut().for_each(make_whole),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The path of what is at fault: what fails in the same way when it stands alone.
fn blame(value: &Value, message: &str, fails: &dyn Fn(Value) -> bool) -> Option<String> {
    match value {
        // It fails in the same way with nothing in it.
        Value::Object(_) if fails(json!({})) => None,
        Value::Array(_) if fails(json!([])) => None,
        Value::Object(fields) => {
            // Those are faults of the object itself.
            let unknown = message.starts_with("unknown field");
            let missing = message.starts_with("missing field");
            fields.iter().find_map(|(key, inner)| {
                let alone = |inner: Value| fails(json!({ key: inner }));
                let nests = inner.is_object() || inner.is_array();
                if (unknown || missing) && (!nests || fails(without(fields, key))) || !alone(inner.clone()) {
                    return None;
                }
                let deeper = blame(inner, message, &alone);
                // Nothing inside is unknown: it is this name itself, which the message says.
                if unknown && deeper.is_none() { None } else { Some(format!(".{key}{}", deeper.unwrap_or_default())) }
            })
        }
        Value::Array(items) => items.iter().enumerate().find_map(|(at, inner)| {
            let alone = |inner: Value| fails(json!([inner]));
            alone(inner.clone()).then(|| format!("[{at}]{}", blame(inner, message, &alone).unwrap_or_default()))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn without(fields: &Map<String, Value>, key: &str) -> Value {
    fields.iter().filter(|(name, _)| *name != key).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// serde's words without Rust's names of types, bounded and printable.
fn words(message: &str) -> String {
    let mut text: String = message.to_owned();
    if text.chars().count() > MESSAGE_CHARS_MAX {
        // What was given is in front, what is expected at the end.
        let start: String = text.chars().take(QUOTE_CHARS_MAX).collect();
        let end = text.rfind(", expected").map_or("", |at| &text[at..]);
        text = format!("{start}…{}", end.chars().take(MESSAGE_CHARS_MAX).collect::<String>());
    }
    for (rust, plain) in [
        ("expected u32", "expected a whole number from 0"),
        ("expected u64", "expected a whole number from 0"),
        ("expected usize", "expected a whole number from 0"),
        ("expected i64", "expected a whole number"),
        ("expected a sequence", "expected an array"),
        ("expected path string", "expected a string"),
        ("expected struct TaskInput", "expected an object"),
        ("invalid type: map", "invalid type: object"),
        ("invalid type: sequence", "invalid type: array"),
    ] {
        text = text.replace(rust, plain);
    }
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn quote(text: &str) -> String {
    text.chars().take(QUOTE_CHARS_MAX).collect::<String>().escape_debug().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[allow(dead_code)]
    struct Outer {
        story_id: String,
        max_count: Option<u32>,
        tasks: Option<Vec<Inner>>,
    }
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Inner {
        id: String,
        title: String,
        #[serde(default)]
        files: Vec<String>,
    }

    #[test]
    fn a_refusal_names_the_place() {
        let good = json!({ "id": "a", "title": "b" });
        for (value, expected) in [
            (json!([]), "x: the arguments are not a JSON object"),
            (json!({}), "x: missing field `storyId`"),
            (json!({ "maxCount": 1 }), "x: missing field `storyId`"),
            (json!({ "tasks": [] }), "x: missing field `storyId`"),
            (json!({ "storyId": "a", "max": 1 }), "x: unknown field `max`, expected one of `storyId`, `maxCount`, `tasks`"),
            (json!({ "storyId": "a", "max": {} }), "x: unknown field `max`, expected one of `storyId`, `maxCount`, `tasks`"),
            (json!({ "storyId": 1 }), "x: `storyId`: invalid type: integer `1`, expected a string"),
            (json!({ "storyId": "a", "maxCount": -1 }), "x: `maxCount`: invalid value: integer `-1`, expected a whole number from 0"),
            (json!({ "storyId": { "a": 1 } }), "x: `storyId`: invalid type: object, expected a string"),
            (json!({ "storyId": ["a", "b"] }), "x: `storyId`: invalid type: array, expected a string"),
            (json!({ "storyId": "a", "tasks": {} }), "x: `tasks`: invalid type: object, expected an array"),
            (json!({ "storyId": "a", "tasks": [good, { "id": "b" }] }), "x: `tasks[1]`: missing field `title`"),
            (json!({ "storyId": "a", "tasks": [good, { "title": "b", "files": [] }] }), "x: `tasks[1]`: missing field `id`"),
            (
                json!({ "storyId": "a", "tasks": [good, { "id": "b", "titel": "c" }] }),
                "x: `tasks[1]`: unknown field `titel`, expected one of `id`, `title`, `files`",
            ),
            (
                json!({ "storyId": "a", "tasks": [good, { "id": "b", "title": "c", "files": ["x", 7] }] }),
                "x: `tasks[1].files[1]`: invalid type: integer `7`, expected a string",
            ),
        ] {
            assert_eq!(decode::<Outer>("x", value, &Value::Null).unwrap_err().detail, expected);
        }
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        let of =
            |count: Value| decode::<Outer>("x", json!({ "storyId": "a", "maxCount": count }), &Value::Null).map(|outer| outer.max_count);
        assert_eq!(of(json!(4.0)).unwrap(), Some(4));
        for wrong in [json!(4.5), json!(-1.0), json!(1e300), json!(1_u64 << 53)] {
            assert!(of(wrong.clone()).unwrap_err().detail.contains("`maxCount`"), "{wrong}");
        }
    }

    #[test]
    fn whatever_is_given_the_message_is_short_and_printable() {
        let long = "\u{1b}[2J".repeat(1_000_000);
        for value in [json!({ &long: 1 }), json!({ "storyId": "a", "maxCount": long }), json!({ "\u{1b}[2J": 1 })] {
            let detail = decode::<Outer>("x", value, &Value::Null).unwrap_err().detail;
            assert!(detail.len() < 1000 && !detail.chars().any(char::is_control), "{detail:?}");
        }
    }
}
