//! What a caller means. Generated clients write `null` for what is left out, hosts and models write every argument as text, other
//! languages write words in their own case. What can mean only one thing is brought to the form of the verb's schema; all else stays
//! as it is, for the verb to refuse by name.

use serde_json::{Map, Number, Value};

/// Other names of fields, where the schema has no field of that name.
const ALIASES: &[(&str, &str)] = &[("id", "storyid"), ("repository", "repositorypath")];

/// Brings a value to the form of a schema.
pub(super) fn fit(value: &mut Value, schema: &Value) {
    fit_at(value, schema, schema);
}

fn fit_at(value: &mut Value, schema: &Value, root: &Value) {
    let schema = whole(schema, root);
    if let Value::String(text) = value
        && let Some(meant) = read(text, schema)
    {
        *value = meant;
    }
    match value {
        Value::Object(fields) => fit_fields(fields, schema, root),
        Value::Array(items) => {
            let Some(inner) = schema.get("items") else { return };
            for item in items {
                fit_at(item, inner, root);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn fit_fields(fields: &mut Map<String, Value>, schema: &Value, root: &Value) {
    let Some(known) = schema.get("properties").and_then(Value::as_object) else { return };
    let strange: Vec<String> = fields.keys().filter(|name| !known.contains_key(*name)).cloned().collect();
    for name in strange {
        // Given twice, the other one stays and is refused: which one is meant cannot be known.
        if let Some(meant) = named(&name, known).filter(|meant| !fields.contains_key(*meant))
            && let Some(value) = fields.remove(&name)
        {
            fields.insert(meant.to_owned(), value);
        }
    }
    let needed = |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|needed| needed == name));
    for (name, inner) in known {
        let is_left_out = match fields.get(name) {
            None => continue,
            Some(Value::Null) => true,
            // A blank is a text, of which the verb may think what it likes.
            Some(Value::String(text)) => {
                !needed(name) && (text.is_empty() || text.trim().is_empty() && !wants(whole(inner, root), "string"))
            }
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => false,
        };
        if is_left_out {
            fields.remove(name);
        } else if let Some(value) = fields.get_mut(name) {
            fit_at(value, inner, root);
        }
    }
}

/// The field that a name in another spelling means: `story_id`, `StoryId` and `story-id` are `storyId`.
fn named<'a>(name: &str, known: &'a Map<String, Value>) -> Option<&'a str> {
    let plain = |name: &str| name.chars().filter(|c| *c != '_' && *c != '-').flat_map(char::to_lowercase).collect::<String>();
    let wanted = plain(name);
    let wanted = ALIASES.iter().find(|(alias, _)| *alias == wanted).map_or(wanted.as_str(), |(_, field)| field);
    known.keys().find(|field| plain(field) == wanted).map(String::as_str)
}

/// What a text means where the schema wants something else, or one of some words.
fn read(text: &str, schema: &Value) -> Option<Value> {
    let text = text.trim();
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words.iter().find(|word| word.as_str().is_some_and(|word| word.eq_ignore_ascii_case(text))).cloned();
    }
    if wants(schema, "string") {
        return None;
    }
    if wants(schema, "boolean") {
        return ["true", "false"].iter().position(|word| word.eq_ignore_ascii_case(text)).map(|at| (at == 0).into());
    }
    if wants(schema, "integer") || wants(schema, "number") {
        return text.strip_prefix('+').unwrap_or(text).parse::<Number>().ok().map(Value::Number);
    }
    let read: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()?;
    (read.is_array() && wants(schema, "array") || read.is_object() && wants(schema, "object")).then_some(read)
}

fn wants(schema: &Value, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(one)) => one == kind,
        Some(Value::Array(kinds)) => kinds.iter().any(|one| one == kind),
        _ => false,
    }
}

/// The schema itself: what a reference names, what may be null besides.
fn whole<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    if let Some(path) = schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix('#')) {
        return root.pointer(path).map_or(schema, |found| whole(found, root));
    }
    let either = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(key)).and_then(Value::as_array);
    let mut real = either.into_iter().flatten().filter(|one| one["type"] != "null");
    match (real.next(), real.next()) {
        (Some(one), None) => whole(one, root),
        _ => schema,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use schemars::JsonSchema;
    use serde_json::json;

    #[derive(JsonSchema)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[allow(dead_code)]
    struct Outer {
        story_id: String,
        max_count: Option<u32>,
        #[serde(default)]
        all: bool,
        maybe: Option<bool>,
        #[schemars(extend("enum" = ["flow", "waves", null]))]
        mode: Option<String>,
        tasks: Option<Vec<Inner>>,
        one: Option<Inner>,
    }
    #[derive(JsonSchema)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[allow(dead_code)]
    struct Inner {
        id: String,
        #[serde(default)]
        depends_on: Vec<String>,
        estimate: Option<u32>,
    }

    fn schema() -> Value {
        schemars::schema_for!(Outer).to_value()
    }

    fn fitted(mut value: Value) -> Value {
        fit(&mut value, &schema());
        value
    }

    #[test]
    fn what_can_mean_only_one_thing_is_taken_for_it() {
        for (given, meant) in [
            (json!({ "storyId": "1", "maxCount": null, "all": null, "tasks": null, "one": null }), json!({ "storyId": "1" })),
            (json!({ "storyId": "1", "maxCount": "", "all": " ", "mode": "", "tasks": "" }), json!({ "storyId": "1" })),
            (json!({ "maxCount": "2", "all": "True", "maybe": "FALSE" }), json!({ "maxCount": 2, "all": true, "maybe": false })),
            (json!({ "maxCount": " +2 " }), json!({ "maxCount": 2 })),
            (json!({ "mode": "Flow" }), json!({ "mode": "flow" })),
            (json!({ "story_id": "1", "MaxCount": 2, "ALL": true }), json!({ "storyId": "1", "maxCount": 2, "all": true })),
            (json!({ "id": "1" }), json!({ "storyId": "1" })),
            (
                json!({ "tasks": "[{\"id\": \"a\", \"depends_on\": null, \"estimate\": \"5\"}]" }),
                json!({ "tasks": [{ "id": "a", "estimate": 5 }] }),
            ),
            (json!({ "one": "{\"id\": \"a\", \"dependsOn\": \"[\\\"b\\\"]\"}" }), json!({ "one": { "id": "a", "dependsOn": ["b"] } })),
        ] {
            assert_eq!(fitted(given.clone()), meant, "{given}");
        }
    }

    #[test]
    fn what_could_mean_two_things_stays_for_the_refusal() {
        for given in [
            json!({ "storyId": "" }),
            json!({ "storyId": 7 }),
            json!({ "maxCount": "two", "all": "yes", "mode": "fast", "tasks": "a plan" }),
            json!({ "maxCount": true, "all": 1 }),
            json!({ "storyId": "1", "story_id": "2" }),
            json!({ "nonsense": null }),
            json!({ "tasks": "{\"id\": \"a\"}", "one": "[]" }),
            json!({ "tasks": [null] }),
            json!([]),
        ] {
            assert_eq!(fitted(given.clone()), given);
        }
        assert_eq!(fitted(json!({ "storyId": null })), json!({}), "the verb says that it is missing");
    }

    proptest! {
        #[test]
        fn fitting_again_changes_nothing(count in any::<i64>(), text in ".{0,12}", yes in any::<bool>()) {
            let texts = json!({
                "story_id": text, "maxCount": count.to_string(), "all": yes.to_string(), "mode": text,
                "tasks": json!([{ "id": text, "estimate": text, "dependsOn": [text] }]).to_string()
            });
            let once = fitted(texts);
            prop_assert_eq!(&once["maxCount"], &json!(count));
            prop_assert_eq!(&once["all"], &json!(yes));
            prop_assert_eq!(&once["tasks"][0]["id"], &json!(text));
            prop_assert_eq!(fitted(once.clone()), once);
        }
    }
}
