//! GitHub's own description of its API, as far as it is used: stricter than GitHub, because an unknown field is a fault.
//! `tests/golden/github-openapi.mjs` takes it from the npm package that GitHub's own SDK is made of.

use serde_json::Value;
use std::sync::LazyLock;

static DESCRIPTION: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(include_str!("../golden/github-openapi.json")).unwrap());

/// The operation that a request means, and what its path holds.
pub fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |template: &str| {
        let wanted: Vec<&str> = template.split('/').collect();
        wanted.len() == parts.len() && wanted.iter().zip(&parts).all(|(w, p)| w.starts_with('{') && !p.is_empty() || w == p)
    };
    let operations = DESCRIPTION["operations"].as_array().unwrap();
    operations.iter().find(|operation| operation["method"] == method && fits(operation["path"].as_str().unwrap()))
}

/// What is wrong with a request by the description.
pub fn faults(method: &str, path: &str, query: &[(String, String)], body: Option<&Value>) -> Vec<String> {
    let Some(operation) = operation(method, path) else { return vec![format!("{method} {path}: no such operation")] };
    let mut faults = vec![];
    let parameters = operation["parameters"].as_array().unwrap();
    for (name, value) in query {
        match parameters.iter().find(|parameter| parameter["in"] == "query" && parameter["name"] == name.as_str()) {
            None => faults.push(format!("unknown parameter `{name}`")),
            Some(parameter) => {
                let value = if parameter["schema"]["type"] == "integer" {
                    value.parse::<i64>().map_or(Value::Null, Value::from)
                } else {
                    Value::from(value.as_str())
                };
                faults.extend(against(&parameter["schema"], &value, name));
            }
        }
    }
    match (&operation["body"], body) {
        (Value::Null, None) => {}
        (Value::Null, Some(_)) => faults.push("a body where there is none".into()),
        (_, None) => faults.push("no body".into()),
        (schema, Some(body)) => faults.extend(against(schema, body, "body")),
    }
    faults.into_iter().map(|fault| format!("{method} {path}: {fault}")).collect()
}

/// Fields of an answer that GitHub does not send: a test must not rely on them.
pub fn invented(method: &str, path: &str, answer: &Value) -> Vec<String> {
    let Some(operation) = operation(method, path) else { return vec![] };
    let known = operation["answer"].as_array().unwrap();
    let one = match answer {
        Value::Array(items) => items.first().cloned().unwrap_or_default(),
        other => other.clone(),
    };
    let fields = one.as_object().cloned().unwrap_or_default();
    fields
        .keys()
        .filter(|key| !known.iter().any(|name| name == key.as_str()))
        .map(|key| format!("{method} {path}: answers `{key}`"))
        .collect()
}

fn against(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    for choice in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[choice].as_array() {
            let tried: Vec<Vec<String>> = choices.iter().map(|choice| against(choice, value, at)).collect();
            return if tried.iter().any(Vec::is_empty) { vec![] } else { tried.concat() };
        }
    }
    let is = match schema["type"].as_str().unwrap_or("object") {
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        _ => value.is_object(),
    };
    if !is {
        return vec![format!("{at} is {value}, not of type {}", schema["type"])];
    }
    let mut faults = vec![];
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        faults.push(format!("{at} is {value}"));
    }
    let (number, count) = (value.as_i64(), value.as_array().map(|items| items.len() as i64));
    for (key, has) in [("minimum", number), ("maximum", number), ("minItems", count)] {
        let (Some(has), Some(bound)) = (has, schema[key].as_i64()) else { continue };
        if if key == "maximum" { has > bound } else { has < bound } {
            faults.push(format!("{at}: {has} is against the {key} of {bound}"));
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        faults.extend(against(&schema["items"], item, &format!("{at}[{index}]")));
    }
    if let Some(fields) = value.as_object() {
        let properties = &schema["properties"];
        for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(required) {
                faults.push(format!("{at} lacks `{required}`"));
            }
        }
        for (name, value) in fields {
            match properties.get(name) {
                Some(inner) => faults.extend(against(inner, value, &format!("{at}.{name}"))),
                None => faults.push(format!("{at} has the unknown field `{name}`")),
            }
        }
    }
    faults
}

#[test]
fn the_check_itself_can_fail() {
    let body = serde_json::json!({ "title": "t", "head": "a:b", "base": "main", "draft": true });
    assert_eq!(faults("POST", "/repos/a/b/pulls", &[], Some(&body)), Vec::<String>::new());
    for (field, value) in [("daft", Value::Bool(true)), ("draft", Value::from("yes")), ("title", Value::Null)] {
        let mut wrong = body.clone();
        wrong[field] = value;
        assert_eq!(faults("POST", "/repos/a/b/pulls", &[], Some(&wrong)).len(), 1, "{field}");
    }
    let lacking = serde_json::json!({ "title": "t", "head": "a:b" });
    assert_eq!(faults("POST", "/repos/a/b/pulls", &[], Some(&lacking)), ["POST /repos/a/b/pulls: body lacks `base`"]);
    let query = |name: &str, value: &str| faults("GET", "/repos/a/b/pulls", &[(name.into(), value.into())], None).len();
    assert_eq!((query("state", "all"), query("state", "every"), query("stat", "all"), query("per_page", "x")), (0, 1, 1, 1));
    let labels =
        |labels: Value| faults("POST", "/repos/a/b/issues/1/labels", &[], Some(&serde_json::json!({ "labels": labels }))).is_empty();
    assert_eq!((labels(serde_json::json!(["aura"])), labels(serde_json::json!([]))), (true, false));
    assert_eq!(faults("DELETE", "/repos/a/b/pulls", &[], None).len(), 1);
}

/// The page is what GitHub's own package holds. 385 MB, so only where the large downloads are asked for.
#[test]
fn the_description_is_githubs_own() {
    use std::process::Command;
    if !std::env::var_os("AURA_TEST_HOSTS").is_some_and(|value| !value.is_empty() && value != "0") {
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"NOT RUN: a test with a large download. AURA_TEST_HOSTS=1 runs it.\n");
        return;
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join(".agents/openapi");
    std::fs::create_dir_all(&folder).unwrap();
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(root.join("tests/forge/package").join(file), folder.join(file)).unwrap();
    }
    let npm = Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder).output().unwrap();
    assert!(npm.status.success(), "{}", String::from_utf8_lossy(&npm.stderr));
    let said = Command::new("node").arg(root.join("tests/golden/github-openapi.mjs")).current_dir(&folder).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    assert!(
        said.stdout == include_bytes!("../golden/github-openapi.json"),
        "tests/golden/github-openapi.json is not what the package says"
    );
}
