//! Recorded snapshots: one that follows an intended change is common, most of them at once is not.

use super::{Observation, content, quote};
use crate::domain::FindingKind;
use std::collections::BTreeMap;

/// A file with fewer is rewritten by any change.
const ENTRIES_MIN: usize = 3;

/// Whether most of what is recorded was replaced or removed.
pub(super) fn compare(path: &str, was: Option<&[u8]>, is: Option<&[u8]>) -> Option<Observation> {
    let before = entries(was?);
    let after = is.map(entries).unwrap_or_default();
    let kept = before.iter().filter(|(name, body)| after.get(*name) == Some(body)).count();
    let lost = before.len() - kept;
    let is_wholesale = before.len() >= ENTRIES_MIN && lost * 2 > before.len() || !before.is_empty() && is.is_none();
    is_wholesale.then(|| {
        let detail = format!("{lost} of {} recorded snapshots are otherwise", before.len());
        let key = is.map(content).unwrap_or_default();
        Observation { line: None, detail: quote(&detail), ..Observation::of_file(FindingKind::SnapshotRewritten, path, "", key) }
    })
}

/// By name: entries of jest and syrupy, else the paragraphs of the file.
fn entries(bytes: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(bytes);
    let mut found = BTreeMap::new();
    if text.contains("exports[`") {
        for entry in text.split("exports[`").skip(1) {
            let (name, body) = entry.split_once("`]").unwrap_or((entry, ""));
            found.insert(name.to_owned(), body.trim().to_owned());
        }
        return found;
    }
    if text.contains("# name:") {
        for entry in text.split("# name:").skip(1) {
            let (name, body) = entry.split_once('\n').unwrap_or((entry, ""));
            found.insert(name.trim().to_owned(), body.trim().to_owned());
        }
        return found;
    }
    for (number, part) in text.split("\n---\n").flat_map(|part| part.split("\n\n")).enumerate() {
        if !part.trim().is_empty() {
            found.insert(number.to_string(), part.trim().to_owned());
        }
    }
    found
}
