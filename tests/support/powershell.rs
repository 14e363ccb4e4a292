//! PowerShell read without PowerShell: the syntax tree of a script, and what a module declares in it.

use std::collections::{BTreeMap, BTreeSet};
use tree_sitter::{Node, Parser, Tree};

/// A script and its syntax tree.
pub struct Script {
    pub text: String,
    tree: Tree,
}

/// A function as its reader sees it.
#[derive(Debug)]
pub struct Function {
    pub name: String,
    pub parameters: Vec<Parameter>,
    /// The block of comment help, empty where there is none.
    pub help: String,
    pub should_process: bool,
}

#[derive(Debug)]
pub struct Parameter {
    pub name: String,
    pub aliases: Vec<String>,
    pub values: Vec<String>,
    pub attributes: String,
}

/// A command in a script: its name and the parameters that it is given.
#[derive(Debug)]
pub struct Call {
    pub name: String,
    pub parameters: Vec<String>,
    pub first_argument: Option<String>,
}

impl Script {
    pub fn parse(text: &str) -> Script {
        let mut parser = Parser::new();
        parser.set_language(&tree_sitter_powershell::LANGUAGE.into()).unwrap();
        let tree = parser.parse(text, None).unwrap();
        Script { text: text.to_owned(), tree }
    }

    fn text(&self, node: Node) -> &str {
        &self.text[node.byte_range()]
    }

    /// Every node of a kind, in the order of the text.
    fn all(&self, kind: &str) -> Vec<Node<'_>> {
        below(self.tree.root_node(), &|node| node.kind() == kind)
    }

    /// Where the text is no PowerShell of the subset that 5.1 reads.
    pub fn faults(&self) -> Vec<String> {
        let wrong = below(self.tree.root_node(), &|node| node.is_error() || node.is_missing());
        let place = |node: &Node| {
            let at = node.start_position();
            format!("{}:{}: `{}`", at.row + 1, at.column + 1, self.text(*node).lines().next().unwrap_or_default())
        };
        wrong.iter().map(place).collect()
    }

    pub fn functions(&self) -> Vec<Function> {
        self.all("function_statement").into_iter().map(|node| self.function(node)).collect()
    }

    fn function(&self, node: Node) -> Function {
        let first = |kind: &str| below(node, &|inner| inner.kind() == kind).into_iter().next();
        let comment = first("comment").map(|comment| self.text(comment)).filter(|text| text.starts_with("<#"));
        let parameters = below(node, &|inner| inner.kind() == "script_parameter");
        let block = first("param_block").map_or("", |block| self.text(block));
        Function {
            name: first("function_name").map_or_else(String::new, |name| self.text(name).to_owned()),
            // Those of a script block inside are not the function's.
            parameters: parameters.into_iter().filter(|one| owner(*one) == Some(node.id())).map(|one| self.parameter(one)).collect(),
            help: comment.unwrap_or_default().to_owned(),
            should_process: block.contains("SupportsShouldProcess = $true"),
        }
    }

    fn parameter(&self, node: Node) -> Parameter {
        let name = below(node, &|inner| inner.kind() == "variable" && inner.parent() == Some(node));
        let words = |attribute: &str| -> Vec<String> {
            let found = below(node, &|inner| inner.kind() == "attribute" && self.text(inner).starts_with(attribute));
            found.iter().flat_map(|one| quoted(self.text(*one))).collect()
        };
        Parameter {
            name: name.first().map_or_else(String::new, |name| self.text(*name).trim_start_matches('$').to_owned()),
            aliases: words("[Alias("),
            values: words("[ValidateSet("),
            attributes: below(node, &|inner| inner.kind() == "attribute_list").first().map_or("", |list| self.text(*list)).to_owned(),
        }
    }

    /// Commands that are called, those inside script blocks too.
    pub fn calls(&self) -> Vec<Call> {
        let call = |node: Node| {
            let name = below(node, &|inner| inner.kind() == "command_name" && inner.parent() == Some(node));
            let elements = below(node, &|inner| {
                inner.parent().is_some_and(|above| above.kind() == "command_elements" && above.parent() == Some(node))
            });
            let parameters = elements.iter().filter(|inner| inner.kind() == "command_parameter");
            Some(Call {
                name: self.text(*name.first()?).to_owned(),
                parameters: parameters.map(|one| self.text(*one).trim_start_matches('-').trim_end_matches(':').to_owned()).collect(),
                first_argument: elements
                    .iter()
                    .find(|inner| inner.kind() == "array_literal_expression")
                    .map(|one| self.text(*one).to_owned()),
            })
        };
        self.all("command").into_iter().filter_map(call).collect()
    }

    /// For every function, and for the rest of the script: variables that are used and set nowhere in it.
    pub fn unset_variables(&self) -> Vec<(String, String)> {
        let mut found = vec![];
        let outside = |node: &Node| node.parent().is_some_and(|above| owner_function(above).is_none());
        let blocks = self.all("script_block_expression").into_iter().filter(outside);
        for node in self.all("function_statement").into_iter().chain(blocks) {
            let name = below(node, &|inner| inner.kind() == "function_name").first().map_or("", |name| self.text(*name));
            let variables = below(node, &|inner| inner.kind() == "variable");
            let is_set = |inner: &Node| {
                let above = inner.parent().map_or("", |above| above.kind());
                above == "script_parameter" || above == "foreach_statement" || self.is_assigned(*inner)
            };
            let bare = |inner: &Node| self.text(*inner).trim_start_matches(['$', '@']).to_ascii_lowercase();
            let set: BTreeSet<String> = variables.iter().filter(|inner| is_set(inner)).map(bare).collect();
            let unset = variables.iter().map(bare).filter(|name| !name.contains(':') && !set.contains(name));
            found.extend(unset.map(|variable| (name.to_owned(), variable)));
        }
        found
    }

    /// Whether a variable stands alone on the left of `=`.
    fn is_assigned(&self, variable: Node) -> bool {
        let mut node = variable;
        while let Some(above) = node.parent() {
            if above.kind() == "left_assignment_expression" {
                return self.text(above).trim() == self.text(variable);
            }
            if above.byte_range() != variable.byte_range() {
                return false;
            }
            node = above;
        }
        false
    }

    /// Names after a dot, of properties and methods.
    pub fn members(&self) -> BTreeSet<String> {
        self.all("member_name").into_iter().map(|node| self.text(node).to_owned()).collect()
    }

    /// A table of the module, `$script:Name = @{ key = @('a', 'b') }` or `key = 'a'`.
    pub fn table(&self, name: &str) -> BTreeMap<String, Vec<String>> {
        let start = format!("$script:{name} =");
        let assigned = self.all("assignment_expression").into_iter().find(|node| self.text(*node).starts_with(&start));
        let entries = below(assigned.unwrap_or_else(|| panic!("no table {name}")), &|node| node.kind() == "hash_entry");
        let entry = |node: &Node| {
            let (key, value) = self.text(*node).split_once('=').unwrap();
            (key.trim().trim_matches('\'').to_owned(), quoted(value))
        };
        entries.iter().map(entry).collect()
    }

    /// The words in quotes of the first statement that begins so.
    pub fn list(&self, start: &str) -> Vec<String> {
        let at = self.text.find(start).unwrap_or_else(|| panic!("no `{start}`"));
        quoted(self.text[at + start.len()..].split(')').next().unwrap())
    }
}

/// Nodes at and below one.
fn below<'t>(node: Node<'t>, wanted: &dyn Fn(Node<'t>) -> bool) -> Vec<Node<'t>> {
    let mut found = vec![];
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        if wanted(node) {
            found.push(node);
        }
        let mut cursor = node.walk();
        open.extend(node.children(&mut cursor));
    }
    found.sort_by_key(|node| (node.start_byte(), std::cmp::Reverse(node.end_byte())));
    found
}

/// The function or script block around a node.
fn owner_function(node: Node) -> Option<Node> {
    let mut above = node;
    while !["function_statement", "script_block_expression"].contains(&above.kind()) {
        above = above.parent()?;
    }
    Some(above)
}

/// The function that a parameter is one of.
fn owner(node: Node) -> Option<usize> {
    let mut above = node.parent()?;
    loop {
        match above.kind() {
            "function_statement" => return Some(above.id()),
            "script_block_expression" => return None,
            _ => above = above.parent()?,
        }
    }
}

fn quoted(text: &str) -> Vec<String> {
    text.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The parts of comment help: keyword and what stands under it. `.PARAMETER Title` has the key `PARAMETER Title`.
pub fn help_parts(help: &str) -> Vec<(String, String)> {
    let mut parts: Vec<(String, String)> = vec![];
    for line in help.trim_start_matches("<#").trim_end_matches("#>").lines() {
        let line = line.strip_prefix("    ").unwrap_or(line);
        match line.strip_prefix('.').filter(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase())) {
            Some(key) => parts.push((key.trim().to_owned(), String::new())),
            None => {
                if let Some((_, text)) = parts.last_mut() {
                    *text += line;
                    *text += "\n";
                }
            }
        }
    }
    parts
}
