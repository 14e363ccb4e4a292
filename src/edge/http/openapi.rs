//! `GET /openapi.json`: the API described in OpenAPI 3.1, made from the table of routes and the schemas of the verbs, for people and
//! for generators of clients.

use super::described::{SCHEMAS, Schemas, without_null};
use super::routes::{Method, PREFIX, PREFIXES, ROUTES, RUN, Route};
use super::{TOOLS, health};
use crate::error::Problem;
use crate::ops::{self, Toolset, VERBS};
use axum::Router;
use axum::http::header;
use axum::routing::get;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::sync::OnceLock;

const TAG_EVENTS: &str = "Events";
const TAG_SERVER: &str = "Server";

pub(super) fn router() -> Router {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = || TEXT.get_or_init(|| document().to_string()).as_str();
    Router::new().route("/openapi.json", get(move || async move { ([(header::CONTENT_TYPE, "application/json")], text()) }))
}

/// The whole document. The alias has the same paths; it is said, not repeated.
#[must_use]
pub(super) fn document() -> Value {
    let mut schemas = Schemas::default();
    schemas.refer(SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Problem>());
    schemas.keep("StoryEvent", event());
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(format!("{PREFIX}{}", route.path)).or_insert_with(|| json!({}));
        path[route.method.name()] = operation(route, &mut schemas);
    }
    paths.insert(format!("{PREFIX}{RUN}"), json!({ "get": run(&mut schemas) }));
    paths.insert(format!("{PREFIX}/{{id}}/events"), json!({ "get": events("followStoryEvents", vec![id("id")]) }));
    paths.insert(format!("{PREFIX}/events"), json!({ "get": events("followEvents", vec![]) }));
    paths.insert(format!("{TOOLS}/{{tool}}"), json!({ "post": tool(&mut schemas) }));
    paths.insert("/api/link".into(), json!({ "post": link(&mut schemas) }));
    paths.insert(health::PATH.into(), json!({ "get": alive(&mut schemas) }));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Aura",
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!(
                "Stories on parallel coding agents. Every path under `{}` is also served under `{}`. Fields, words in lists, kinds of \
                 events and routes may be added; none is renamed or removed. In arguments `null` and an empty text mean what leaving \
                 out means, and words may be written in any case.", PREFIXES[0], PREFIXES[1]
            ),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" }
        },
        "servers": [{ "url": "/" }],
        "tags": tags(),
        "security": [{ "token": [] }, { "cookie": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "The content of `http-token` in Aura's home." },
                "cookie": { "type": "apiKey", "in": "cookie", "name": "aura-5300", "description": "Set by the link that `aura serve` prints; the name ends with the port." }
            },
            "schemas": schemas.into_value()
        }
    })
}

/// Every event, with what it is made of.
fn event() -> Value {
    let mut all = ops::follow::schemas();
    let mut event = all.shift_remove("StoryEvent").unwrap_or_default();
    event["$defs"] = all.into();
    event
}

fn tag(toolset: Toolset) -> &'static str {
    match toolset {
        Toolset::Plan => "Plan",
        Toolset::Run => "Run",
        Toolset::Finish => "Finish",
    }
}

fn tags() -> Value {
    json!([
        { "name": tag(Toolset::Plan), "description": "Create a story and plan it." },
        { "name": tag(Toolset::Run), "description": "Run it, and see how far it is." },
        { "name": tag(Toolset::Finish), "description": "Complete it, and remove what is no longer needed." },
        { "name": TAG_EVENTS, "description": "What happens, as it happens." },
        { "name": TAG_SERVER, "description": "The server itself." }
    ])
}

/// `run_wave` → `runWave`.
fn operation_id(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |id, word| id + &word[..1].to_ascii_uppercase() + &word[1..])
}

fn operation(route: &Route, schemas: &mut Schemas) -> Value {
    let Some(verb) = route.verb() else { return Value::Null };
    let output = schemas.refer((verb.output)());
    let name = (verb.input)().get("title").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut input = schemas.argument((verb.input)());
    let about = input.as_object_mut().and_then(|fields| fields.remove("description")).unwrap_or_default();
    let about = about.as_str().unwrap_or_default().replace('\n', " ");
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
        "operationId": operation_id(verb.name),
        "tags": [tag(verb.toolset)],
        "summary": about.split(". ").next().unwrap_or_default().trim_end_matches('.'),
        "description": about,
        "responses": responses(route, &output)
    });
    if route.method == Method::Post {
        let needed = !input["required"].as_array().is_none_or(Vec::is_empty);
        if input["properties"].as_object().is_some_and(|fields| !fields.is_empty()) {
            let body = schemas.keep(&format!("{name}Body"), input);
            found["requestBody"] = json!({ "required": needed, "content": { "application/json": { "schema": body } } });
        }
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "schema": { "type": "string", "pattern": "^[!-~]{1,255}$" },
            "description": "The same key with the same body is answered once more, not done once more; until the server ends, at most a day."
        }));
        if verb.name == "run_wave" {
            parameters.push(
                json!({ "name": "wait", "in": "query", "schema": seconds(), "description": "Seconds to wait for the end of the run." }),
            );
        }
    } else {
        for (name, schema) in input["properties"].as_object().into_iter().flatten() {
            let mut schema = without_null(schema);
            let about = schema.as_object_mut().and_then(|fields| fields.remove("description")).unwrap_or_default();
            parameters.push(
                json!({ "name": name, "in": "query", "required": required.contains(&json!(name)), "schema": schema, "description": about }),
            );
        }
        if route.method == Method::Get {
            parameters.push(if_none_match());
        }
    }
    found["parameters"] = parameters.into();
    found
}

/// What a body must hold here and the table of verbs cannot say: a command line has a current folder, and another way to wait.
fn refine(verb: &str, input: &mut Value) {
    match verb {
        "create_story" => {
            input["required"] = json!(["repositoryPath"]);
            input["properties"]["repositoryPath"]["type"] = "string".into();
        }
        "run_wave" => {
            let fields = input["properties"].as_object_mut();
            fields.and_then(|fields| fields.remove("waitSeconds"));
        }
        _ => {}
    }
}

/// An answer: `headers` are those that it may have besides the exit code.
fn good(text: &str, schema: &Value, headers: &[(&str, &str)]) -> Value {
    let about = "What the command line would have ended with.";
    let mut shown = json!({ "Aura-Exit-Code": { "description": about, "schema": { "type": "integer", "format": "int32" } } });
    for (name, about) in headers {
        let schema = if *name == "Retry-After" { json!({ "type": "integer", "format": "int32" }) } else { json!({ "type": "string" }) };
        shown[*name] = json!({ "description": about, "schema": schema });
    }
    json!({ "description": text, "headers": shown, "content": { "application/json": { "schema": schema } } })
}

const TAG: (&str, &str) = ("ETag", "The answer's tag, for `If-None-Match`.");
const REPLAYED: (&str, &str) = ("Idempotency-Replayed", "`true`: the first answer once more.");

fn responses(route: &Route, output: &Value) -> Value {
    let mut found = json!({});
    match route.verb {
        "create_story" => found["201"] = good("Created.", output, &[("Location", "The story."), REPLAYED]),
        "run_wave" => {
            let headers = [
                ("Location", "The status of the story."),
                ("Link", "With `rel=\"monitor\"`: the events of the run."),
                ("Retry-After", "Seconds after which asking again is worth it."),
                REPLAYED,
            ];
            found["202"] = good("It runs.", output, &headers);
            found["200"] = good("It has ended, or nothing was left to run.", output, &[REPLAYED]);
        }
        "list_stories" => found["200"] = good("Done.", output, &[TAG, ("Link", "With `rel=\"next\"`: the next page.")]),
        _ if route.method == Method::Get => found["200"] = good("Done.", output, &[TAG]),
        _ if route.method == Method::Post => found["200"] = good("Done.", output, &[REPLAYED]),
        _ => found["200"] = good("Done.", output, &[]),
    }
    if route.method == Method::Get {
        found["304"] = json!({ "description": "As the client knows it." });
    }
    found["default"] = refusal();
    found
}

/// The result of one run: what `run_wave` answers.
fn run(schemas: &mut Schemas) -> Value {
    let output = ops::find("run_wave").map(|verb| schemas.refer((verb.output)())).unwrap_or_default();
    json!({
        "operationId": "getRun",
        "tags": [tag(Toolset::Run)],
        "summary": "Show what a run has come to",
        "description": "What a run has come to, as `runWave` answers it. Whoever waits for its end keeps it driven.",
        "parameters": [
            id("id"),
            { "name": "runId", "in": "path", "required": true, "schema": { "type": "string", "format": "uuid" }, "description": "`runId` of a run's answer." },
            { "name": "wait", "in": "query", "schema": seconds(), "description": "Seconds to wait for the end of the run." },
            if_none_match()
        ],
        "responses": {
            "200": good("As far as it is.", &output, &[TAG]),
            "304": { "description": "As the client knows it." },
            "default": refusal()
        }
    })
}

/// Any tool by its name: what no generator can know the type of.
fn tool(schemas: &mut Schemas) -> Value {
    let names: Vec<&str> = VERBS.iter().map(|verb| verb.name).collect();
    let open = |about: &str| json!({ "type": "object", "additionalProperties": true, "description": about });
    let (body, answer) = (
        schemas.keep("ToolArguments", open("The arguments of the tool, as `aura call` takes them.")),
        schemas.keep("ToolAnswer", open("What the tool answers, as `aura call` prints it.")),
    );
    json!({
        "operationId": "callTool",
        "tags": [TAG_SERVER],
        "summary": "Call a tool by its name",
        "description": "`aura call` over HTTP: everything is in the body, and the answer is 200 whatever was done. The routes say more about the same.",
        "parameters": [
            { "name": "tool", "in": "path", "required": true, "schema": { "type": "string", "enum": names }, "description": "Name of the tool." },
            { "name": "Idempotency-Key", "in": "header", "schema": { "type": "string", "pattern": "^[!-~]{1,255}$" }, "description": "As for the routes." }
        ],
        "requestBody": { "required": false, "content": { "application/json": { "schema": body } } },
        "responses": { "200": good("Done.", &answer, &[REPLAYED]), "default": refusal() }
    })
}

fn link(schemas: &mut Schemas) -> Value {
    let about = "A link that opens the board once.";
    let answer = json!({ "type": "object", "description": about, "properties": { "url": { "type": "string", "format": "uri" } }, "required": ["url"] });
    let answer = schemas.keep("BoardLink", answer);
    json!({
        "operationId": "createLink",
        "tags": [TAG_SERVER],
        "summary": "Make a link that opens the board once",
        "responses": { "200": { "description": "Made.", "content": { "application/json": { "schema": answer } } }, "default": refusal() }
    })
}

fn alive(schemas: &mut Schemas) -> Value {
    let text = json!({ "type": "string" });
    let answer = json!({
        "type": "object", "description": "A server that answers.",
        "properties": { "status": { "type": "string", "description": "`ok`." }, "name": text, "version": text }, "required": ["status", "name", "version"]
    });
    let answer = schemas.keep("ServerHealth", answer);
    json!({
        "operationId": "getHealth",
        "tags": [TAG_SERVER],
        "summary": "Show that the server answers",
        "description": "Needs no token, and tells nothing about stories.",
        "security": [],
        "responses": { "200": { "description": "It does.", "content": { "application/json": { "schema": answer } } }, "default": refusal() }
    })
}

fn refusal() -> Value {
    let seconds = json!({ "type": "integer", "format": "int32" });
    json!({
        "description": "Refused.",
        "headers": { "Retry-After": { "description": "Seconds after which asking again is worth it, where it is.", "schema": seconds } },
        "content": { "application/problem+json": { "schema": { "$ref": format!("{SCHEMAS}Problem") } } }
    })
}

fn events(name: &str, mut parameters: Vec<Value>) -> Value {
    let query = |name: &str, schema: Value, text: &str| json!({ "name": name, "in": "query", "schema": schema, "description": text });
    let position = json!({ "type": "integer", "format": "int64" });
    parameters.push(query("since", position, "Start after this position; 0 is the beginning, -1 now."));
    parameters.push(query("untilEnd", json!({ "type": "boolean" }), "End with the run."));
    parameters.push(query("format", json!({ "type": "string", "enum": ["sse", "jsonl"] }), "Instead of `Accept`."));
    parameters.push(query("kind", json!({ "type": "string" }), "Only events of these kinds, divided by commas."));
    parameters.push(query("names", json!({ "type": "boolean" }), "Whether an event of the stream is named by its kind (default true)."));
    let often = json!({ "type": "integer", "format": "int32", "minimum": 1, "maximum": 60 });
    parameters.push(query("heartbeat", often, "Seconds between signs of life that are events named `heartbeat`, not comments."));
    parameters.push(json!({ "name": "Last-Event-ID", "in": "header", "schema": { "type": "string", "pattern": "^[0-9]{0,18}$" }, "description": "Goes on after this event; empty: none yet." }));
    // As a stream of bytes, which is read while it comes.
    let stream = json!({ "schema": { "type": "string", "format": "binary" } });
    json!({
        "operationId": name,
        "tags": [TAG_EVENTS],
        "summary": "Follow events",
        "description": "Every event once, in order: a `StoryEvent` each. `id` is its position, `event` its kind. A reader that comes again with `Last-Event-ID` misses nothing.",
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "A stream that goes on.",
                "headers": { "Aura-Since": { "description": "The position that it starts after.", "schema": { "type": "integer", "format": "int64" } } },
                "content": { "text/event-stream": stream, "application/x-ndjson": stream }
            },
            "default": refusal()
        }
    })
}

fn id(name: &str) -> Value {
    let text = if name == "id" { "Id of the story, the start of one, or `latest`." } else { "Id of the task." };
    json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 }, "description": text })
}

fn seconds() -> Value {
    json!({ "type": "integer", "format": "int32", "minimum": 0, "maximum": ops::WAIT_SECONDS_MAX })
}

fn if_none_match() -> Value {
    json!({ "name": "If-None-Match", "in": "header", "schema": { "type": "string" }, "description": "The `ETag` that is known already." })
}
