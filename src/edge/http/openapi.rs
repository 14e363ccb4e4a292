//! `GET /openapi.json`: the API described in OpenAPI 3.1, made from the table of routes and the schemas of the verbs.

use super::routes::{Method, PREFIX, PREFIXES, ROUTES, RUN, Route};
use crate::error::Problem;
use crate::ops;
use axum::Router;
use axum::http::header;
use axum::routing::get;
use serde_json::{Map, Value, json};
use std::sync::OnceLock;

pub(super) fn router() -> Router {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = || TEXT.get_or_init(|| document().to_string()).as_str();
    Router::new().route("/openapi.json", get(move || async move { ([(header::CONTENT_TYPE, "application/json")], text()) }))
}

/// The whole document. The alias has the same paths; it is said, not repeated.
#[must_use]
pub(super) fn document() -> Value {
    let mut schemas = Map::new();
    let problem = schemars::generate::SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Problem>();
    let problem = hoist(problem.into(), &mut schemas);
    schemas.insert("Problem".into(), problem);
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(format!("{}{}", PREFIXES[0], route.path)).or_insert_with(|| json!({}));
        path[route.method.name()] = operation(route, &mut schemas);
    }
    paths.insert(format!("{PREFIX}{RUN}"), json!({ "get": run(&mut schemas) }));
    for (path, parameters) in [(format!("{}/{{id}}/events", PREFIXES[0]), vec![id("id")]), (format!("{}/events", PREFIXES[0]), vec![])] {
        paths.insert(path, json!({ "get": events(parameters) }));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Aura",
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!("Stories on parallel coding agents. Every path under `{}` is also served under `{}`.", PREFIXES[0], PREFIXES[1]),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" }
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }, { "cookie": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "The content of `http-token` in Aura's home." },
                "cookie": { "type": "apiKey", "in": "cookie", "name": "aura-5300", "description": "Set by the link that `aura serve` prints; the name ends with the port." }
            },
            "schemas": schemas
        }
    })
}

fn operation(route: &Route, schemas: &mut Map<String, Value>) -> Value {
    let Some(verb) = route.verb() else { return Value::Null };
    let mut input = hoist((verb.input)().into(), schemas);
    let output = hoist((verb.output)().into(), schemas);
    bound(&mut input);
    let about = input["description"].as_str().unwrap_or_default().to_owned();
    let mut parameters: Vec<Value> =
        ["id", "taskId"].into_iter().filter(|name| route.path.contains(&format!("{{{name}}}"))).map(id).collect();
    let required: Vec<Value> = input["required"].as_array().cloned().unwrap_or_default();
    let required: Vec<Value> = required.into_iter().filter(|name| name != "storyId" && name != "taskId").collect();
    if let Some(fields) = input["properties"].as_object_mut() {
        fields.retain(|name, _| name != "storyId" && name != "taskId");
    }
    input["required"] = required.clone().into();
    refine(verb.name, &mut input);
    let mut found = json!({
        "operationId": verb.name,
        "summary": about.split(". ").next().unwrap_or_default().trim_end_matches('.'),
        "description": about,
        "responses": responses(route, &output)
    });
    if route.method == Method::Post {
        found["requestBody"] = json!({ "required": !input["required"].as_array().is_none_or(Vec::is_empty), "content": { "application/json": { "schema": input } } });
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "schema": { "type": "string", "pattern": "^[!-~]{1,255}$" },
            "description": "The same key with the same body is answered once more, not done once more; until the server ends, at most a day."
        }));
        if verb.name == "run_wave" {
            parameters.push(json!({ "name": "wait", "in": "query", "schema": { "type": "integer", "minimum": 0 }, "description": "Seconds to wait for the end of the run." }));
        }
    } else {
        for (name, schema) in input["properties"].as_object().into_iter().flatten() {
            parameters.push(json!({ "name": name, "in": "query", "required": required.contains(&json!(name)), "schema": without_null(schema), "description": schema["description"] }));
        }
        if route.method == Method::Get {
            parameters.push(json!({ "name": "If-None-Match", "in": "header", "schema": { "type": "string" }, "description": "The `ETag` that is known already." }));
        }
    }
    found["parameters"] = parameters.into();
    found
}

/// How large a number may be: what programs elsewhere know of a Rust type by its name only.
fn bound(schema: &mut Value) {
    let max = match schema["format"].as_str() {
        Some("uint32") => Some(i64::from(u32::MAX)),
        // What every language can say exactly.
        Some("uint" | "uint64" | "int64") => Some((1 << 53) - 1),
        Some(_) | None => None,
    };
    if let (Some(max), Some(fields)) = (max, schema.as_object_mut()) {
        let min = if fields["format"] == "int64" { -max } else { 0 };
        fields.remove("format");
        fields.entry("maximum").or_insert(max.into());
        fields.entry("minimum").or_insert(min.into());
    }
    match schema {
        Value::Object(fields) => fields.values_mut().for_each(bound),
        Value::Array(items) => items.iter_mut().for_each(bound),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What a body must hold here and the table of verbs cannot say: a command line has a current folder, and another way to wait.
fn refine(verb: &str, input: &mut Value) {
    match verb {
        "create_story" => {
            input["required"] = json!(["repositoryPath"]);
            input["properties"]["repositoryPath"]["type"] = "string".into();
            let one = |name: &str| json!({ "required": [name], "properties": { name: { "type": "string" } } });
            input["anyOf"] = json!([one("title"), one("issueUrl")]);
        }
        "run_wave" => {
            let fields = input["properties"].as_object_mut();
            fields.and_then(|fields| fields.remove("waitSeconds"));
        }
        _ => {}
    }
}

fn responses(route: &Route, output: &Value) -> Value {
    let good = |text: &str| json!({ "description": text, "content": { "application/json": { "schema": output } } });
    let mut found = json!({});
    match route.verb {
        "create_story" => found["201"] = good("Created; `Location` is the story."),
        "run_wave" => {
            found["202"] = good("It runs; `Location` is its status, `Link` its events.");
            found["200"] = good("It has ended, or nothing was left to run.");
        }
        _ => found["200"] = good("Done."),
    }
    if route.method == Method::Get {
        found["304"] = json!({ "description": "As the client knows it." });
    }
    found["default"] = refusal();
    found
}

/// The result of one run: what `run_wave` answers.
fn run(schemas: &mut Map<String, Value>) -> Value {
    let output = ops::find("run_wave").map(|verb| hoist((verb.output)().into(), schemas)).unwrap_or_default();
    let wait = json!({ "type": "integer", "minimum": 0, "maximum": ops::WAIT_SECONDS_MAX });
    json!({
        "operationId": "get_run",
        "summary": "Show what a run has come to",
        "description": "What a run has come to, as `run_wave` answers it. Whoever waits for its end keeps it driven.",
        "parameters": [
            id("id"),
            { "name": "runId", "in": "path", "required": true, "schema": { "type": "string", "format": "uuid" }, "description": "`runId` of a run's answer." },
            { "name": "wait", "in": "query", "schema": wait, "description": "Seconds to wait for the end of the run." },
            { "name": "If-None-Match", "in": "header", "schema": { "type": "string" }, "description": "The `ETag` that is known already." }
        ],
        "responses": {
            "200": { "description": "As far as it is.", "content": { "application/json": { "schema": output } } },
            "304": { "description": "As the client knows it." },
            "default": refusal()
        }
    })
}

fn refusal() -> Value {
    json!({ "description": "Refused.", "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } } })
}

fn events(mut parameters: Vec<Value>) -> Value {
    let query = |name: &str, schema: Value, text: &str| json!({ "name": name, "in": "query", "schema": schema, "description": text });
    parameters.push(query("since", json!({ "type": "integer" }), "Start after this position; 0 is the beginning, -1 now."));
    parameters.push(query("untilEnd", json!({ "type": "boolean" }), "End with the run."));
    parameters.push(query("format", json!({ "enum": ["sse", "jsonl"] }), "Instead of `Accept`."));
    parameters.push(json!({ "name": "Last-Event-ID", "in": "header", "schema": { "type": "string", "pattern": "^[0-9]{1,18}$" }, "description": "Goes on after this event." }));
    let text = |text: &str| json!({ "schema": { "type": "string", "description": text } });
    json!({
        "summary": "Follow events",
        "description": "Every event once, in order; `id` is its position. A reader that comes again with `Last-Event-ID` misses nothing.",
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "A stream that goes on.",
                "content": { "text/event-stream": text("Events"), "application/x-ndjson": text("One event a line") }
            },
            "default": refusal()
        }
    })
}

fn id(name: &str) -> Value {
    let text = if name == "id" { "Id of the story, the start of one, or `latest`." } else { "Id of the task." };
    json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 }, "description": text })
}

/// A query cannot say null.
fn without_null(schema: &Value) -> Value {
    let mut schema = schema.clone();
    for key in ["type", "enum"] {
        if let Some(list) = schema.get_mut(key).and_then(Value::as_array_mut) {
            list.retain(|item| !item.is_null() && item != "null");
        }
    }
    schema
}

/// Moves the definitions of a schema to where the document keeps them.
fn hoist(mut schema: Value, schemas: &mut Map<String, Value>) -> Value {
    if let Some(Value::Object(definitions)) = schema.as_object_mut().and_then(|fields| fields.remove("$defs")) {
        for (name, mut definition) in definitions {
            point(&mut definition);
            schemas.insert(name, definition);
        }
    }
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("$schema");
    }
    point(&mut schema);
    schema
}

fn point(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key == "$ref" => *text = text.replace("#/$defs/", "#/components/schemas/"),
                    value => point(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(point),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
