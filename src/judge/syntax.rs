//! What all grammars have in common: which language a file is in, the words of a node, and the chain of names that a call
//! is made of.

use tree_sitter::{Node, Parser, Tree};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lang {
    Rust,
    Python,
    Script,
    Typed,
    Tsx,
    Go,
    CSharp,
    Java,
}

impl Lang {
    pub(super) fn of(path: &str) -> Option<Lang> {
        let name = path.rsplit('/').next().unwrap_or(path);
        Some(match name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
            "rs" => Lang::Rust,
            "py" => Lang::Python,
            "js" | "mjs" | "cjs" | "jsx" => Lang::Script,
            "ts" | "mts" | "cts" => Lang::Typed,
            "tsx" => Lang::Tsx,
            "go" => Lang::Go,
            "cs" => Lang::CSharp,
            "java" => Lang::Java,
            _ => return None,
        })
    }

    pub(super) fn parse(self, text: &str) -> Option<Tree> {
        let language = match self {
            Lang::Rust => tree_sitter_rust::LANGUAGE,
            Lang::Python => tree_sitter_python::LANGUAGE,
            Lang::Script => tree_sitter_javascript::LANGUAGE,
            Lang::Typed => tree_sitter_typescript::LANGUAGE_TYPESCRIPT,
            Lang::Tsx => tree_sitter_typescript::LANGUAGE_TSX,
            Lang::Go => tree_sitter_go::LANGUAGE,
            Lang::CSharp => tree_sitter_c_sharp::LANGUAGE,
            Lang::Java => tree_sitter_java::LANGUAGE,
        };
        let mut parser = Parser::new();
        parser.set_language(&language.into()).ok()?;
        parser.parse(text, None)
    }
}

/// What kind of word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Plain,
    Number,
    Text,
    Flag,
}

/// A word of a source: comments, semicolons and the quotes of a text are not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tok {
    pub text: String,
    pub word: Word,
}

impl Tok {
    pub(super) fn is(&self, text: &str) -> bool {
        self.word != Word::Text && self.text == text
    }
}

pub(super) fn is_comment(node: Node<'_>) -> bool {
    matches!(node.kind(), "comment" | "line_comment" | "block_comment")
}

fn is_text(kind: &str) -> bool {
    matches!(
        kind,
        "string"
            | "string_literal"
            | "raw_string_literal"
            | "interpreted_string_literal"
            | "template_string"
            | "verbatim_string_literal"
            | "interpolated_string_expression"
            | "char_literal"
            | "character_literal"
            | "rune_literal"
    )
}

pub(super) fn is_number(kind: &str) -> bool {
    matches!(kind, "number" | "integer" | "float" | "int_literal" | "float_literal" | "integer_literal" | "real_literal")
        || kind.ends_with("_integer_literal")
        || kind.ends_with("_floating_point_literal")
}

pub(super) fn text<'a>(node: Node<'_>, source: &'a str) -> &'a str {
    source.get(node.byte_range()).unwrap_or("")
}

pub(super) fn line(node: Node<'_>) -> u32 {
    u32::try_from(node.start_position().row + 1).unwrap_or(u32::MAX)
}

pub(super) fn children(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.children(&mut cursor).collect()
}

pub(super) fn named(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).filter(|child| !is_comment(*child)).collect()
}

/// The words of a node.
pub(super) fn tokens(node: Node<'_>, source: &str) -> Vec<Tok> {
    let mut found = vec![];
    gather(node, source, &mut found);
    // A comma before a bracket is a matter of taste.
    let mut at = 0;
    while at + 1 < found.len() {
        if found[at].is(",") && [")", "]", "}"].iter().any(|close| found[at + 1].is(close)) {
            found.remove(at);
        } else {
            at += 1;
        }
    }
    found
}

fn gather(node: Node<'_>, source: &str, found: &mut Vec<Tok>) {
    if is_comment(node) {
        return;
    }
    if is_text(node.kind()) {
        found.push(Tok { text: plain_text(text(node, source)), word: Word::Text });
        return;
    }
    if node.child_count() == 0 {
        let own = text(node, source).trim();
        if own.is_empty() || own == ";" {
            return;
        }
        let word = match own {
            _ if is_number(node.kind()) => Word::Number,
            "true" | "false" | "True" | "False" => Word::Flag,
            _ => Word::Plain,
        };
        let text = if word == Word::Number { own.replace('_', "") } else { own.to_owned() };
        found.push(Tok { text, word });
        return;
    }
    for child in children(node) {
        gather(child, source, found);
    }
}

/// A text without its quotes.
pub(super) fn plain_text(text: &str) -> String {
    let inner = text.trim_start_matches(|c: char| c.is_ascii_alphabetic() || c == '#' || c == '@' || c == '$').trim_end_matches('#');
    inner.trim_matches(['"', '\'', '`']).to_owned()
}

pub(super) fn joined(tokens: &[Tok]) -> String {
    tokens.iter().map(|tok| tok.text.as_str()).collect::<Vec<_>>().join(" ")
}

/// The words with every value left open.
pub(super) fn skeleton(tokens: &[Tok]) -> String {
    tokens.iter().map(|tok| if tok.word == Word::Plain { tok.text.as_str() } else { "•" }).collect::<Vec<_>>().join(" ")
}

/// Arguments, split at the commas that separate them. `tokens` begins and ends with the brackets.
pub(super) fn arguments(tokens: &[Tok]) -> Vec<Vec<Tok>> {
    let inner = if tokens.len() >= 2 { &tokens[1..tokens.len() - 1] } else { &[] };
    let (mut parts, mut depth) = (vec![vec![]], 0_i32);
    for tok in inner {
        if ["(", "[", "{"].iter().any(|open| tok.is(open)) {
            depth += 1;
        } else if [")", "]", "}"].iter().any(|close| tok.is(close)) {
            depth -= 1;
        }
        if depth == 0 && tok.is(",") {
            parts.push(vec![]);
        } else if let Some(last) = parts.last_mut() {
            last.push(tok.clone());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// One name in a chain of calls, and what it was called with.
#[derive(Clone, Debug)]
pub(super) struct Link<'t> {
    pub name: String,
    pub args: Option<Node<'t>>,
}

pub(super) fn is_call(node: Node<'_>) -> bool {
    matches!(node.kind(), "call" | "call_expression" | "invocation_expression" | "method_invocation" | "macro_invocation")
}

/// `expect(x).not.toBe(3)` as `expect(…)`, `not`, `toBe(…)`.
pub(super) fn chain<'t>(node: Node<'t>, source: &str) -> Vec<Link<'t>> {
    let field = |name: &str| node.child_by_field_name(name);
    match node.kind() {
        "call" | "call_expression" | "invocation_expression" => {
            let Some(function) = field("function") else { return vec![] };
            let mut links = chain(function, source);
            let args = field("arguments");
            match links.last_mut() {
                Some(last) if last.args.is_none() => last.args = args,
                Some(_) | None => links.push(Link { name: String::new(), args }),
            }
            links
        }
        "method_invocation" => {
            let mut links = field("object").map_or_else(Vec::new, |object| chain(object, source));
            let name = field("name").map_or("", |name| text(name, source)).to_owned();
            links.push(Link { name, args: field("arguments") });
            links
        }
        "macro_invocation" => {
            let name = field("macro").map_or("", |name| text(name, source));
            let name = name.rsplit("::").next().unwrap_or(name);
            let args = named(node).into_iter().find(|child| child.kind() == "token_tree");
            vec![Link { name: format!("{name}!"), args }]
        }
        "attribute"
        | "member_expression"
        | "selector_expression"
        | "member_access_expression"
        | "field_expression"
        | "field_access"
        | "scoped_identifier" => {
            let kids = named(node);
            let (Some(first), Some(last)) = (kids.first(), kids.last()) else { return vec![] };
            let mut links = if kids.len() > 1 { chain(*first, source) } else { vec![] };
            links.extend(chain(*last, source).into_iter().take(1));
            links
        }
        "generic_name" | "generic_function" => {
            let kids = named(node);
            kids.first().map_or_else(Vec::new, |first| chain(*first, source))
        }
        "await_expression" | "await" | "parenthesized_expression" | "try_expression" | "non_null_expression" => {
            named(node).first().map_or_else(Vec::new, |inner| chain(*inner, source))
        }
        _ if node.named_child_count() == 0 => vec![Link { name: text(node, source).to_owned(), args: None }],
        _ => vec![Link { name: String::new(), args: None }],
    }
}

pub(super) fn args_of(link: &Link<'_>, source: &str) -> Vec<Vec<Tok>> {
    link.args.map_or_else(Vec::new, |args| arguments(&tokens(args, source)))
}

/// A node and everything below it, without what stands inside functions of its own when `into_functions` is false.
pub(super) fn walk<'t>(node: Node<'t>, into_functions: bool, visit: &mut dyn FnMut(Node<'t>)) {
    visit(node);
    for child in children(node) {
        if into_functions || !is_function(child) {
            walk(child, into_functions, visit);
        }
    }
}

pub(super) fn is_function(node: Node<'_>) -> bool {
    matches!(
        node.kind(),
        "function_item"
            | "closure_expression"
            | "function_definition"
            | "lambda"
            | "function_declaration"
            | "function_expression"
            | "arrow_function"
            | "method_definition"
            | "func_literal"
            | "method_declaration"
            | "lambda_expression"
            | "local_function_statement"
            | "generator_function_declaration"
    )
}
