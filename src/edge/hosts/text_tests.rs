//! What an edit keeps: everything but itself, in files as people and programs write them.
#![allow(clippy::unwrap_used)]

use super::text::{Slot, Syntax, diff};
use proptest::prelude::*;
use serde_json::{Value, json};

const JSONC: Slot<'static> = Slot { syntax: Syntax::Jsonc, section: "mcpServers", name: "aura" };
const JSON: Slot<'static> = Slot { syntax: Syntax::Json, ..JSONC };
const TOML: Slot<'static> = Slot { syntax: Syntax::Toml, section: "mcp_servers", name: "aura" };

fn entry() -> Value {
    json!({ "command": "/opt/aura", "args": ["mcp"] })
}

#[track_caller]
fn becomes(slot: Slot, before: &str, after: &str) {
    let put = slot.put(before, &entry()).unwrap_or_else(|fault| panic!("{before:?}: {}", fault.say(before)));
    assert_eq!(put, after);
    assert_eq!(slot.find(&put).unwrap(), Some(entry()));
    assert_eq!(slot.put(&put, &entry()).unwrap(), put, "the second time changes nothing");
}

/// The same, and taking the entry away gives the file back.
#[track_caller]
fn there_and_back(slot: Slot, before: &str, after: &str) {
    becomes(slot, before, after);
    assert_eq!(slot.remove(after).unwrap(), before);
}

#[test]
fn an_entry_is_written_the_way_its_neighbours_are() {
    there_and_back(
        JSONC,
        "{\n  \"mcpServers\": {\n    \"x\": { \"url\": \"u\" }\n  },\n  \"z\": 1\n}\n",
        "{\n  \"mcpServers\": {\n    \"x\": { \"url\": \"u\" },\n    \"aura\": {\n      \"command\": \"/opt/aura\",\n      \"args\": [\"mcp\"]\n    }\n  },\n  \"z\": 1\n}\n",
    );
    // Tabs, a trailing comma, a comment behind it and one below.
    there_and_back(
        JSONC,
        "// mine\n{\n\t\"mcpServers\": {\n\t\t\"x\": {}, // ex\n\t\t// \"y\": {}\n\t}\n}",
        "// mine\n{\n\t\"mcpServers\": {\n\t\t\"x\": {}, // ex\n\t\t\"aura\": {\n\t\t\t\"command\": \"/opt/aura\",\n\t\t\t\"args\": [\"mcp\"]\n\t\t},\n\t\t// \"y\": {}\n\t}\n}",
    );
    // A comment behind the last one, which gets its comma before it. Windows line ends, a byte order mark.
    there_and_back(
        JSONC,
        "\u{feff}{\r\n    \"mcpServers\": {\r\n        \"x\": {} /* ex */ // why\r\n    }\r\n}\r\n",
        "\u{feff}{\r\n    \"mcpServers\": {\r\n        \"x\": {}, /* ex */ // why\r\n        \"aura\": {\r\n            \"command\": \"/opt/aura\",\r\n            \"args\": [\"mcp\"]\r\n        }\r\n    }\r\n}\r\n",
    );
    // On one line it stays on one line.
    there_and_back(
        JSON,
        "{\"a\":1,\"mcpServers\":{\"x\":{}}}",
        "{\"a\":1,\"mcpServers\":{\"x\":{}, \"aura\": {\"command\": \"/opt/aura\", \"args\": [\"mcp\"]}}}",
    );
    there_and_back(JSON, "{\"mcpServers\":{}}\n", "{\"mcpServers\":{\"aura\": {\"command\": \"/opt/aura\", \"args\": [\"mcp\"]}}}\n");
}

#[test]
fn a_section_is_made_where_there_is_none() {
    let new = "{\n  \"mcpServers\": {\n    \"aura\": {\n      \"command\": \"/opt/aura\",\n      \"args\": [\"mcp\"]\n    }\n  }\n}";
    becomes(JSON, "", &format!("{new}\n"));
    for empty in ["{}", "{ }", "{\n}"] {
        becomes(JSON, empty, new);
    }
    becomes(JSONC, "// only this", &format!("// only this\n{new}\n"));
    becomes(
        JSONC,
        "{\n  // here\n}\n",
        "{\n  // here\n  \"mcpServers\": {\n    \"aura\": {\n      \"command\": \"/opt/aura\",\n      \"args\": [\"mcp\"]\n    }\n  }\n}\n",
    );
    becomes(JSON, "{\"a\":1}", "{\"a\":1, \"mcpServers\": {\"aura\": {\"command\": \"/opt/aura\", \"args\": [\"mcp\"]}}}");
    becomes(
        JSON,
        "{ \"a\": 1,\n  \"b\": 2 }",
        "{ \"a\": 1,\n  \"b\": 2,\n  \"mcpServers\": {\n    \"aura\": {\n      \"command\": \"/opt/aura\",\n      \"args\": [\"mcp\"]\n    }\n  }\n}",
    );
}

#[test]
fn toml_grows_at_its_end() {
    let new = "[mcp_servers.aura]\ncommand = \"/opt/aura\"\nargs = [\"mcp\"]\n";
    becomes(TOML, "", new);
    there_and_back(TOML, "model = \"x\" # mine\n", &format!("model = \"x\" # mine\n\n{new}"));
    there_and_back(
        TOML,
        "# one\n[mcp_servers.x]\ncommand = 'x'\n# end\n",
        &format!("# one\n[mcp_servers.x]\ncommand = 'x'\n# end\n\n{new}"),
    );
    there_and_back(TOML, "a.b = 1\r\n\r\n[[c]]\r\n", &format!("a.b = 1\r\n\r\n[[c]]\r\n\r\n{}", new.replace('\n', "\r\n")));
    there_and_back(TOML, "[mcp_servers]\nx = { command = 'x' }\n", &format!("[mcp_servers]\nx = {{ command = 'x' }}\n\n{new}"));
    there_and_back(TOML, "mcp_servers.x.command = 'x'\n", &format!("mcp_servers.x.command = 'x'\n\n{new}"));
    becomes(TOML, "a = 1", &format!("a = 1\n\n{new}"));
}

#[test]
fn what_belongs_to_an_entry_goes_with_it() {
    let text = "a = 1\n\n[mcp_servers.aura]\ncommand = 'x' # it\nargs = [\n  'mcp',\n]\nenv.A = '1'\n\n[mcp_servers.aura.tools.get]\nmode = 'x'\n\n# below\n[z]\nb = 2\n";
    assert_eq!(TOML.remove(text).unwrap(), "a = 1\n\n\n# below\n[z]\nb = 2\n");
    let text = "{\n  \"mcpServers\": {\n    \"aura\": {\n      \"command\": \"x\" // c\n    },\n    /* y */ \"y\": {}\n  }\n}";
    assert_eq!(JSONC.remove(text).unwrap(), "{\n  \"mcpServers\": {\n    /* y */ \"y\": {}\n  }\n}");
}

#[test]
fn what_cannot_be_edited_is_refused_with_its_place() {
    for (slot, text, place) in [
        (JSON, "{\n  \"a\": ,\n}", "line 2, column 8"),
        (JSON, "{\n  // no\n}", "line 2, column 3"),
        (JSON, "{ \"a\": 1, }", "line 1, column 9"),
        (JSONC, "{\n  \"é\": 1 \"b\": 2\n}", "line 2, column 9"),
        (JSONC, "\u{feff}[1]", "line 1, column 1"),
        (JSONC, "{ 'mcpServers': {} }", "line 1, column 3"),
        (JSONC, "{ \"mcpServers\": [] }", "line 1, column 17: `mcpServers` should hold an object"),
        (JSONC, "{ \"mcpServers\": {}, \"mcpServers\": {} }", "line 1, column 21: `mcpServers` is there a second time"),
        (JSONC, "{ \"mcpServers\": { \"aura\": {}, \"aura\": {} } }", "a second time"),
        (TOML, "a = 1\nb = \n", "line 2, column"),
        (TOML, "a = 1\na = 2\n", "line 2, column 1: duplicate key"),
        (TOML, "mcp_servers = { x = { command = 'x' } }\n", "cannot be edited safely"),
        (TOML, "mcp_servers = 1\n", "line 1, column 1"),
    ] {
        let fault = slot.put(text, &entry()).expect_err(text);
        assert!(fault.say(text).contains(place), "{text:?}: {}", fault.say(text));
    }
    let inline = "[mcp_servers]\naura = { command = 'aura', args = ['mcp'] }\n";
    assert!(TOML.remove(inline).unwrap_err().say(inline).starts_with("line 2, column 8: `aura` has no header"));
    let deep = "[".repeat(100_000);
    assert!(JSONC.find(&deep).is_err());
}

#[test]
fn a_difference_shows_no_neighbours() {
    let before = "{\n  \"a\": {\n    \"key\": \"secret\"\n  }\n}\n";
    let after = JSONC.put(before, &entry()).unwrap();
    let shown = diff(before, &after);
    assert!(!shown.contains("secret"), "{shown}");
    assert!(shown.starts_with("@@ line 4 @@\n+  },\n+  \"mcpServers\": {\n"), "{shown}");
}

/// White space and comments, as they may stand between any two tokens.
fn gap() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => Just(""), 4 => Just(" "), 3 => Just("\n  "), 2 => Just("\n\t"), 1 => Just("\n\n"),
        1 => Just("/* block, \"aura\": { */"), 1 => Just("// line } , \"x\"\n"), 1 => Just("/* two\n lines */"),
    ];
    prop::collection::vec(part, 0..3).prop_map(|parts| parts.concat())
}

fn node(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![Just("1"), Just("-2.5e3"), Just("null"), Just("true"), Just("\"// no, }\""), Just("\"\\\"é\\u00e9\"")];
    if depth == 0 {
        return leaf.prop_map(str::to_owned).boxed();
    }
    let list = prop::collection::vec((gap(), node(depth - 1), gap()), 0..3)
        .prop_map(|items| format!("[{}]", items.into_iter().map(|(a, v, b)| a + &v + &b).collect::<Vec<_>>().join(",")));
    prop_oneof![2 => leaf.prop_map(str::to_owned), 1 => list, 3 => object(depth, vec![])].boxed()
}

/// An object with names `k0`, `k1`…, and the given properties among them.
fn object(depth: u32, given: Vec<(String, BoxedStrategy<String>)>) -> BoxedStrategy<String> {
    let others = prop::collection::vec((gap(), gap(), gap(), node(depth - 1), gap()), 0..3);
    let given: Vec<_> = given.into_iter().map(|(name, value)| (Just(name), gap(), gap(), gap(), value, gap())).collect();
    (others, given, gap(), any::<bool>(), any::<bool>())
        .prop_map(|(others, given, end, trailing, first)| {
            let mut items: Vec<String> =
                others.into_iter().enumerate().map(|(n, (a, b, c, v, d))| format!("{a}\"k{n}\"{b}:{c}{v}{d}")).collect();
            let given = given.into_iter().map(|(name, a, b, c, v, d)| format!("{a}\"{name}\"{b}:{c}{v}{d}"));
            if first {
                items.splice(0..0, given);
            } else {
                items.extend(given);
            }
            let comma = if trailing && !items.is_empty() { "," } else { "" };
            format!("{{{}{comma}{end}}}", items.join(","))
        })
        .boxed()
}

fn document() -> impl Strategy<Value = String> {
    let root = prop_oneof![
        object(3, vec![]),
        object(3, vec![("mcpServers".into(), object(2, vec![]))]),
        object(3, vec![("mcpServers".into(), object(2, vec![("aura".into(), object(1, vec![]))]))]),
    ];
    let end = prop_oneof![Just("\n"), Just("\r\n")];
    (any::<bool>(), gap(), root, gap(), end).prop_map(|(bom, before, root, after, end)| {
        let text = format!("{}{before}{root}{after}", if bom { "\u{feff}" } else { "" });
        text.replace('\n', end)
    })
}

/// Comments in their order. Strings of the generator hold no comment that ends.
fn comments(text: &str) -> Vec<String> {
    let collect = jsonc_parser::CollectOptions { comments: jsonc_parser::CommentCollectionStrategy::AsTokens, tokens: true };
    let text = text.trim_start_matches('\u{feff}');
    let parsed = jsonc_parser::parse_to_ast(text, &collect, &jsonc_parser::ParseOptions::default()).unwrap();
    let is_comment = |token: &jsonc_parser::tokens::Token| {
        matches!(token, jsonc_parser::tokens::Token::CommentLine(_) | jsonc_parser::tokens::Token::CommentBlock(_))
    };
    parsed.tokens.unwrap().iter().filter(|t| is_comment(&t.token)).map(|t| text[t.range.start..t.range.end].to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_added_entry_is_an_insertion_and_nothing_else(text in document()) {
        prop_assume!(JSONC.find(&text).unwrap().is_none());
        let put = JSONC.put(&text, &entry()).unwrap();
        prop_assert_eq!(comments(&put), comments(&text));
        // Between what is the same before and behind, there was at most what stands between the last property and the
        // entry: a comma is put before it, the entry behind it.
        let start = text.bytes().zip(put.bytes()).take_while(|(a, b)| a == b).count();
        let start = (0..=start).rev().find(|at| text.is_char_boundary(*at) && put.is_char_boundary(*at)).unwrap();
        let most = text.len() - start;
        let tail = text.bytes().rev().zip(put.bytes().rev()).take_while(|(a, b)| a == b).count().min(most);
        let (old, new) = (&text[start..text.len() - tail], &put[start..put.len() - tail]);
        let inserted = new.strip_prefix(',').is_some_and(|rest| rest.starts_with(old.trim_end_matches(' '))) || new.starts_with(old.trim_end_matches(' ')) || old.trim().is_empty();
        prop_assert!(inserted, "{:?} became {:?}", old, new);
        prop_assert_eq!(put.contains("\r\n"), text.contains("\r\n") );
        prop_assert_eq!(put.starts_with('\u{feff}'), text.starts_with('\u{feff}'));
    }

    #[test]
    fn a_removed_entry_takes_nothing_with_it(text in document()) {
        let had = JSONC.find(&text).unwrap();
        let put = JSONC.put(&text, &entry()).unwrap();
        let removed = JSONC.remove(&put).unwrap();
        prop_assert_eq!(JSONC.find(&removed).unwrap(), None);
        if had.is_none() {
            prop_assert_eq!(comments(&removed), comments(&text));
        }
        // With anything else in the section, only white space may differ, and that only where a brace shares its line.
        let others = JSONC.section(&text).unwrap();
        if had.is_none() && others.as_object().is_some_and(|others| !others.is_empty()) {
            let bare = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(bare(&removed), bare(&text));
        }
    }
}
