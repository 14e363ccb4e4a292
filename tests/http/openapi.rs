//! The description of the API as generators of clients read it, and what they make of it.

use super::cli_world::Cli;
use super::server::{STORIES, Server};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

fn document() -> Value {
    let cli = Cli::new();
    Server::start(&cli).raw("GET", "/openapi.json", &[], b"").well(200)
}

fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, methods): (&String, &Value)| -> Vec<(String, String, Value)> {
        methods.as_object().unwrap().iter().map(|(method, found)| (path.clone(), method.clone(), found.clone())).collect()
    };
    paths.iter().flat_map(of).collect()
}

/// Calls back for every schema and what holds it.
fn visit(value: &Value, path: &str, each: &mut dyn FnMut(&Map<String, Value>, &str)) {
    match value {
        Value::Object(fields) => {
            each(fields, path);
            for (key, inner) in fields {
                visit(inner, &format!("{path}/{key}"), each);
            }
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(at, inner)| visit(inner, &format!("{path}/{at}"), each)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn operations_have_names_tags_and_named_schemas_that_generators_agree_on() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path}")).to_owned();
        assert!(id.chars().all(char::is_alphanumeric) && id.starts_with(|c: char| c.is_ascii_lowercase()), "{id} is not camelCase");
        assert!(ids.insert(id.clone()), "{id} is there twice");
        let tag = &operation["tags"][0];
        assert!(document["tags"].as_array().unwrap().iter().any(|known| known["name"] == *tag), "{id}: {tag}");
        let mut good = BTreeSet::new();
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let schema = &answer["content"]["application/json"]["schema"];
            if !schema.is_null() {
                good.insert(schema["$ref"].as_str().unwrap_or_else(|| panic!("{id} {status}: a schema without a name")).to_owned());
            }
            for (name, header) in answer["headers"].as_object().into_iter().flatten() {
                assert!(header["description"].is_string() && header["schema"]["type"].is_string(), "{id}: {name}");
            }
        }
        assert!(good.len() <= 1, "{id}: more than one type for a good answer: {good:?}");
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        assert!(body.is_null() || body["$ref"].is_string(), "{id}: a body without a name");
    }
    for wanted in ["createStory", "runWave", "getOrchestratorStatus", "getRun", "followEvents", "callTool", "getHealth"] {
        assert!(ids.contains(wanted), "{wanted}");
    }
    let run = &document["paths"][format!("{STORIES}/{{id}}/run")]["post"]["responses"];
    assert_eq!(run["200"]["content"], run["202"]["content"]);
    assert!(run["202"]["headers"]["Retry-After"].is_object());
}

#[test]
fn schemas_keep_to_what_every_generator_reads() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for body in schemas.iter().filter(|(name, _)| name.ends_with("Body")) {
        assert!(body.1["properties"].is_object() && body.1["anyOf"].is_null() && body.1["oneOf"].is_null(), "{}", body.0);
    }
    for name in ["Story", "StoryTask", "StoryTaskStatus", "RunView", "StatusView", "StoryEvent", "TaskLandedEvent", "Problem"] {
        assert!(schemas.contains_key(name), "{name}");
    }
    for list in ["StoryTaskStatus", "StoryStatus", "OrchestratorStatus", "TaskPhase", "GateVerdict", "RunOutcome"] {
        let schema = &schemas[list];
        assert!(schema["enum"].is_array() && schema["type"] == "string", "{list}: {schema}");
    }
    let formats = ["date-time", "uuid", "uri", "int32", "int64", "double", "binary"];
    visit(&document, "", &mut |fields, path| {
        assert!(!fields.contains_key("anyOf"), "{path}: anyOf");
        assert!(!fields.contains_key("const"), "{path}: const");
        if let Some(Value::String(format)) = fields.get("format") {
            assert!(formats.contains(&format.as_str()), "{path}: format {format}");
        }
        if fields.get("type") == Some(&json!("integer")) {
            assert!(fields.contains_key("format"), "{path}: how large?");
        }
        if let Some(Value::String(target)) = fields.get("$ref") {
            assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{path}: {target}");
        }
        for (name, schema) in fields.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let format = &schema["format"];
            if name.ends_with("At") || name.ends_with("Until") {
                assert_eq!(format, "date-time", "{path}: {name}");
            }
            if ["storyId", "runId", "sessionId", "agentSessionId"].contains(&name.as_str()) {
                assert_eq!(format, "uuid", "{path}: {name}");
            }
            if name.ends_with("Url") || name == "url" {
                assert_eq!(format, "uri", "{path}: {name}");
            }
        }
    });
}

/// What may be left out of an argument may be null in it: `System.Text.Json` writes that.
#[test]
fn what_is_optional_in_a_body_may_be_null() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (name, body) in schemas.iter().filter(|(name, _)| name.ends_with("Body") || name.as_str() == "TaskInput") {
        let needed = body["required"].as_array().unwrap();
        for (field, schema) in body["properties"].as_object().unwrap() {
            let nullable = schema["type"].as_array().is_some_and(|kinds| kinds.contains(&json!("null")))
                || schema["oneOf"].as_array().is_some_and(|some| some.iter().any(|one| one["type"] == "null"));
            assert_eq!(nullable, !needed.contains(&json!(field)), "{name}: {field}: {schema}");
        }
    }
}

/// Every event that was ever written, against its description.
#[test]
fn every_event_is_described_with_its_fields() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let kinds = schemas["StoryEvent"]["discriminator"]["mapping"].as_object().unwrap();
    let golden = include_str!("../golden/events.jsonl");
    let mut seen = BTreeSet::new();
    for line in golden.lines().filter(|line| !line.is_empty()) {
        let mut event: Value = serde_json::from_str(line).unwrap();
        // As it is sent: in the words of the answers.
        if let Some(run) = event.as_object_mut().unwrap().remove("run") {
            event["runId"] = run;
        }
        let kind = event["kind"].as_str().unwrap();
        let Some(Value::String(target)) = kinds.get(kind) else { panic!("`{kind}` is not in src/ops/kinds.rs") };
        let schema = document.pointer(target.trim_start_matches('#')).unwrap();
        fits(&event, schema, &document, kind, &["seq", "at", "storyId"]);
        seen.insert(kind.to_owned());
    }
    assert_eq!(seen, kinds.keys().cloned().collect::<BTreeSet<_>>(), "src/ops/kinds.rs describes what is never written");
}

/// Fails where a value has a field that its schema has not, or lacks one that it needs.
#[track_caller]
fn fits(value: &Value, schema: &Value, document: &Value, path: &str, added: &[&str]) {
    if let Some(target) = schema["$ref"].as_str() {
        let schema = document.pointer(target.trim_start_matches('#')).unwrap();
        return fits(value, schema, document, path, added);
    }
    if let Some(items) = value.as_array() {
        assert_eq!(schema["type"], "array", "{path}");
        return items.iter().for_each(|item| fits(item, &schema["items"], document, &format!("{path}[]"), &[]));
    }
    let kinds = [&schema["type"]].into_iter().chain(schema["type"].as_array().into_iter().flatten());
    let shown = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) | Value::Object(_) => "object",
    };
    assert!(kinds.clone().any(|kind| kind == shown || kind == "number" && shown == "integer"), "{path} is {shown}: {schema}");
    let (Some(fields), Some(known)) = (value.as_object(), schema["properties"].as_object()) else { return };
    for (name, inner) in fields {
        let schema = known.get(name).unwrap_or_else(|| panic!("{path}: `{name}` is not in src/ops/kinds.rs"));
        fits(inner, schema, document, &format!("{path}.{name}"), &[]);
    }
    for name in schema["required"].as_array().unwrap().iter().filter_map(Value::as_str) {
        assert!(fields.contains_key(name) || added.contains(&name), "{path}: `{name}` is missing, and not marked `~`");
    }
}
