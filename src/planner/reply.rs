//! Finds the plan in what a model wrote: bare, in a code block, or with prose around it; an object with `tasks` or a
//! bare list; whatever its spelling of the keys. Never guesses a missing half: what does not parse is not a plan.

use super::outline_marks::minutes;
use crate::domain::{TASKS_MAX, TaskDraft, TaskId};
use serde_json::Value;
use std::collections::HashMap;

/// Longest answer that is read, in bytes.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Places in the prose at which a JSON value is tried.
const STARTS_MAX: usize = 200;
/// How deep a plan may be wrapped: `{"result": {"plan": {"tasks": […]}}}`.
const DEPTH_MAX: usize = 4;

/// The drafts in an answer.
///
/// # Errors
/// What is wrong with the answer, in words that can be sent back.
pub fn read(answer: &str) -> Result<Vec<TaskDraft>, String> {
    if answer.len() > ANSWER_BYTES_MAX {
        return Err(format!("the answer has {} bytes; at most {ANSWER_BYTES_MAX} are read", answer.len()));
    }
    let tasks = find(answer).ok_or("the answer holds no JSON object with a list `tasks`; answer with that object and nothing else")?;
    if tasks.len() > TASKS_MAX {
        return Err(format!("the plan has {} tasks; at most {TASKS_MAX} are accepted", tasks.len()));
    }
    let mut drafts: Vec<TaskDraft> = tasks.iter().map(draft).collect();
    name_nameless(&mut drafts);
    clean_references(&mut drafts);
    Ok(drafts)
}

/// The whole answer, else its code blocks, else any JSON in the prose. Of several plans the last: models think first.
fn find(answer: &str) -> Option<Vec<Value>> {
    let answer = answer.trim_start_matches('\u{feff}').trim();
    if let Some(tasks) = parse(answer).and_then(|value| tasks_in(value, true, 0)) {
        return Some(tasks);
    }
    let blocks = fenced(answer);
    if let Some(tasks) = blocks.iter().rev().find_map(|block| tasks_in(parse(block)?, true, 0)) {
        return Some(tasks);
    }
    let mended = mend(answer);
    in_prose(answer).or_else(|| in_prose(&mended))
}

fn parse(text: &str) -> Option<Value> {
    let text = text.trim();
    if !text.starts_with(['{', '[', '"']) {
        return None;
    }
    serde_json::from_str(text).or_else(|_| serde_json::from_str(&mend(text))).ok()
}

fn fenced(text: &str) -> Vec<String> {
    let mut blocks = vec![];
    let mut open: Option<(usize, String)> = None;
    for line in text.lines() {
        let bare = line.trim_start();
        let ticks = bare.len() - bare.trim_start_matches('`').len();
        match &mut open {
            Some((length, block)) if ticks >= *length && bare.trim_end().len() == ticks => {
                blocks.push(std::mem::take(block));
                open = None;
            }
            Some((_, block)) => {
                block.push_str(line);
                block.push('\n');
            }
            None if ticks >= 3 => open = Some((ticks, String::new())),
            None => {}
        }
    }
    blocks.extend(open.map(|(_, block)| block));
    blocks
}

fn in_prose(text: &str) -> Option<Vec<Value>> {
    let mut found = None;
    let mut at = 0;
    for _ in 0..STARTS_MAX {
        let Some(start) = text[at..].find(['{', '[']).map(|start| at + start) else { break };
        let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => {
                at = start + values.byte_offset().max(1);
                found = tasks_in(value, false, 0).or(found);
            }
            Some(Err(_)) | None => at = start + 1,
        }
    }
    found
}

/// Takes commas before a closing bracket away and writes raw line breaks within strings as JSON wants them.
fn mend(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut string = false;
    let mut escaped = false;
    for c in text.chars() {
        if string {
            match c {
                _ if escaped => {}
                '\n' => mended.push_str("\\n"),
                '\t' => mended.push_str("\\t"),
                _ => {}
            }
            if escaped || !c.is_control() {
                mended.push(c);
            }
            string = c != '"' || escaped;
            escaped = c == '\\' && !escaped;
            continue;
        }
        if matches!(c, ']' | '}') {
            let kept = mended.trim_end().len();
            if mended[..kept].ends_with(',') {
                mended.truncate(kept - 1);
            }
        }
        string = c == '"';
        mended.push(c);
    }
    mended
}

/// The list of tasks in a value. `alone`: the value is the whole answer, so one task by itself is a plan of one.
fn tasks_in(value: Value, alone: bool, depth: usize) -> Option<Vec<Value>> {
    if depth > DEPTH_MAX {
        return None;
    }
    match value {
        Value::Array(tasks) => (!tasks.is_empty() && tasks.iter().all(|task| task.as_object().is_some_and(is_task))).then_some(tasks),
        Value::String(text) if alone => tasks_in(parse(&text)?, true, depth + 1),
        Value::Object(mut object) => {
            let place = |wanted: &str, object: &serde_json::Map<String, Value>| object.keys().find(|key| plain(key) == wanted).cloned();
            if let Some(key) = place("tasks", &object) {
                return match object.remove(&key) {
                    Some(Value::Array(tasks)) => Some(tasks),
                    Some(Value::Object(by_id)) => Some(by_id.into_iter().map(|(id, task)| with_id(id, task)).collect()),
                    Some(_) | None => None,
                };
            }
            for wrapper in ["plan", "result", "data", "story", "output", "answer"] {
                if let Some(key) = place(wrapper, &object)
                    && let Some(tasks) = object.remove(&key).and_then(|inner| tasks_in(inner, alone, depth + 1))
                {
                    return Some(tasks);
                }
            }
            (alone && is_task(&object)).then(|| vec![Value::Object(object)])
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn is_task(object: &serde_json::Map<String, Value>) -> bool {
    object.keys().any(|key| TITLE.contains(&plain(key).as_str())) && object.keys().any(|key| DESCRIPTION.contains(&plain(key).as_str()))
}

fn with_id(id: String, mut task: Value) -> Value {
    if let Value::Object(object) = &mut task {
        object.entry("id").or_insert(Value::String(id));
    }
    task
}

const ID: &[&str] = &["id", "taskid", "key"];
const TITLE: &[&str] = &["title", "name", "summary"];
const DESCRIPTION: &[&str] = &["description", "prompt", "details", "instructions"];
const DEPENDS_ON: &[&str] = &["dependson", "dependencies", "deps", "after", "requires", "dependsupon"];
const FILES: &[&str] = &["files", "paths", "filepaths", "targetfiles", "file"];
const AGENT: &[&str] = &["agent"];
const ESTIMATE: &[&str] = &["estimate", "estimateminutes", "estimatedminutes", "minutes"];

/// `dependsOn`, `depends_on`, `Depends On` are one key.
fn plain(key: &str) -> String {
    key.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase()
}

fn draft(task: &Value) -> TaskDraft {
    let Value::Object(object) = task else {
        let text = text(task).unwrap_or_default();
        return TaskDraft { title: one_line(&text), description: text, ..TaskDraft::default() };
    };
    let value = |names: &[&str]| {
        names.iter().find_map(|name| object.iter().find(|(key, value)| plain(key) == *name && !value.is_null())).map(|(_, value)| value)
    };
    TaskDraft {
        id: value(ID).and_then(text).map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()),
        title: value(TITLE).and_then(text).map(|title| one_line(&title)).unwrap_or_default(),
        description: value(DESCRIPTION).and_then(text).unwrap_or_default(),
        depends_on: value(DEPENDS_ON).map(|value| list(value, ID)).unwrap_or_default(),
        files: value(FILES).map(|value| list(value, &["path", "file", "name"])).unwrap_or_default(),
        agent: value(AGENT).and_then(text).map(|agent| agent.trim().to_owned()).filter(|agent| !agent.is_empty()),
        estimate: value(ESTIMATE).and_then(estimate),
    }
}

/// Strings and numbers as they are, lists of them line by line.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.as_i64().map_or_else(|| number.to_string(), |n| n.to_string())),
        Value::Array(lines) => Some(lines.iter().filter_map(text).collect::<Vec<_>>().join("\n")),
        Value::Null | Value::Bool(_) | Value::Object(_) => None,
    }
}

/// A list of strings, numbers or objects with one of these keys; or one string with commas.
fn list(value: &Value, keys: &[&str]) -> Vec<String> {
    let one = |value: &Value| match value {
        Value::Object(object) => object.iter().find(|(key, _)| keys.contains(&plain(key).as_str())).and_then(|(_, value)| text(value)),
        other => text(other),
    };
    let entries: Vec<String> = match value {
        Value::Array(values) => values.iter().filter_map(one).collect(),
        Value::String(text) => text.split([',', ';']).map(str::to_owned).collect(),
        other => one(other).into_iter().collect(),
    };
    entries.iter().map(|entry| entry.trim().trim_matches('`').to_owned()).filter(|entry| !entry.is_empty()).collect()
}

#[allow(clippy::cast_sign_loss)] // clamped above zero
fn estimate(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => number.as_f64().filter(|n| *n >= 0.0).map(|n| n.ceil().clamp(1.0, 1_000_000.0) as u32),
        Value::String(text) => minutes(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn name_nameless(drafts: &mut [TaskDraft]) {
    let mut taken: Vec<String> = drafts.iter().filter_map(|draft| draft.id.clone()).collect();
    let count = drafts.len();
    for (i, draft) in drafts.iter_mut().enumerate() {
        if draft.id.is_none() {
            let id = std::iter::once(i + 1).chain(count + 1..=2 * count + 1).map(|n| format!("task-{n}")).find(|id| !taken.contains(id));
            taken.extend(id.clone());
            draft.id = id;
        }
    }
}

/// Ids such as `Task 1` or `api/users` become safe ones, in ids and references alike; a title in place of an id counts.
fn clean_references(drafts: &mut [TaskDraft]) {
    let id = |draft: &TaskDraft| draft.id.clone().unwrap_or_default();
    let titles = drafts.iter().rev().map(|draft| (draft.title.to_lowercase(), safe_id(&id(draft))));
    let by_title: HashMap<String, String> = titles.filter(|(title, _)| !title.is_empty()).collect();
    let by_id: HashMap<String, String> = drafts.iter().map(|draft| (id(draft), safe_id(&id(draft)))).collect();
    for draft in drafts {
        draft.id = draft.id.as_deref().map(safe_id);
        // One more than is accepted, so that the plan's check says so.
        draft.depends_on.truncate(TASKS_MAX + 1);
        for on in &mut draft.depends_on {
            if let Some(known) = by_id.get(on.as_str()).or_else(|| by_title.get(&on.to_lowercase())) {
                known.clone_into(on);
            }
        }
    }
}

fn safe_id(id: &str) -> String {
    if TaskId::parse(id).is_ok() {
        return id.to_owned();
    }
    let safe: String = id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
    let safe: String = safe.trim_matches(['-', '_']).chars().take(TaskId::CHARS_MAX).collect();
    // Nothing left of it: leave it as it was, for the plan's check to name.
    if safe.is_empty() { id.to_owned() } else { safe }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
