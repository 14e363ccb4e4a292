//! TOML as its writers left it: an entry is a table with a header of its own at the end of the file.

use super::text::{Edit, Fault, Slot, apply, line_start, newline, next_line};
use serde_json::Value;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

fn fault(error: &toml::de::Error) -> Fault {
    Fault::new(error.span().map_or(0, |span| span.start), error.message())
}

/// The whole text as a value.
pub(super) fn read(text: &str) -> Result<Value, Fault> {
    let table: toml::Table = toml::from_str(text).map_err(|e| fault(&e))?;
    serde_json::to_value(table).map_err(|e| Fault::new(0, e.to_string()))
}

pub(super) fn put(text: &str, slot: Slot, entry: &Value) -> Result<String, Fault> {
    // An entry that is there makes room: its place in the file means nothing.
    let text = &remove(text, slot)?;
    let end_of_line = newline(text);
    let mut new = text.clone();
    if !new.is_empty() && !new.ends_with('\n') {
        new += end_of_line;
    }
    if !new.trim().is_empty() && !new.ends_with(&format!("{end_of_line}{end_of_line}")) {
        new += end_of_line;
    }
    new += &format!("[{}.{}]{end_of_line}", slot.section, slot.name);
    for (key, value) in entry.as_object().into_iter().flatten() {
        let value = toml::Value::try_from(value).map_err(|e| Fault::new(0, e.to_string()))?;
        new += &format!("{key} = {value}{end_of_line}");
    }
    Ok(new)
}

pub(super) fn remove(text: &str, slot: Slot) -> Result<String, Fault> {
    let root = DeTable::parse(text).map_err(|e| fault(&e))?;
    let section = root.get_ref().get(slot.section).and_then(|section| section.get_ref().as_table());
    let Some(entry) = section.and_then(|section| section.get(slot.name)) else { return Ok(text.to_owned()) };
    if !has_header(text, entry) {
        let why = format!("`{}` has no header `[{}.{}]` of its own, so it has to be edited by hand", slot.name, slot.section, slot.name);
        return Err(Fault::new(entry.span().start, why));
    }
    let mut regions = vec![];
    collect(text, entry, &mut regions);
    regions.sort_by_key(|region| region.start);
    let lines = |region: &Range<usize>| line_start(text, region.start)..next_line(text, region.end);
    let mut edits: Vec<Edit> = regions.iter().map(|region| Edit::new(lines(region), "")).collect();
    // The empty line before it came with it.
    if let Some(first) = edits.first_mut() {
        let above = line_start(text, first.at.start.saturating_sub(1));
        if text[above..first.at.start].trim().is_empty() {
            first.at.start = above;
        }
    }
    Ok(apply(text, edits))
}

fn has_header(text: &str, value: &Spanned<DeValue>) -> bool {
    value.get_ref().is_table() && text[value.span()].starts_with('[')
}

/// The places of a table: from its header to its last value, and the same for tables in it that have headers.
fn collect(text: &str, table: &Spanned<DeValue>, regions: &mut Vec<Range<usize>>) {
    let mut region = table.span();
    extend(text, table, &mut region, regions);
    regions.push(region);
}

fn extend(text: &str, value: &Spanned<DeValue>, region: &mut Range<usize>, regions: &mut Vec<Range<usize>>) {
    for (_, inner) in value.get_ref().as_table().into_iter().flatten() {
        if has_header(text, inner) {
            collect(text, inner, regions);
        } else {
            // A table that only the names of others imply is nowhere itself.
            if !inner.get_ref().is_table() || text[inner.span()].starts_with('{') {
                region.end = region.end.max(inner.span().end);
            }
            extend(text, inner, region, regions);
        }
    }
}
