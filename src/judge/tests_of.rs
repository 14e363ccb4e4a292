//! Finds the tests of a file: by their marks (Rust, .NET, JUnit), by their names (Python, Go), or as calls (JavaScript).

use super::asserts::body;
use super::limits::Limit;
use super::syntax::{Lang, Tok, Word, chain, children, is_comment, is_function, joined, line, named, plain_text, text, tokens};
use tree_sitter::Node;

pub(super) struct Raw<'t> {
    pub name: String,
    pub whole: Node<'t>,
    pub body: Option<Node<'t>>,
    pub marks: Vec<Node<'t>>,
    pub options: Option<Node<'t>>,
    pub skip: Option<String>,
    pub xfail: Option<String>,
    /// A failure that is asserted by a mark.
    pub expects: Option<String>,
    pub timeout: Option<Limit>,
}

#[derive(Default)]
pub(super) struct Collected<'t> {
    pub raws: Vec<Raw<'t>>,
    pub rest: Vec<Node<'t>>,
    /// Functions that tests may call.
    pub helpers: Vec<(String, Node<'t>)>,
    pub narrowed: Option<(u32, String)>,
    /// Source inside macros, and its first line.
    pub nested: Vec<(String, u32)>,
}

/// Where the collector stands.
#[derive(Clone, Default)]
struct Place {
    path: Vec<String>,
    skip: Option<String>,
    /// Inside what only tests see.
    inside: bool,
    /// A class whose methods are tests.
    is_class: bool,
}

pub(super) fn collect<'t>(lang: Lang, root: Node<'t>, source: &str, mixed: bool) -> Collected<'t> {
    let mut collector = Collector { source, found: Collected::default() };
    let place = Place { inside: !mixed, skip: file_mark(lang, root, source), ..Place::default() };
    match lang {
        Lang::Rust => collector.rust(root, &place),
        Lang::Python => collector.python(root, &place),
        Lang::Go => collector.go(root, &place),
        Lang::Script | Lang::Typed | Lang::Tsx => collector.script(root, &place),
        Lang::CSharp | Lang::Java => collector.classes(root, &place),
    }
    collector.found
}

/// A mark that speaks for the whole file.
fn file_mark(lang: Lang, root: Node<'_>, source: &str) -> Option<String> {
    children(root).into_iter().find_map(|child| {
        let words = text(child, source);
        match (lang, child.kind()) {
            (Lang::Go, "comment") if words.starts_with("//go:build") || words.starts_with("// +build") => Some(words.trim().to_owned()),
            (Lang::Rust, "inner_attribute_item") if words.contains("cfg") => Some(words.to_owned()),
            (Lang::Python, "expression_statement") => {
                let marks = words.starts_with("pytestmark") && (words.contains("skip") || words.contains("xfail"));
                if marks { Some(words.to_owned()) } else { body(lang, child, source).skip }
            }
            _ => None,
        }
    })
}

struct Collector<'s, 't> {
    source: &'s str,
    found: Collected<'t>,
}

impl<'t> Collector<'_, 't> {
    fn name(&self, node: Node<'t>) -> String {
        node.child_by_field_name("name").map_or("", |name| text(name, self.source)).to_owned()
    }

    fn words(&self, node: Node<'t>) -> String {
        joined(&tokens(node, self.source))
    }

    fn helper(&mut self, node: Node<'t>) {
        let name = self.name(node);
        if let Some(body) = node.child_by_field_name("body").filter(|_| !name.is_empty()) {
            self.found.helpers.push((name, body));
        }
    }

    fn rust(&mut self, node: Node<'t>, place: &Place) {
        let mut marks: Vec<Node<'t>> = vec![];
        for child in children(node) {
            match child.kind() {
                "attribute_item" => {
                    marks.push(child);
                    continue;
                }
                _ if is_comment(child) => continue,
                "function_item" => self.rust_function(child, &marks, place),
                "mod_item" | "impl_item" => {
                    let words: Vec<String> = marks.iter().map(|mark| self.words(*mark)).collect();
                    let is_tests = words.iter().any(|mark| mark.contains("cfg ( test )") || mark.contains("cfg ( all ( test"));
                    let inner = Place {
                        path: [place.path.clone(), vec![self.name(child)]].concat(),
                        skip: rust_skip(&words).or_else(|| place.skip.clone()),
                        inside: place.inside || is_tests,
                        is_class: false,
                    };
                    if let Some(body) = child.child_by_field_name("body") {
                        self.rust(body, &inner);
                    }
                }
                "macro_invocation" | "expression_statement" if text(child, self.source).starts_with("proptest!") => {
                    let words = text(child, self.source);
                    if let (Some(from), Some(to)) = (words.find(['{', '(']), words.rfind(['}', ')'])) {
                        self.found.nested.push((words[from + 1..to].to_owned(), line(child)));
                    }
                }
                "use_declaration" | "line_comment" => {}
                _ if place.inside && child.is_named() => self.found.rest.push(child),
                _ => {}
            }
            marks.clear();
        }
    }

    fn rust_function(&mut self, node: Node<'t>, marks: &[Node<'t>], place: &Place) {
        let words: Vec<String> = marks.iter().map(|mark| self.words(*mark)).collect();
        let names: Vec<&str> = words.iter().map(|mark| mark.trim_start_matches("# [ ").split([' ', ']']).next().unwrap_or("")).collect();
        let is_test = words.iter().any(|mark| {
            let path = mark.trim_start_matches("# [ ").split(['(', ']']).next().unwrap_or("").trim();
            matches!(path.rsplit(' ').next(), Some("test" | "rstest" | "test_case" | "quickcheck" | "wasm_bindgen_test"))
        });
        if !is_test {
            if place.inside {
                self.found.rest.push(node);
            }
            return self.helper(node);
        }
        let should_panic = names.iter().position(|name| *name == "should_panic").map(|at| words[at].clone());
        self.found.raws.push(Raw {
            name: [place.path.clone(), vec![self.name(node)]].concat().join("::"),
            whole: node,
            body: node.child_by_field_name("body"),
            marks: marks.to_vec(),
            options: None,
            skip: rust_skip(&words).or_else(|| place.skip.clone()),
            xfail: None,
            expects: should_panic,
            timeout: None,
        });
    }

    fn python(&mut self, node: Node<'t>, place: &Place) {
        for child in named(node) {
            let (definition, marks) = match child.kind() {
                "decorated_definition" => {
                    let marks = named(child).into_iter().filter(|kid| kid.kind() == "decorator").collect();
                    (child.child_by_field_name("definition").unwrap_or(child), marks)
                }
                _ => (child, vec![]),
            };
            match definition.kind() {
                "function_definition" => self.python_function(child, definition, marks, place),
                "class_definition" => self.python_class(definition, &marks, place),
                "if_statement" | "try_statement" | "else_clause" | "block" | "except_clause" => {
                    let condition = definition.child_by_field_name("condition").map(|condition| format!("if {}", self.words(condition)));
                    self.python(definition, &Place { skip: condition.or_else(|| place.skip.clone()), ..place.clone() });
                }
                "import_statement" | "import_from_statement" | "future_import_statement" => {}
                _ if place.inside => self.found.rest.push(child),
                _ => {}
            }
        }
    }

    fn python_class(&mut self, definition: Node<'t>, marks: &[Node<'t>], place: &Place) {
        let (name, words) = (self.name(definition), text(definition, self.source));
        let bases = definition.child_by_field_name("superclasses").map_or("", |bases| text(bases, self.source));
        let is_class = name.starts_with("Test") || bases.contains("TestCase") || bases.contains("Test");
        let marked = marks.iter().map(|mark| self.words(*mark)).find(|mark| python_skip(mark));
        let off = words.contains("__test__ = False").then(|| "__test__ = False".to_owned());
        let inner = Place {
            path: [place.path.clone(), vec![name]].concat(),
            skip: marked.or(off).or_else(|| place.skip.clone()),
            is_class,
            ..place.clone()
        };
        if let Some(body) = definition.child_by_field_name("body") {
            self.python(body, &inner);
        }
    }

    fn python_function(&mut self, whole: Node<'t>, definition: Node<'t>, marks: Vec<Node<'t>>, place: &Place) {
        let name = self.name(definition);
        let words: Vec<String> = marks.iter().map(|mark| self.words(*mark)).collect();
        let runs =
            name.starts_with("test") && (place.path.is_empty() || place.is_class) && !words.iter().any(|mark| mark.contains("fixture"));
        if !runs {
            if place.inside {
                self.found.rest.push(whole);
            }
            return self.helper(definition);
        }
        self.found.raws.push(Raw {
            name: [place.path.clone(), vec![name]].concat().join("."),
            whole,
            body: definition.child_by_field_name("body"),
            skip: words.iter().find(|mark| python_skip(mark)).cloned().or_else(|| place.skip.clone()),
            xfail: words.iter().find(|mark| mark.contains("xfail") || mark.contains("expectedFailure")).cloned(),
            marks,
            options: None,
            expects: None,
            timeout: None,
        });
    }

    fn go(&mut self, node: Node<'t>, place: &Place) {
        for child in named(node) {
            match child.kind() {
                "function_declaration" | "method_declaration" => {
                    let name = self.name(child);
                    let after = ["Test", "Fuzz", "Example"].iter().find_map(|start| name.strip_prefix(start));
                    if after.is_none_or(|after| after.starts_with(char::is_lowercase)) || name == "TestMain" {
                        self.found.rest.push(child);
                        self.helper(child);
                        continue;
                    }
                    self.found.raws.push(Raw {
                        name,
                        whole: child,
                        body: child.child_by_field_name("body"),
                        marks: vec![],
                        options: None,
                        skip: place.skip.clone(),
                        xfail: None,
                        expects: None,
                        timeout: None,
                    });
                }
                "package_clause" | "import_declaration" => {}
                _ => self.found.rest.push(child),
            }
        }
    }

    fn script(&mut self, node: Node<'t>, place: &Place) {
        for child in named(node) {
            let inner = match child.kind() {
                "expression_statement" => named(child).first().copied().unwrap_or(child),
                _ => child,
            };
            let links = if inner.kind() == "call_expression" { chain(inner, self.source) } else { vec![] };
            let names: Vec<String> = links.iter().map(|link| link.name.clone()).collect();
            match names.first().map(String::as_str) {
                Some("it" | "test" | "specify" | "fit" | "xit" | "xtest" | "xspecify") if is_case(&names) => {
                    self.script_test(inner, &names, place);
                }
                Some("describe" | "fdescribe" | "xdescribe" | "suite" | "context" | "xcontext") => self.script_group(inner, &names, place),
                _ if matches!(child.kind(), "import_statement" | "comment") => {}
                _ if is_function(child) => {
                    self.helper(child);
                    self.found.rest.push(child);
                }
                _ if self.holds_tests(child) => {
                    for kid in named(child) {
                        self.script(kid, place);
                    }
                }
                _ => {
                    for declared in named(child).into_iter().filter(|kid| kid.kind() == "variable_declarator") {
                        let value = declared.child_by_field_name("value").filter(|value| is_function(*value));
                        if let Some(body) = value.and_then(|value| value.child_by_field_name("body")) {
                            self.found.helpers.push((self.name(declared), body));
                        }
                    }
                    self.found.rest.push(child);
                }
            }
        }
    }

    fn holds_tests(&self, node: Node<'t>) -> bool {
        let words = text(node, self.source);
        ["it(", "test(", "describe(", "it.", "test.", "describe."].iter().any(|start| words.contains(start))
            && node.kind() != "lexical_declaration"
    }

    fn focus(&mut self, node: Node<'t>, names: &[String]) {
        let first = names.first().map_or("", String::as_str);
        if names.iter().any(|name| name == "only") || first == "fit" || first == "fdescribe" {
            self.found.narrowed.get_or_insert((line(node), names.join(".").trim_end_matches('.').to_owned()));
        }
    }

    fn script_skip(&self, node: Node<'t>, names: &[String], options: Option<Node<'t>>) -> Option<String> {
        let first = names.first().map_or("", String::as_str);
        let by_name = names.iter().find(|name| matches!(name.as_str(), "skip" | "todo" | "skipIf" | "runIf"));
        if by_name.is_some() || first.starts_with('x') {
            return Some(names.join(".").trim_end_matches('.').to_owned());
        }
        let options = options.map(|options| self.words(options)).unwrap_or_default();
        let off = ["skip : true", "todo : true", "skip : \"", "skip : '"].iter().any(|off| options.contains(off));
        let has_text = options.contains("skip :") && !options.contains("skip : false");
        (off || has_text || options.contains("todo :")).then(|| text(node, self.source).lines().next().unwrap_or_default().to_owned())
    }

    fn script_group(&mut self, node: Node<'t>, names: &[String], place: &Place) {
        self.focus(node, names);
        let Some(list) = node.child_by_field_name("arguments") else { return };
        let args = named(list);
        let options = args.iter().find(|arg| arg.kind() == "object").copied();
        let title = args.first().map_or_else(String::new, |first| plain_text(text(*first, self.source)));
        let inner = Place {
            path: [place.path.clone(), vec![title]].concat(),
            skip: self.script_skip(node, names, options).or_else(|| place.skip.clone()),
            ..place.clone()
        };
        if let Some(body) = args.iter().rev().find(|arg| is_function(**arg)).and_then(|function| function.child_by_field_name("body")) {
            self.script(body, &inner);
        }
    }

    fn script_test(&mut self, node: Node<'t>, names: &[String], place: &Place) {
        self.focus(node, names);
        let Some(list) = node.child_by_field_name("arguments") else { return };
        let args = named(list);
        let options = args.iter().find(|arg| arg.kind() == "object").copied();
        let function = args.iter().rev().find(|arg| is_function(**arg)).copied();
        let title = args.first().map_or_else(String::new, |first| plain_text(text(*first, self.source)));
        let timeout = args.iter().skip(2).find(|arg| arg.kind() == "number").and_then(|number| {
            let value = text(*number, self.source).replace('_', "").parse().ok()?;
            Some(Limit { key: "timeout".into(), value, up_is_weak: true, line: line(*number) })
        });
        let pending = function.is_none().then(|| "without a body".to_owned());
        // The table of `test.each`.
        let table: Vec<Node<'t>> =
            chain(node, self.source).iter().filter(|link| link.name == "each").filter_map(|link| link.args).collect();
        self.found.raws.push(Raw {
            name: [place.path.clone(), vec![title]].concat().join(" > "),
            whole: node,
            body: function.and_then(|function| function.child_by_field_name("body")),
            skip: self.script_skip(node, names, options).or(pending).or_else(|| place.skip.clone()),
            xfail: names.iter().any(|name| matches!(name.as_str(), "failing" | "fails")).then(|| names.join(".")),
            marks: table,
            options,
            expects: None,
            timeout,
        });
    }

    /// Classes of .NET and of JUnit: tests are methods with a mark.
    fn classes(&mut self, node: Node<'t>, place: &Place) {
        for child in named(node) {
            match child.kind() {
                "class_declaration" | "record_declaration" | "struct_declaration" => {
                    let marks = self.marks(child);
                    let skip = marks.iter().map(|mark| self.words(*mark)).find(|mark| class_skip(mark));
                    let is_class = text(child, self.source).split('{').next().is_some_and(|head| head.contains("extends TestCase"));
                    let path = [place.path.clone(), vec![self.name(child)]].concat();
                    let inner = Place { path, skip: skip.or_else(|| place.skip.clone()), is_class, ..place.clone() };
                    if let Some(body) = child.child_by_field_name("body") {
                        self.classes(body, &inner);
                    }
                }
                "method_declaration" => self.method(child, place),
                "preproc_if" | "preproc_else" | "preproc_elif" => {
                    let condition = child.child_by_field_name("condition").map(|condition| format!("#if {}", self.words(condition)));
                    self.classes(child, &Place { skip: condition.or_else(|| place.skip.clone()), ..place.clone() });
                }
                "namespace_declaration" | "file_scoped_namespace_declaration" | "declaration_list" | "class_body" => {
                    self.classes(child, place);
                }
                "using_directive" | "import_declaration" | "package_declaration" | "identifier" | "qualified_name" | "modifiers" => {}
                _ if place.inside && place.path.is_empty() => {}
                _ => self.found.rest.push(child),
            }
        }
    }

    fn marks(&self, node: Node<'t>) -> Vec<Node<'t>> {
        let lists = named(node).into_iter().filter(|kid| matches!(kid.kind(), "attribute_list" | "modifiers"));
        lists.flat_map(named).filter(|kid| matches!(kid.kind(), "attribute" | "annotation" | "marker_annotation")).collect()
    }

    fn method(&mut self, node: Node<'t>, place: &Place) {
        let marks = self.marks(node);
        let words: Vec<String> = marks.iter().map(|mark| self.words(*mark)).collect();
        let names: Vec<String> =
            words.iter().map(|mark| mark.trim_start_matches("@ ").split([' ', '(']).next().unwrap_or("").to_owned()).collect();
        let is_test = names.iter().any(|name| {
            let name = name.rsplit('.').next().unwrap_or(name).trim_end_matches("Attribute");
            matches!(
                name,
                "Test"
                    | "Fact"
                    | "Theory"
                    | "TestCase"
                    | "TestMethod"
                    | "DataTestMethod"
                    | "TestCaseSource"
                    | "ParameterizedTest"
                    | "RepeatedTest"
                    | "TestFactory"
                    | "TestTemplate"
                    | "Property"
                    | "SkippableFact"
                    | "SkippableTheory"
            )
        });
        if !(is_test || place.is_class && self.name(node).starts_with("test")) {
            self.found.rest.push(node);
            return self.helper(node);
        }
        let expects = words.iter().find(|mark| mark.contains("expected =") || mark.contains("ExpectedException"));
        let timeout = marks.iter().find_map(|mark| self.mark_timeout(*mark));
        self.found.raws.push(Raw {
            name: [place.path.clone(), vec![self.name(node)]].concat().join("."),
            whole: node,
            body: node.child_by_field_name("body"),
            skip: words.iter().find(|mark| class_skip(mark)).cloned().or_else(|| place.skip.clone()),
            xfail: None,
            expects: expects.cloned(),
            marks,
            options: None,
            timeout,
        });
    }

    /// `@Timeout(5)`, `[Timeout(1000)]`: the number alone.
    fn mark_timeout(&self, mark: Node<'t>) -> Option<Limit> {
        let words = tokens(mark, self.source);
        let name = words.iter().find(|tok| tok.word == Word::Plain && !tok.is("@") && !tok.is("["))?;
        let key = match name.text.as_str() {
            "Timeout" | "MaxTime" | "CancelAfter" => "timeout",
            "Retry" | "RetryingTest" | "RepeatFailedTest" => "retry",
            _ => return None,
        };
        let number: &Tok = words.iter().find(|tok| tok.word == Word::Number)?;
        Some(Limit { key: format!("{key} mark"), value: number.text.parse().ok()?, up_is_weak: true, line: line(mark) })
    }
}

fn rust_skip(words: &[String]) -> Option<String> {
    let off = |mark: &&String| {
        let inner = mark.trim_start_matches("# [ ");
        inner.starts_with("ignore")
            || inner.starts_with("cfg_attr") && inner.contains("ignore")
            || inner.starts_with("cfg (") && !inner.contains("( test")
    };
    words.iter().find(off).cloned()
}

fn python_skip(mark: &str) -> bool {
    let words: Vec<&str> = mark.split(' ').collect();
    words.iter().any(|word| matches!(*word, "skip" | "skipif" | "skipIf" | "skipUnless"))
}

fn class_skip(mark: &str) -> bool {
    let name = mark.trim_start_matches("@ ").split([' ', '(']).next().unwrap_or("");
    name.starts_with("Disabled")
        || name.starts_with("Enabled")
        || matches!(name, "Ignore" | "Explicit")
        || mark.contains("Skip =")
        || mark.contains("enabled = false")
}

/// `test(…)`, `test.skip(…)`, `test.each(…)(…)`; not `test.beforeEach(…)`.
fn is_case(names: &[String]) -> bool {
    names[1..].iter().all(|name| {
        matches!(
            name.as_str(),
            "" | "skip"
                | "only"
                | "todo"
                | "failing"
                | "fails"
                | "each"
                | "concurrent"
                | "sequential"
                | "skipIf"
                | "runIf"
                | "for"
                | "serial"
        )
    })
}
