//! Schemas as generators of clients read them. What the verbs say in JSON Schema is brought to the part of it that NSwag, Kiota,
//! openapi-typescript and their like agree on: every answer has a name, what may be null is one of two, numbers have 32 or 64 bits,
//! a list of words is a list of words.

use schemars::Schema;
use serde_json::{Map, Value, json};

/// What every language can say exactly: 2^53 - 1.
const EXACT_MAX: i64 = (1 << 53) - 1;

/// Where the document keeps its schemas.
pub(super) const SCHEMAS: &str = "#/components/schemas/";

/// The schemas of the document.
#[derive(Default)]
pub(super) struct Schemas(Map<String, Value>);

impl Schemas {
    /// Keeps a schema under its own name, and refers to it.
    pub(super) fn refer(&mut self, schema: Schema) -> Value {
        let schema = schema.to_value();
        let name = schema["title"].as_str().unwrap_or_default().to_owned();
        self.keep(&name, schema)
    }

    /// Keeps a schema under a name, and refers to it.
    pub(super) fn keep(&mut self, name: &str, schema: Value) -> Value {
        let schema = self.hoist(schema);
        self.0.insert(name.to_owned(), schema);
        json!({ "$ref": format!("{SCHEMAS}{name}") })
    }

    /// A schema whose definitions are kept here; what may be left out of an argument may be null in it.
    pub(super) fn argument(&mut self, schema: Schema) -> Value {
        let mut schema = schema.to_value();
        null_where_optional(&mut schema);
        self.hoist(schema)
    }

    /// Moves the definitions of a schema to where the document keeps them.
    fn hoist(&mut self, mut schema: Value) -> Value {
        if let Some(Value::Object(definitions)) = schema.as_object_mut().and_then(|fields| fields.remove("$defs")) {
            for (name, mut definition) in definitions {
                plain(&mut definition);
                self.0.insert(name, definition);
            }
        }
        if let Some(fields) = schema.as_object_mut() {
            fields.remove("$schema");
            fields.remove("title");
        }
        plain(&mut schema);
        schema
    }

    pub(super) fn into_value(self) -> Value {
        self.0.into()
    }
}

/// Brings a schema to the common form, inside too.
fn plain(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            one_of(fields);
            number(fields);
            for (key, value) in fields.iter_mut() {
                match value {
                    Value::String(text) if key == "$ref" || text.starts_with("#/$defs/") => *text = text.replace("#/$defs/", SCHEMAS),
                    // Anything at all.
                    Value::Bool(true) if key != "additionalProperties" && key != "default" => *value = json!({}),
                    value => plain(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What may be null is said with `oneOf`; a choice of single words is a list of words.
fn one_of(fields: &mut Map<String, Value>) {
    let is_null = |one: &Value| one["type"] == "null";
    if fields.get("anyOf").and_then(Value::as_array).is_some_and(|some| some.len() == 2 && some.iter().any(is_null))
        && let Some(either) = fields.remove("anyOf")
    {
        fields.insert("oneOf".into(), either);
    }
    let words = fields.get("oneOf").and_then(Value::as_array).map(|some| some.iter().map(|one| one.get("const").cloned()).collect());
    if let Some(Some(words)) = words.map(|words: Vec<Option<Value>>| words.into_iter().collect::<Option<Vec<Value>>>()) {
        fields.remove("oneOf");
        fields.insert("type".into(), "string".into());
        fields.insert("enum".into(), words.into());
    }
    if let Some(word) = fields.remove("const") {
        fields.insert("enum".into(), json!([word]));
    }
}

/// Whole numbers have 32 or 64 bits, and say how large they may be.
fn number(fields: &mut Map<String, Value>) {
    let (format, min, max) = match fields.get("format").and_then(Value::as_str) {
        Some("uint8" | "uint16" | "uint32") => ("int32", 0, i64::from(i32::MAX)),
        Some("uint" | "uint64") => ("int64", 0, EXACT_MAX),
        Some("int64") => ("int64", -EXACT_MAX, EXACT_MAX),
        Some(_) | None => return,
    };
    fields.insert("format".into(), format.into());
    fields.entry("minimum").or_insert(min.into());
    fields.entry("maximum").or_insert(max.into());
}

/// What may be left out may be null: generated clients send that.
fn null_where_optional(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let required = fields.get("required").cloned().unwrap_or_default();
            let needed = |name: &str| required.as_array().is_some_and(|names| names.iter().any(|needed| needed == name));
            for (name, inner) in fields.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
                if !needed(name) {
                    or_null(inner);
                }
            }
            fields.values_mut().for_each(null_where_optional);
        }
        Value::Array(items) => items.iter_mut().for_each(null_where_optional),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn or_null(schema: &mut Value) {
    if let Some(Value::String(kind)) = schema.get("type") {
        schema["type"] = json!([kind, "null"]);
    } else if let Some(reference) = schema.as_object_mut().and_then(|fields| fields.remove("$ref")) {
        schema["oneOf"] = json!([{ "$ref": reference }, { "type": "null" }]);
    }
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut)
        && !words.contains(&Value::Null)
    {
        words.push(Value::Null);
    }
}

/// A query cannot say null.
pub(super) fn without_null(schema: &Value) -> Value {
    let mut schema = schema.clone();
    for key in ["type", "enum"] {
        let Some(list) = schema.get_mut(key).and_then(Value::as_array_mut) else { continue };
        list.retain(|item| !item.is_null() && item != "null");
        if let ("type", [one]) = (key, list.as_slice()) {
            let one = one.clone();
            schema["type"] = one;
        }
    }
    schema
}
