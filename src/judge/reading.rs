//! A source file as its test runner sees it: which tests it holds, what each asserts, and what keeps it from running.

use super::asserts::{Assert, Body, body};
use super::limits::{Limit, limits};
use super::ranks::BOUND;
use super::syntax::{Lang, Tok, Word, children, joined, line, named, skeleton, text, tokens, walk};
use super::tests_of::{Collected, Raw, collect};
use std::collections::BTreeMap;
use tree_sitter::Node;

/// How deep functions that tests call are followed.
const CALLS_DEPTH_MAX: u32 = 3;

#[derive(Clone, Debug)]
pub(super) struct Test {
    /// With the classes or groups that it is in.
    pub name: String,
    pub line: u32,
    pub words: Vec<Tok>,
    /// Its statements, each as its words.
    pub statements: Vec<String>,
    /// Attributes, decorators, options.
    pub marks: String,
    /// What keeps it from running.
    pub skip: Option<String>,
    /// What makes its failure a success.
    pub xfail: Option<String>,
    pub asserts: Vec<Assert>,
    pub limits: Vec<Limit>,
    /// Rows of a table that it is run with.
    pub cases: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Source {
    pub tests: Vec<Test>,
    /// What stands beside the tests, each item as its words.
    pub rest: Vec<String>,
    pub limits: Vec<Limit>,
    /// The first mark by which only some tests run.
    pub narrowed: Option<(u32, String)>,
}

/// Reads a file. `mixed`: it is production code, and only its tests count.
pub(super) fn read(lang: Lang, source: &str, mixed: bool) -> Option<Source> {
    let tree = lang.parse(source)?;
    let root = tree.root_node();
    let Collected { raws, rest, helpers, narrowed, nested } = collect(lang, root, source, mixed);
    let bodies: BTreeMap<String, Body> = helpers.iter().map(|(name, node)| (name.clone(), body(lang, *node, source))).collect();
    let ranges: Vec<std::ops::Range<usize>> = raws.iter().map(|raw| raw.whole.byte_range()).collect();
    let mut found = Source { narrowed, ..Source::default() };
    found.tests = raws.iter().map(|raw| test(lang, raw, &bodies, source)).collect();
    found.rest = rest.iter().map(|node| joined(&tokens(*node, source))).filter(|item| !item.is_empty()).collect();
    for item in &rest {
        limits(*item, source, &|node| ranges.contains(&node.byte_range()), &mut found.limits);
    }
    for (inner, first) in nested {
        if let Some(more) = read(lang, &inner, false) {
            found.tests.extend(more.tests.into_iter().map(|test| Test { line: test.line + first - 1, ..test }));
        }
    }
    Some(found)
}

fn test(lang: Lang, raw: &Raw<'_>, helpers: &BTreeMap<String, Body>, source: &str) -> Test {
    let own = raw.body.map_or_else(Body::default, |node| body(lang, node, source));
    let mut asserts = own.asserts.clone();
    follow(&own.calls, helpers, CALLS_DEPTH_MAX, &mut asserts);
    if let Some(expected) = &raw.expects {
        let words = vec![Tok { text: expected.clone(), word: Word::Plain }];
        asserts.push(Assert { name: "expected".into(), words, rank: BOUND, line: line(raw.whole) });
    }
    let mut found = vec![];
    for node in raw.marks.iter().chain(&raw.options).chain(&raw.body) {
        limits(*node, source, &|_| false, &mut found);
    }
    found.extend(raw.timeout.clone());
    let statements = raw.body.map_or_else(Vec::new, |node| {
        let list = named(node).into_iter().find(|kid| kid.kind() == "statement_list").unwrap_or(node);
        named(list).into_iter().map(|statement| joined(&tokens(statement, source))).collect()
    });
    let marks: Vec<String> = raw.marks.iter().chain(&raw.options).map(|node| joined(&tokens(*node, source))).collect();
    Test {
        name: raw.name.clone(),
        line: line(raw.whole),
        words: raw.body.map_or_else(Vec::new, |node| tokens(node, source)),
        statements,
        marks: marks.join("\n"),
        skip: raw.skip.clone().or(own.skip),
        xfail: raw.xfail.clone().or(raw.expects.clone()).or(own.xfail),
        asserts,
        limits: found,
        cases: cases(raw, source),
    }
}

fn follow(calls: &[(String, u8)], helpers: &BTreeMap<String, Body>, depth: u32, asserts: &mut Vec<Assert>) {
    if depth == 0 {
        return;
    }
    for (name, most) in calls {
        let Some(helper) = helpers.get(name) else { continue };
        asserts.extend(helper.asserts.iter().map(|found| Assert { rank: found.rank.min(*most), ..found.clone() }));
        follow(&helper.calls, helpers, depth - 1, asserts);
    }
}

/// The rows of the tables of a test: of its marks, and of lists of rows in its body.
fn cases(raw: &Raw<'_>, source: &str) -> Vec<String> {
    let mut found = vec![];
    for mark in raw.marks.iter().chain(&raw.options) {
        let words = text(*mark, source);
        let row = ["case", "test_case", "InlineData", "TestCase", "DataRow", "example"]
            .iter()
            .find(|name| words.trim_start_matches(['#', '[', '@']).starts_with(**name) && !words.contains("TestCaseSource"));
        if row.is_some() {
            found.push(joined(&tokens(*mark, source)));
        }
        rows(*mark, source, true, &mut found);
    }
    if let Some(node) = raw.body {
        rows(node, source, false, &mut found);
        walk(node, true, &mut |call| {
            let name = text(call, source);
            if call.kind() == "call_expression" && name.starts_with("t.Run(\"") {
                found.push(format!("t.Run {}", name.split('"').nth(1).unwrap_or_default()));
            }
        });
    }
    found
}

fn is_list(kind: &str) -> bool {
    matches!(
        kind,
        "list"
            | "array"
            | "array_expression"
            | "literal_value"
            | "array_initializer"
            | "element_value_array_initializer"
            | "initializer_expression"
    )
}

fn is_row(element: Node<'_>) -> bool {
    let inner = if element.kind() == "literal_element" { named(element).first().copied().unwrap_or(element) } else { element };
    is_list(inner.kind())
        || matches!(inner.kind(), "tuple" | "tuple_expression" | "object" | "dictionary" | "implicit_object_creation_expression")
}

/// Elements of lists: any element of a mark's list, else only of lists whose elements are rows themselves.
fn rows(node: Node<'_>, source: &str, any: bool, found: &mut Vec<String>) {
    if is_list(node.kind()) {
        let elements = named(node);
        if !elements.is_empty() && (elements.iter().all(|element| is_row(*element)) || any && elements.len() > 1) {
            found.extend(elements.iter().map(|element| joined(&tokens(*element, source))));
            return;
        }
    }
    // The rows of a template: one to a line.
    if any && node.kind() == "template_string" {
        found.extend(text(node, source).lines().skip(1).map(str::trim).filter(|row| row.contains('|')).map(str::to_owned));
    }
    for child in children(node) {
        rows(child, source, any, found);
    }
}

impl Test {
    /// How many assertions say at least so much.
    pub(super) fn count(&self, rank: u8) -> usize {
        self.asserts.iter().filter(|found| found.rank >= rank).count()
    }
    pub(super) fn skeleton(&self) -> String {
        skeleton(&self.words)
    }
    pub(super) fn is_same_as(&self, other: &Test) -> bool {
        self.words == other.words && !self.words.is_empty()
    }
}
