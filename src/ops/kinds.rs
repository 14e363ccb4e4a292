//! The events of the log as they are sent, described: every kind with its fields. `tests/http/openapi.rs` holds each line of
//! `tests/golden/events.jsonl` against this table, so a kind or a field that is added to the log is added here.

use serde_json::{Map, Value, json};

/// Kind, when it happens, and its fields. A field is `name:form`: `text`, `texts`, `id` (a UUID), `commit` (a git object), `count`,
/// `big` (a large count), `number`, `yes`, `time`, `uri`, `object`, or a part of [`PARTS`], in brackets a list of it. `?` after
/// it: it may be null; `~` before it: it may be missing.
pub const KINDS: &[(&str, &str, &str)] = &[
    (
        "storyCreated",
        "A story was created.",
        "title:text description:text repository:text baseBranch:text? baseCommit:commit baseTree:commit branch:text root:text \
         agent:text? planner:text? issueUrl:uri?",
    ),
    ("analysisStarted", "The repository is being analyzed.", ""),
    ("analysisFinished", "Facts were gathered, and read by a model where one was asked.", "facts:object reading:text?"),
    ("analysisFailed", "The analysis did not work.", "error:text"),
    ("planningStarted", "The story is being planned.", "planner:text"),
    (
        "planAccepted",
        "The plan of a story.",
        "planner:text tasks:[PlannedTask] addedOrders:[AddedOrder] maxParallelism:count includeTests:yes",
    ),
    ("planningFailed", "There is no plan.", "error:text"),
    ("runRequested", "A run was asked for.", "runId:id scope:text mode:text maxParallelism:count?"),
    ("cancelRequested", "A run is being cancelled.", "runId:id how:text"),
    ("runStopped", "A run cannot go on.", "runId:id reason:text detail:text"),
    ("roundStarted", "The run goes back to what failed or was skipped.", "runId:id round:count"),
    ("runEnded", "A run has ended.", "runId:id outcome:text ~reason:text ~detail:text"),
    (
        "attemptStarted",
        "An agent was started on a task.",
        "task:text attempt:count purpose:Purpose agent:text session:id base:commit worktree:text job:text",
    ),
    (
        "attemptPrepared",
        "The worktree of an attempt is ready, and proven to be.",
        "task:text attempt:count upon:commit origin:commit start:commit",
    ),
    ("attemptActivity", "What an agent does now, in a few words of its own.", "task:text attempt:count text:text"),
    (
        "attemptEnded",
        "An agent has ended.",
        "task:text attempt:count outcome:AttemptOutcome summary:text usage:AttemptUsageView rescue:text? ~left:commit resumeAt:time? \
         ~leftOut:LeftOut",
    ),
    ("taskAccepted", "The work of an agent may land.", "task:text attempt:count head:commit files:[ChangedFile] outsideClaim:texts"),
    ("landingConflicted", "Work conflicts with what has landed.", "task:text attempt:count tip:commit paths:texts"),
    ("taskLanded", "Work is on the story branch.", "task:text attempt:count head:commit onto:commit commit:commit tree:commit"),
    ("taskFailed", "A task is out of attempts, or cannot be done.", "task:text error:text"),
    ("taskSkipped", "A task is skipped, because one that it depends on did not land.", "task:text because:text"),
    ("taskRetried", "A person asks for one more try.", "task:text"),
    ("tipAdopted", "A person's commit is the tip of the story branch.", "onto:commit commit:commit tree:commit"),
    ("landingsVerified", "All landed work was looked for at the tip of the story branch.", "tip:commit missing:[MissingWork]"),
    ("gateStarted", "The checks run at a commit.", "commit:commit tree:commit wave:count"),
    ("gateFinished", "What the checks found.", "wave:count report:GateReport"),
    (
        "judged",
        "What was found about the files that decide the gate.",
        "base:commit commit:commit tree:commit findings:[Finding] laid:texts ~restored:GateReport takeBack:count?",
    ),
    ("findingsAccepted", "A person has accepted what was held.", "ids:texts by:text reason:text"),
    ("culpritFound", "A task whose landing turned the gate red, alone or beside others.", "commit:commit task:text"),
    ("culpritUnknown", "No task could be blamed.", "commit:commit why:text"),
    ("repairFailed", "The red gate was not repaired.", "task:text error:text"),
    ("completionStarted", "The story is being completed.", ""),
    ("baseConflicted", "What the base branch has gained conflicts with the story.", "base:commit onto:commit paths:texts"),
    ("baseBrought", "The base branch was merged in.", "base:commit onto:commit commit:commit tree:commit"),
    ("squashed", "All landings are one commit.", "base:commit tip:commit commit:commit"),
    ("squashDropped", "That commit is made anew.", "commit:commit why:text"),
    ("pushStarted", "A push is about to be made.", "remote:text branch:text commit:commit was:commit?"),
    ("branchPushed", "The remote branch holds the commit.", "remote:text branch:text commit:commit"),
    ("pullRequestOpened", "A pull request asks for the commit.", "number:big url:uri updated:yes"),
    ("storyPublished", "The story is completed.", "commit:commit publish:text ~branch:text ~into:text ~remote:text ~number:big ~url:uri"),
    ("completionFailed", "Completing did not work.", "error:text"),
    ("worktreesRemoved", "Worktrees were removed.", "paths:texts"),
    ("noted", "Something that a reader should know and that changes nothing.", "text:text"),
];

/// What fields of events hold.
const PARTS: &[(&str, &str, &str)] = &[
    (
        "PlannedTask",
        "A task of a plan.",
        "id:text title:text description:text dependsOn:texts files:texts agent:text? estimate:count wave:count",
    ),
    ("AddedOrder", "An order that Aura added, because two tasks claim one file.", "first:text then:text file:text"),
    ("ChangedFile", "A file that was changed, and how many lines.", "path:text added:count removed:count"),
    ("LeftOut", "What an agent wrote and no commit holds.", "files:[LeftOutFile] more:count"),
    ("LeftOutFile", "A file, or a folder whose name ends with a slash.", "path:text why:text"),
    ("MissingWork", "Landed work of a task that was not found.", "task:text paths:texts"),
    ("Purpose", "Why an attempt was made.", "purpose:text ~error:text ~why:text ~tip:commit ~paths:texts ~commit:commit"),
    ("AttemptOutcome", "How an attempt ended.", "result:text ~detail:text ~retryAfterS:big? ~paths:texts"),
    (
        "AttemptUsageView",
        "What an agent's work used.",
        "inputTokens:big outputTokens:big cachedTokens:big requests:big premiumRequests:number nanoCredits:big durationMs:big",
    ),
    (
        "Finding",
        "A change to what decides the gate, or a test that says less than before.",
        "id:text kind:text path:text line:count? subject:text detail:text standing:text task:text?",
    ),
    ("GateReport", "What a gate found at one commit.", "commit:commit tree:commit verdict:text checks:[CheckReport] reused:yes"),
    (
        "CheckReport",
        "One check of it.",
        "name:text kind:text folder:text result:text ~exit_code:count? ~deadline_s:big ~program:text durationMs:big output:text \
         testsPassed:count? testsFailed:count? ~testsSkipped:count ~notes:texts ~base:count? ~what:text",
    ),
];

/// Schemas by name: of every part, of every kind as `TaskLandedEvent`, and of all of them together as `StoryEvent`. References are
/// to `#/$defs/`.
#[must_use]
pub fn schemas() -> Map<String, Value> {
    let mut found = Map::new();
    for (name, about, fields) in PARTS {
        found.insert((*name).to_owned(), object(about, fields, json!({})));
    }
    let (mut either, mut mapping) = (vec![], Map::new());
    for (kind, about, fields) in KINDS {
        let name = event_name(kind);
        let place = json!({
            "kind": { "type": "string", "enum": [kind] },
            "seq": form("big"),
            "at": form("time"),
            "storyId": form("id")
        });
        either.push(json!({ "$ref": format!("#/$defs/{name}") }));
        mapping.insert((*kind).to_owned(), format!("#/$defs/{name}").into());
        found.insert(name, object(about, fields, place));
    }
    let about = "Something that has happened to a story. `kind` says what, and comes first. Kinds and fields may be added: a reader \
                 passes over what it does not know.";
    let discriminator = json!({ "propertyName": "kind", "mapping": mapping });
    found.insert("StoryEvent".into(), json!({ "description": about, "oneOf": either, "discriminator": discriminator }));
    found
}

/// `taskLanded` → `TaskLandedEvent`.
fn event_name(kind: &str) -> String {
    format!("{}{}Event", kind[..1].to_ascii_uppercase(), &kind[1..])
}

fn object(about: &str, fields: &str, first: Value) -> Value {
    let mut properties = first.as_object().cloned().unwrap_or_default();
    let mut required: Vec<String> = properties.keys().cloned().collect();
    for field in fields.split_whitespace() {
        let Some((name, kind)) = field.trim_start_matches('~').split_once(':') else { continue };
        let shown = match kind.strip_suffix('?') {
            Some(kind) => or_null(form(kind)),
            None => form(kind),
        };
        properties.insert(name.to_owned(), shown);
        if !field.starts_with('~') {
            required.push(name.to_owned());
        }
    }
    json!({ "type": "object", "description": about, "properties": properties, "required": required })
}

fn or_null(mut schema: Value) -> Value {
    schema["type"] = json!([schema["type"].as_str().unwrap_or("object"), "null"]);
    schema
}

fn form(kind: &str) -> Value {
    if let Some(part) = kind.strip_prefix('[').and_then(|kind| kind.strip_suffix(']')) {
        return json!({ "type": "array", "items": form(part) });
    }
    match kind {
        "text" => json!({ "type": "string" }),
        "texts" => json!({ "type": "array", "items": { "type": "string" } }),
        "id" => json!({ "type": "string", "format": "uuid" }),
        "commit" => json!({ "type": "string", "description": "Name of a git object." }),
        "count" => json!({ "type": "integer", "format": "uint32" }),
        "big" => json!({ "type": "integer", "format": "uint64" }),
        "number" => json!({ "type": "number", "format": "double" }),
        "yes" => json!({ "type": "boolean" }),
        "time" => json!({ "type": "string", "format": "date-time" }),
        "uri" => json!({ "type": "string", "format": "uri" }),
        "object" => json!({ "type": "object", "additionalProperties": true }),
        part => json!({ "$ref": format!("#/$defs/{part}") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_that_is_named_is_described() {
        let all = schemas();
        let text = Value::Object(all.clone()).to_string();
        for part in text.split("#/$defs/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(all.contains_key(name), "{name}");
        }
        assert_eq!(all.len(), KINDS.len() + PARTS.len() + 1);
    }
}
