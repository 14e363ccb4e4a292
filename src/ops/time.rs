//! Moments on the wire: RFC 3339 in UTC with exactly three digits of a second, which every reader of times understands.

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::borrow::Cow;

/// A moment in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(Timestamp);

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Time {
        Time(at)
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// Brings the moments of an event to that form: the log keeps them to the nanosecond.
pub(super) fn round(event: &mut Value) {
    let Some(fields) = event.as_object_mut() else { return };
    for (name, value) in fields {
        if (name == "at" || name.ends_with("At"))
            && let Some(at) = value.as_str().and_then(|text| text.parse::<Timestamp>().ok())
        {
            *value = Time(at).to_string().into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_moment_has_three_digits_whatever_it_is() {
        for (nanosecond, shown) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (120_000_000, "1970-01-01T00:00:00.120Z"),
            (123_456_789, "1970-01-01T00:00:00.123Z"),
            (999_999_999, "1970-01-01T00:00:00.999Z"),
        ] {
            let at = Timestamp::new(0, nanosecond).unwrap();
            assert_eq!(Time(at).to_string(), shown);
            let mut event = json!({ "kind": "x", "at": at, "resumeAt": at, "text": at.to_string(), "startedAt": null });
            round(&mut event);
            assert_eq!(event, json!({ "kind": "x", "at": shown, "resumeAt": shown, "text": at.to_string(), "startedAt": null }));
        }
    }
}
