//! What a test asserts: each assertion in its body and in the functions that it calls, and whether it is sure to run.

use super::ranks::{BOUND, EXACT, NOTHING, SOMETIMES, denied, is_boolean, plain, rank_of, truth};
use super::syntax::{Lang, Link, Tok, Word, args_of, chain, children, is_call, is_comment, is_function, joined, line, named, text, tokens};
use tree_sitter::Node;

#[derive(Clone, Debug)]
pub(super) struct Assert {
    pub name: String,
    /// What is compared, without messages.
    pub words: Vec<Tok>,
    pub rank: u8,
    pub line: u32,
}

/// What stands in the body of a test or of a function that tests use.
#[derive(Clone, Debug, Default)]
pub(super) struct Body {
    pub asserts: Vec<Assert>,
    /// Functions that it calls, and the most that an assertion in them can say here.
    pub calls: Vec<(String, u8)>,
    /// The first call that ends the test without a verdict.
    pub skip: Option<String>,
    pub xfail: Option<String>,
}

pub(super) fn body(lang: Lang, node: Node<'_>, source: &str) -> Body {
    let mut reader = Reader { lang, source, body: Body::default() };
    reader.visit(node, EXACT, None);
    reader.body
}

struct Reader<'s> {
    lang: Lang,
    source: &'s str,
    body: Body,
}

impl Reader<'_> {
    /// `most`: the highest rank that an assertion can have here. `condition`: what has to hold for the code to run.
    fn visit(&mut self, node: Node<'_>, most: u8, condition: Option<&[Tok]>) {
        if is_comment(node) {
            return;
        }
        match node.kind() {
            "if_statement" | "if_expression" => return self.branch(node, most),
            "try_statement" if swallows(node, self.source) => return self.children(node, NOTHING, None),
            "with_statement" if self.starts_with_suppress(node) => return self.children(node, NOTHING, None),
            "assert_statement" => return self.statement(node, most),
            "throw_statement" | "raise_statement" => {
                if text(node, self.source).contains("SkipTest") {
                    self.body.skip.get_or_insert_with(|| "raise SkipTest".into());
                } else if let Some(condition) = condition {
                    self.fails("throw", condition, most, node);
                }
                return;
            }
            _ => {}
        }
        if is_call(node) {
            return self.call(node, most, condition);
        }
        if node.kind() == "member_expression" && self.property(node, most) {
            return;
        }
        self.children_in_turn(node, most, condition);
    }

    fn children(&mut self, node: Node<'_>, most: u8, condition: Option<&[Tok]>) {
        for child in children(node) {
            self.visit(child, most, condition);
        }
    }

    /// What comes after a statement that may leave the test does not always run.
    fn children_in_turn(&mut self, node: Node<'_>, most: u8, condition: Option<&[Tok]>) {
        let mut most = most;
        for child in children(node) {
            self.visit(child, most, condition);
            let inner = if child.kind() == "expression_statement" { named(child).first().copied().unwrap_or(child) } else { child };
            if matches!(inner.kind(), "return_statement" | "return_expression") {
                most = NOTHING;
            } else if matches!(inner.kind(), "if_statement" | "if_expression") && leaves(inner) && !self.asserts_in(inner) {
                most = most.min(SOMETIMES);
            }
        }
    }

    fn asserts_in(&self, node: Node<'_>) -> bool {
        let inner = body(self.lang, node, self.source);
        !inner.asserts.is_empty() || inner.skip.is_some()
    }

    fn branch(&mut self, node: Node<'_>, most: u8) {
        let then = node.child_by_field_name("consequence");
        let condition: Vec<Tok> = children(node)
            .into_iter()
            .take_while(|child| Some(*child) != then && child.kind() != "block")
            .filter(|child| child.kind() != "if")
            .flat_map(|child| tokens(child, self.source))
            .collect();
        for child in children(node) {
            self.visit(child, most.min(SOMETIMES), Some(&condition));
        }
    }

    fn statement(&mut self, node: Node<'_>, most: u8) {
        let parts: Vec<Vec<Tok>> = named(node).into_iter().map(|part| tokens(part, self.source)).collect();
        let first = parts.first().cloned().unwrap_or_default();
        let rank = truth(&first, self.lang == Lang::Python).min(most);
        self.body.asserts.push(Assert { name: "assert".into(), words: first, rank, line: line(node) });
    }

    /// A failure that is asked for under a condition asserts the opposite of the condition.
    fn fails(&mut self, name: &str, condition: &[Tok], most: u8, node: Node<'_>) {
        // The branch itself has lowered the rank; what is asserted is the condition.
        let most = if most == SOMETIMES { EXACT } else { most };
        let rank = denied(condition).min(most);
        self.body.asserts.push(Assert { name: name.to_owned(), words: condition.to_vec(), rank, line: line(node) });
    }

    /// `expect(x).to.be.true`, which is no call.
    fn property(&mut self, node: Node<'_>, most: u8) -> bool {
        let links = chain(node, self.source);
        let is_one =
            links.first().is_some_and(|first| first.name == "expect" && first.args.is_some()) || links.iter().any(|l| l.name == "should");
        let Some(last) = links.last().filter(|last| is_one && last.args.is_none()) else { return false };
        let words = links.first().and_then(|first| first.args).map_or_else(Vec::new, |args| tokens(args, self.source));
        let rank = rank_of(&last.name, std::slice::from_ref(&words), links.iter().any(|link| link.name == "not")).min(most);
        self.body.asserts.push(Assert { name: last.name.clone(), words, rank, line: line(node) });
        true
    }

    fn call(&mut self, node: Node<'_>, most: u8, condition: Option<&[Tok]>) {
        let links = chain(node, self.source);
        let names: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
        if let Some(skip) = skips(&names) {
            let shown = || joined(&tokens(node, self.source));
            let place = if skip == "xfail" { &mut self.body.xfail } else { &mut self.body.skip };
            place.get_or_insert_with(shown);
            return;
        }
        if is_failure(&names) {
            return match condition {
                Some(condition) => self.fails(names.last().unwrap_or(&""), condition, most, node),
                None => self.body.asserts.push(Assert { name: "fail".into(), words: vec![], rank: BOUND.min(most), line: line(node) }),
            };
        }
        let groups = matches!(names.last().copied().map(plain).as_deref(), Some("assertall" | "multiple" | "all" | "group"));
        if groups || !self.assertions(&links, most, node) {
            if let Some(last) = names.last().filter(|_| links.len() == 1 || matches!(names[0], "self" | "this" | "Self")) {
                self.body.calls.push(((*last).to_owned(), most));
            }
            // Arguments of a macro are words, not nodes.
            self.children_in_turn(node, most, condition);
        }
    }

    /// Records what a chain of calls asserts; false where that is nothing.
    fn assertions(&mut self, links: &[Link<'_>], most: u8, node: Node<'_>) -> bool {
        let Some(first) = links.first() else { return false };
        let Some(last) = links.last() else { return false };
        let is_fluent = first.name == "assertThat" && links.len() > 1
            || first.name == "expect" && first.args.is_some() && links.len() > 1
            || links.iter().any(|link| matches!(link.name.as_str(), "Should" | "should"));
        let negated = links.iter().any(|link| link.name == "not" || link.name == "Not");
        let head = first.args.map_or_else(|| first.name.clone(), |args| joined(&tokens(args, self.source)));
        if is_fluent {
            let from = links.iter().position(|link| matches!(link.name.as_str(), "Should" | "should")).unwrap_or(0);
            let subject = Tok { text: head, word: Word::Plain };
            for link in links.iter().skip(from + 1).filter(|link| link.args.is_some() && !is_about_words(&link.name)) {
                let mut args = vec![vec![subject.clone()]];
                args.extend(without_messages(args_of(link, self.source), 1));
                let rank = rank_of(&link.name, &args, negated).min(most);
                let words = args.concat();
                self.body.asserts.push(Assert { name: link.name.clone(), words, rank, line: line(node) });
            }
            return true;
        }
        if !is_assertion(links) {
            return false;
        }
        let mut args = args_of(last, self.source);
        if args.first().is_some_and(|arg| arg.len() == 1 && matches!(arg[0].text.as_str(), "t" | "tb")) {
            args.remove(0);
        }
        // The type that is to be thrown stands between angle brackets.
        if let Some(kind) = type_argument(node, self.source) {
            args.insert(0, kind);
        }
        let one = is_boolean(&plain(&last.name));
        let args = without_messages(args, if one { 1 } else { 2 });
        let rank = rank_of(&last.name, &args, false).min(most);
        self.body.asserts.push(Assert { name: last.name.clone(), words: args.concat(), rank, line: line(node) });
        true
    }

    fn starts_with_suppress(&self, node: Node<'_>) -> bool {
        let clause = named(node).into_iter().next().map_or("", |clause| text(clause, self.source));
        clause.contains("suppress(")
    }
}

fn skips(names: &[&str]) -> Option<&'static str> {
    let (first, last) = (*names.first()?, *names.last()?);
    let owner = matches!(first, "pytest" | "self" | "t" | "b" | "tb" | "this" | "ctx" | "context" | "test" | "it" | "unittest");
    match last {
        "xfail" if owner => Some("xfail"),
        "skip" | "skipTest" | "Skip" | "Skipf" | "SkipNow" | "todo" | "importorskip" if owner && names.len() > 1 => Some("skip"),
        "Inconclusive" | "Ignore" | "Pass" if first == "Assert" => Some("skip"),
        "SkipTest" => Some("skip"),
        _ if first == "Skip" && names.len() > 1 || first == "Assume" => Some("skip"),
        _ if last.starts_with("assum") && matches!(first, "Assumptions" | "Assume") => Some("skip"),
        "assumeTrue" | "assumeFalse" | "assumeThat" | "assumingThat" => Some("skip"),
        _ => None,
    }
}

fn is_failure(names: &[&str]) -> bool {
    let (Some(first), Some(last)) = (names.first(), names.last()) else { return false };
    match *last {
        "panic!" | "unreachable!" => true,
        "fail" | "Fail" | "FailNow" => {
            names.len() == 1 || matches!(*first, "self" | "Assert" | "assert" | "Assertions" | "pytest" | "t" | "tb")
        }
        "Error" | "Errorf" | "Fatal" | "Fatalf" => names.len() == 2 && matches!(*first, "t" | "b" | "tb" | "f"),
        _ => false,
    }
}

fn is_assertion(links: &[Link<'_>]) -> bool {
    let (Some(first), Some(last)) = (links.first(), links.last()) else { return false };
    let (owner, name) = (plain(&first.name), plain(&last.name));
    let by_owner = links.len() > 1
        && first.args.is_none()
        && matches!(
            owner.as_str(),
            "assert" | "assertions" | "collectionassert" | "stringassert" | "classicassert" | "require" | "expect" | "tap" | "is"
        );
    let of_ava = links.len() == 2
        && first.name == "t"
        && matches!(
            name.as_str(),
            "is" | "not" | "deepequal" | "true" | "false" | "truthy" | "throws" | "equal" | "same" | "ok" | "strictequal"
        );
    let by_name = ["assert", "propassert", "debugassert", "verify", "shouldbe"].iter().any(|start| name.starts_with(start));
    by_owner || of_ava || by_name || name == "raises" || name == "expectexception"
}

/// Words that lead on to the next assertion, or say how to compare.
fn is_about_words(name: &str) -> bool {
    let name = plain(name);
    matches!(name.as_str(), "as" | "describedas" | "withfailmessage" | "overridingerrormessage" | "extracting" | "because" | "which")
        || name.starts_with("using")
}

/// What is compared comes first, and a text after it is for people.
fn without_messages(mut args: Vec<Vec<Tok>>, compared: usize) -> Vec<Vec<Tok>> {
    let is_message = |arg: &Vec<Tok>| {
        arg.first().is_some_and(|tok| tok.word == Word::Text) || arg.first().is_some_and(|tok| tok.is("msg") || tok.is("message"))
    };
    // JUnit 4 has it in front.
    if args.len() > compared
        && args.first().is_some_and(is_message)
        && !args.last().is_some_and(is_message)
        && args.len() == compared + 1
        && compared == 1
    {
        args.remove(0);
    }
    let kept = args.len().min(compared);
    let rest: Vec<Vec<Tok>> = args.split_off(kept).into_iter().take_while(|arg| !is_message(arg)).collect();
    args.extend(rest);
    args
}

fn type_argument(node: Node<'_>, source: &str) -> Option<Vec<Tok>> {
    let function = node.child_by_field_name("function")?;
    let generic = if function.kind() == "generic_name" { function } else { named(function).into_iter().last()? };
    let list = named(generic).into_iter().find(|kid| matches!(kid.kind(), "type_argument_list" | "type_arguments"))?;
    Some(tokens(list, source))
}

/// Whether an exception of an assertion goes no further.
fn swallows(node: Node<'_>, source: &str) -> bool {
    let handlers: Vec<Node<'_>> = named(node).into_iter().filter(|kid| matches!(kid.kind(), "except_clause" | "catch_clause")).collect();
    let speaks = |handler: &Node<'_>| {
        let words = tokens(*handler, source);
        words.iter().any(|tok| {
            let name = plain(&tok.text);
            tok.word == Word::Plain
                && (matches!(name.as_str(), "throw" | "raise" | "fail" | "expect" | "skip")
                    || name.starts_with("assert") && !name.ends_with("error"))
        })
    };
    !handlers.is_empty() && !handlers.iter().any(speaks)
}

/// Whether a branch ends the function that it is in.
fn leaves(node: Node<'_>) -> bool {
    children(node).into_iter().any(|child| {
        matches!(child.kind(), "return_statement" | "return_expression") || !is_function(child) && child.child_count() > 0 && leaves(child)
    })
}
