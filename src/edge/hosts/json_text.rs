//! JSON, with and without comments, as its writers left it: an entry is put in the way its neighbours are written.

use super::text::{Edit, Fault, Slot, Syntax, apply, line_start, newline, next_line};
use jsonc_parser::ast::{Object, ObjectProp, Value as Node};
use jsonc_parser::common::Ranged;
use jsonc_parser::tokens::{Token, TokenAndRange};
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions};
use serde_json::Value;

/// Used where a file shows no indentation of its own.
const INDENT: &str = "  ";

fn options(syntax: Syntax) -> ParseOptions {
    ParseOptions {
        allow_comments: syntax == Syntax::Jsonc,
        allow_trailing_commas: syntax == Syntax::Jsonc,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

fn fault(error: &jsonc_parser::errors::ParseError) -> Fault {
    Fault::new(error.range().start, error.kind().to_string())
}

/// A parsed text.
struct Tree<'a> {
    text: &'a str,
    root: Option<Object<'a>>,
    tokens: Vec<TokenAndRange<'a>>,
}

impl<'a> Tree<'a> {
    fn parse(text: &'a str, syntax: Syntax) -> Result<Tree<'a>, Fault> {
        let collect = CollectOptions { comments: CommentCollectionStrategy::AsTokens, tokens: true };
        let parsed = jsonc_parser::parse_to_ast(text, &collect, &options(syntax)).map_err(|e| fault(&e))?;
        let root = match parsed.value {
            None => None,
            Some(Node::Object(object)) => Some(object),
            Some(other) => return Err(Fault::new(other.start(), "it should hold an object")),
        };
        Ok(Tree { text, root, tokens: parsed.tokens.unwrap_or_default() })
    }

    fn between(&self, start: usize, end: usize) -> impl Iterator<Item = &TokenAndRange<'a>> {
        self.tokens.iter().filter(move |token| token.range.start >= start && token.range.end <= end)
    }
    fn comma(&self, start: usize, end: usize) -> Option<usize> {
        self.between(start, end).find(|token| token.token == Token::Comma).map(|token| token.range.start)
    }

    /// White space at the start of the line of that place.
    fn indent(&self, at: usize) -> &'a str {
        let line = &self.text[line_start(self.text, at)..at];
        &line[..line.len() - line.trim_start().len()]
    }
    /// Whether nothing stands before that place in its line.
    fn begins_line(&self, at: usize) -> bool {
        self.text[line_start(self.text, at)..at].trim().is_empty()
    }
    /// What one level of the file is indented by.
    fn unit(&self) -> &'a str {
        let first = self.root.as_ref().and_then(|root| root.properties.first()).map(Ranged::start);
        let indent = first.filter(|at| self.begins_line(*at)).map_or("", |at| self.indent(at));
        if indent.is_empty() { INDENT } else { indent }
    }

    /// Adds a property behind the last one.
    fn append(&self, object: &Object<'a>, name: &str, value: &Write) -> Vec<Edit> {
        let (close, end_of_line) = (object.end() - 1, newline(self.text));
        let Some(last) = object.properties.last() else { return self.append_first(object, name, value) };
        let comma = self.comma(last.end(), close);
        let mut at = comma.map_or(last.end(), |comma| comma + 1);
        let separator = Edit::insert(last.end(), if comma.is_some() { "" } else { "," });
        let trailing = if comma.is_some() { "," } else { "" };
        if !self.begins_line(last.start()) && !self.text[last.end()..close].contains('\n') {
            return vec![separator, Edit::insert(at, format!(" {name}: {}{trailing}", value.flat()))];
        }
        // A comment behind the last property stays behind it.
        for comment in self.between(at, close) {
            if self.text[at..comment.range.start].contains('\n') {
                break;
            }
            at = comment.range.end;
        }
        let indent = if self.begins_line(last.start()) {
            self.indent(last.start()).to_owned()
        } else {
            format!("{}{}", self.indent(object.start()), self.unit())
        };
        let rest = &self.text[at..close];
        let blank = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let closes = rest[blank..].is_empty();
        let at = at + blank;
        let tail = if closes { format!("{end_of_line}{}", self.indent(object.start())) } else { String::new() };
        let property = format!("{end_of_line}{indent}{name}: {}{trailing}{tail}", value.lines(&indent, self.unit(), end_of_line));
        // Spaces before a brace would stand before the new line of the brace.
        let from = if closes { at - blank } else { at };
        vec![separator, Edit::new(from..at, property)]
    }

    fn append_first(&self, object: &Object<'a>, name: &str, value: &Write) -> Vec<Edit> {
        let (open, close, end_of_line) = (object.start() + 1, object.end() - 1, newline(self.text));
        let at = self.between(open, close).last().map_or(open, |comment| comment.range.end);
        let is_root = self.root.as_ref().is_some_and(|root| root.start() == object.start());
        if !is_root && at == open && !self.text.trim().contains('\n') {
            return vec![Edit::new(open..close, format!("{name}: {}", value.flat()))];
        }
        let outer = self.indent(object.start());
        let indent = format!("{outer}{}", self.unit());
        let property = format!("{end_of_line}{indent}{name}: {}", value.lines(&indent, self.unit(), end_of_line));
        if self.text[at..close].contains('\n') {
            vec![Edit::insert(at, property)]
        } else {
            vec![Edit::new(at..close, format!("{property}{end_of_line}{outer}"))]
        }
    }

    /// Takes a property away, its line and one comma with it.
    fn cut(&self, object: &Object<'a>, index: usize) -> Vec<Edit> {
        let property = &object.properties[index];
        let following = object.properties.get(index + 1).map_or(object.end() - 1, Ranged::start);
        let comma = self.comma(property.end(), following);
        let (mut start, mut end) = (property.start(), comma.map_or(property.end(), |comma| comma + 1));
        let rest = next_line(self.text, end);
        let own_line = self.begins_line(start) && self.text[end..rest].trim().is_empty();
        if own_line {
            (start, end) = (line_start(self.text, start), rest);
        } else if index + 1 < object.properties.len() {
            end += self.text[end..].len() - self.text[end..].trim_start_matches([' ', '\t']).len();
        } else if !self.begins_line(start) {
            start = self.text[..start].trim_end_matches([' ', '\t']).len();
        }
        let mut edits = vec![Edit::new(start..end, "")];
        // The last one without a comma behind it: the comma before it is too many.
        if comma.is_none() && index > 0 {
            let before = self.comma(object.properties[index - 1].end(), property.start());
            edits.extend(before.map(|at| Edit::new(at..at + 1, "")));
        }
        edits
    }
}

/// The property of that name, which may be there once.
fn only<'o, 'a>(object: &'o Object<'a>, name: &str) -> Result<Option<(usize, &'o ObjectProp<'a>)>, Fault> {
    let mut found = object.properties.iter().enumerate().filter(|(_, property)| property.name.as_str() == name);
    let first = found.next();
    match found.next() {
        Some((_, second)) => Err(Fault::new(second.start(), format!("`{name}` is there a second time"))),
        None => Ok(first),
    }
}

fn section<'o, 'a>(root: &'o Object<'a>, name: &str) -> Result<Option<&'o Object<'a>>, Fault> {
    match only(root, name)? {
        None => Ok(None),
        Some((_, property)) => match &property.value {
            Node::Object(object) => Ok(Some(object)),
            _ => Err(Fault::new(property.value.start(), format!("`{name}` should hold an object"))),
        },
    }
}

/// The whole text as a value; nothing at all is an empty object.
pub(super) fn read(text: &str, slot: Slot) -> Result<Value, Fault> {
    let tree = Tree::parse(text, slot.syntax)?;
    if let Some(section) = tree.root.as_ref().map(|root| section(root, slot.section)).transpose()?.flatten() {
        only(section, slot.name)?;
    }
    let value: Option<Value> = jsonc_parser::parse_to_serde_value(text, &options(slot.syntax)).map_err(|e| fault(&e))?;
    Ok(value.unwrap_or_else(|| Value::Object(serde_json::Map::new())))
}

pub(super) fn put(text: &str, slot: Slot, entry: &Value) -> Result<String, Fault> {
    let tree = Tree::parse(text, slot.syntax)?;
    let (name, end_of_line) = (quoted(slot.name), newline(text));
    let outer = Value::Object([(slot.name.to_owned(), entry.clone())].into_iter().collect());
    let Some(root) = &tree.root else {
        let start = if text.is_empty() || text.ends_with('\n') { "" } else { end_of_line };
        let whole = Value::Object([(slot.section.to_owned(), outer)].into_iter().collect());
        return Ok(format!("{text}{start}{}{end_of_line}", Write(&whole).lines("", INDENT, end_of_line)));
    };
    let edits = match section(root, slot.section)? {
        None => tree.append(root, &quoted(slot.section), &Write(&outer)),
        Some(section) => match only(section, slot.name)? {
            None => tree.append(section, &name, &Write(entry)),
            Some((_, property)) => {
                let value = &property.value;
                let flat = !value.text(text).contains('\n') && !tree.begins_line(property.start());
                let indent = tree.indent(property.start());
                let new = if flat { Write(entry).flat() } else { Write(entry).lines(indent, tree.unit(), end_of_line) };
                vec![Edit::new(value.start()..value.end(), new)]
            }
        },
    };
    Ok(apply(text, edits))
}

pub(super) fn remove(text: &str, slot: Slot) -> Result<String, Fault> {
    let tree = Tree::parse(text, slot.syntax)?;
    let section = tree.root.as_ref().map(|root| section(root, slot.section)).transpose()?.flatten();
    let Some(section) = section else { return Ok(text.to_owned()) };
    Ok(only(section, slot.name)?.map_or_else(|| text.to_owned(), |(index, _)| apply(text, tree.cut(section, index))))
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A value as it is written: short lists stay on one line, as people write them.
struct Write<'a>(&'a Value);

impl Write<'_> {
    fn flat(&self) -> String {
        match self.0 {
            Value::Object(map) => {
                let items: Vec<String> = map.iter().map(|(key, value)| format!("{}: {}", quoted(key), Write(value).flat())).collect();
                format!("{{{}}}", items.join(", "))
            }
            Value::Array(items) => format!("[{}]", items.iter().map(|item| Write(item).flat()).collect::<Vec<_>>().join(", ")),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => self.0.to_string(),
        }
    }

    fn lines(&self, indent: &str, unit: &str, end_of_line: &str) -> String {
        match self.0 {
            Value::Object(map) if !map.is_empty() => {
                let inner = format!("{indent}{unit}");
                let item = |(key, value): (&String, &Value)| {
                    format!("{end_of_line}{inner}{}: {}", quoted(key), Write(value).lines(&inner, unit, end_of_line))
                };
                format!("{{{}{end_of_line}{indent}}}", map.iter().map(item).collect::<Vec<_>>().join(","))
            }
            _ => self.flat(),
        }
    }
}
