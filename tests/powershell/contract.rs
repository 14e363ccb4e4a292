//! The module against the program: neither side can move alone.

use crate::cli_world::{Cli, task};
use crate::reader::{Function, Script, help_parts};
use crate::{AURA, read};
use aura::error::Code;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The functions of the first Aura, and what has joined them.
const FUNCTIONS: [&str; 16] = [
    "New-AuraStory",
    "Get-AuraStory",
    "Get-AuraStories",
    "Start-AuraStoryAnalysis",
    "Start-AuraStoryDecompose",
    "Start-AuraStory",
    "Get-AuraStoryStatus",
    "Invoke-AuraStoryFull",
    "Approve-AuraStory",
    "Complete-AuraStory",
    "Remove-AuraStoryWorktree",
    "Watch-AuraStory",
    "Get-AuraTaskOutput",
    "Restart-AuraTask",
    "Stop-AuraStory",
    "Test-AuraSetup",
];

/// Parameters that scripts for the first Aura use.
const FIRST: [(&str, &[&str]); 10] = [
    ("New-AuraStory", &["Title", "Description", "RepositoryPath", "AutomationMode", "IssueUrl", "BaseUrl"]),
    ("Get-AuraStory", &["Id", "StoryId", "BaseUrl"]),
    ("Get-AuraStories", &["Status", "RepositoryPath", "BaseUrl"]),
    ("Start-AuraStoryAnalysis", &["Id", "StoryId", "BaseUrl"]),
    ("Start-AuraStoryDecompose", &["Id", "StoryId", "MaxParallelism", "IncludeTests", "BaseUrl"]),
    ("Start-AuraStory", &["Id", "StoryId", "BaseUrl"]),
    ("Get-AuraStoryStatus", &["Id", "StoryId", "BaseUrl"]),
    ("Invoke-AuraStoryFull", &["Id", "StoryId", "MaxParallelism", "BaseUrl"]),
    ("Complete-AuraStory", &["Id", "StoryId", "CommitMessage", "CreatePullRequest", "PrTitle", "Draft", "BaseUrl"]),
    ("Remove-AuraStoryWorktree", &["Id", "StoryId", "BaseUrl"]),
];

/// Fields that the module does without, because it shows all that there is.
const NOT_SENT: [(&str, &[&str]); 4] = [
    ("list_stories", &["cursor"]),
    ("get_orchestrator_status", &["limit", "cursor"]),
    ("get_story", &["detailed"]),
    ("decompose_story", &["detailed"]),
];

/// Tools that the module does without: a wait is `run_wave` with `waitSeconds`.
const NOT_WRAPPED: [&str; 1] = ["wait_for_wave"];

/// Types of objects, and where the program describes them: the answer of a tool, or a definition in it.
const TYPES: [(&str, &str, Option<&str>); 15] = [
    ("Aura.Story", "create_story", None),
    ("Aura.Task", "decompose_story", Some("StoryTask")),
    ("Aura.TaskBrief", "run_wave", Some("TaskBrief")),
    ("Aura.Plan", "decompose_story", None),
    ("Aura.Analysis", "analyze_story", None),
    ("Aura.RunResult", "run_wave", None),
    ("Aura.StoryStatus", "get_orchestrator_status", None),
    ("Aura.TaskOutput", "get_task_output", None),
    ("Aura.Completion", "complete_story", None),
    ("Aura.Removal", "remove_worktree", None),
    ("Aura.Cancellation", "cancel_run", None),
    ("Aura.Acceptance", "accept_findings", None),
    ("Aura.Gate", "run_wave", Some("GateView")),
    ("Aura.Check", "run_wave", Some("CheckView")),
    ("Aura.Attempt", "get_task_output", Some("TaskAttempt")),
];
/// What no schema describes: events and `aura doctor --json`. Tests drive both.
const UNDESCRIBED: [(&str, &[&str]); 4] = [
    ("Aura.Event", &["seq", "at", "storyId", "kind", "task", "taskId"]),
    ("Aura.Setup", &["ready", "agents", "findings"]),
    ("Aura.Finding", &["name", "health", "detail", "hint"]),
    ("a problem", &["type", "code", "detail", "hint", "retryable"]),
];
/// What the module itself adds, so that objects can be piped on.
const ADDED: [&str; 2] = ["storyId", "taskId"];

fn module() -> Script {
    Script::parse(&read("scripts/Aura-Story.psm1"))
}

fn tools() -> BTreeMap<String, Value> {
    let output = Command::new(AURA).args(["call", "--list"]).env("AURA_HOME", tempfile::tempdir().unwrap().path()).output().unwrap();
    let list: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    list.into_iter().map(|tool| (tool["name"].as_str().unwrap().to_owned(), tool)).collect()
}

fn public() -> Vec<Function> {
    module().functions().into_iter().filter(|function| FUNCTIONS.contains(&function.name.as_str())).collect()
}

fn names(schema: &Value) -> BTreeSet<String> {
    schema["properties"].as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default()
}

fn set<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> BTreeSet<String> {
    items.into_iter().map(|item| item.as_ref().to_owned()).collect()
}

/// The schema of a type of objects.
fn described(tools: &BTreeMap<String, Value>, tool: &str, definition: Option<&str>) -> Value {
    let schema = &tools[tool]["outputSchema"];
    match definition {
        None => schema.clone(),
        Some(name) => schema["$defs"][name].clone(),
    }
}

/// Properties of every object that the program describes.
fn every_property(tools: &BTreeMap<String, Value>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for tool in tools.values() {
        for schema in [&tool["inputSchema"], &tool["outputSchema"]] {
            found.extend(names(schema));
            found.extend(schema["$defs"].as_object().into_iter().flatten().flat_map(|(_, one)| names(one)));
        }
    }
    found
}

#[test]
fn what_is_exported_is_the_same_everywhere() {
    let wanted = set(FUNCTIONS);
    let manifest = Script::parse(&read("scripts/Aura-Story.psd1"));
    assert_eq!(set(module().list("Export-ModuleMember -Function @(")), wanted, "Export-ModuleMember");
    assert_eq!(set(manifest.list("FunctionsToExport    = @(")), wanted, "the manifest");
    assert_eq!(set(public().iter().map(|function| &function.name)), wanted, "the functions");
    let page = read("docs/powershell.md");
    let rows: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|row| row.split('`').next()).collect();
    assert_eq!(set(rows.iter().filter(|row| row.contains("-Aura"))), wanted, "the table of docs/powershell.md");
    let version = format!("ModuleVersion        = '{}'", env!("CARGO_PKG_VERSION"));
    assert!(manifest.text.contains(&version), "the manifest should say {version}");
}

#[test]
fn the_parameters_of_the_first_aura_are_there() {
    let functions = public();
    for (name, wanted) in FIRST {
        let function = functions.iter().find(|one| one.name == name).unwrap();
        let known: BTreeSet<&str> =
            function.parameters.iter().flat_map(|one| one.aliases.iter().chain([&one.name])).map(String::as_str).collect();
        for parameter in wanted {
            assert!(known.contains(parameter), "{name} has no -{parameter}");
        }
    }
}

#[test]
fn every_function_is_explained_and_asks_where_it_changes_something() {
    for function in public() {
        let name = &function.name;
        let parts = help_parts(&function.help);
        let keys = |start: &str| parts.iter().filter(|(key, _)| key.starts_with(start)).collect::<Vec<_>>();
        for (key, count) in [("SYNOPSIS", 1), ("EXAMPLE", 2), ("OUTPUTS", 1)] {
            assert_eq!(keys(key).len(), count, "{name}: .{key}");
        }
        let explained: Vec<String> = parts.iter().filter_map(|(key, _)| key.strip_prefix("PARAMETER ")).map(str::to_owned).collect();
        let declared: Vec<String> = function.parameters.iter().map(|one| one.name.clone()).collect();
        assert_eq!(explained, declared, "{name}: parameters explained and declared");
        assert!(parts.iter().all(|(_, text)| !text.trim().is_empty()), "{name}: a part of its help is empty");
        let looks = ["Get-", "Watch-", "Test-"].iter().any(|verb| name.starts_with(verb));
        assert_eq!(function.should_process, !looks, "{name}: -WhatIf and -Confirm");
        assert!(declared.contains(&"BaseUrl".to_owned()), "{name}: -BaseUrl");
        for parameter in function.parameters.iter().filter(|one| one.name == "Id" || one.name == "StoryId") {
            assert!(parameter.attributes.contains("Position = 0"), "{name} -{}", parameter.name);
            assert!(parameter.attributes.contains("ValueFromPipelineByPropertyName = $true"), "{name} -{}", parameter.name);
            let other = if parameter.name == "Id" { "StoryId" } else { "Id" };
            assert_eq!(parameter.aliases, [other], "{name} -{}", parameter.name);
        }
    }
}

#[test]
fn what_is_sent_is_what_the_tools_take() {
    let (module, tools) = (module(), tools());
    let (sends, where_known) = (module.table("Sends"), module.table("SendsWhereKnown"));
    let wrapped: BTreeSet<String> = tools.keys().filter(|name| !NOT_WRAPPED.contains(&name.as_str())).cloned().collect();
    assert_eq!(set(sends.keys()), wrapped, "tools that the module calls, and tools that there are");
    for (tool, fields) in &sends {
        let mut taken = names(&tools[tool]["inputSchema"]);
        for field in where_known.get(tool).into_iter().flatten() {
            taken.remove(field);
        }
        for field in NOT_SENT.iter().filter(|(name, _)| name == tool).flat_map(|(_, fields)| *fields) {
            taken.remove(*field);
        }
        assert_eq!(set(fields), taken, "fields that the module sends to `{tool}`, and that it takes");
    }
    let task = names(&tools["decompose_story"]["inputSchema"]["$defs"]["TaskInput"]);
    assert_eq!(set(module.list("$script:TaskFields = @(")), task, "fields of a task in a plan");
    let called: BTreeSet<String> = module
        .calls()
        .into_iter()
        .filter(|call| call.name == "Invoke-AuraTool")
        .filter_map(|call| call.first_argument)
        .map(|word| word.trim_matches('\'').to_owned())
        .collect();
    assert_eq!(called, set(sends.keys()), "tools that are called, and the table of the module");
}

#[test]
fn every_field_of_a_tool_is_a_parameter() {
    let (module, tools) = (module(), tools());
    let functions = public();
    // The module waits by itself, and shows all that there is.
    let others = set(["waitSeconds", "storyId", "detailed"]);
    let where_known = module.table("SendsWhereKnown");
    for (tool, mut fields) in module.table("Sends") {
        fields.extend(where_known.get(&tool).cloned().unwrap_or_default());
        // One function offers all of them; `run_wave` and others have more than one caller.
        let offers = |function: &Function, field: &str| function.parameters.iter().any(|one| one.name.eq_ignore_ascii_case(field));
        let fields: Vec<&String> = fields.iter().filter(|field| !others.contains(*field)).collect();
        let found = functions.iter().any(|function| fields.iter().all(|field| offers(function, field)));
        assert!(found, "no function offers all of `{tool}`: {fields:?}");
        assert!(tools.contains_key(&tool));
    }
}

#[test]
fn what_is_read_is_what_the_tools_answer() {
    let (module, tools) = (module(), tools());
    let mut known = every_property(&tools);
    known.extend(UNDESCRIBED.iter().flat_map(|(_, fields)| set(*fields)));
    known.extend(set(ADDED));
    // The list of tools itself.
    known.extend(set(["name", "inputSchema", "properties"]));
    known.extend(module.table("SendsWhereKnown").into_values().flatten());
    // `[type]::new` is not of JSON.
    known.insert("new".into());
    // JSON begins small, .NET does not.
    let read = module.members().into_iter().filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase()));
    let unknown: Vec<String> = read.filter(|name| !known.contains(name)).collect();
    assert!(unknown.is_empty(), "the module reads what no answer holds: {unknown:?}");
}

/// What a schema names and an answer does not hold. Schemas do not tell it apart from what may be null.
#[test]
fn what_answers_leave_out_is_filled_in() {
    let (cli, tools) = (Cli::new(), tools());
    let id = cli.planned(&[task("task-1", &[])]);
    let call = |tool: &str, args: Value| cli.call(tool, &args).well();
    let waiting = call("get_task_output", json!({ "storyId": id, "taskId": "task-1" }));
    let planned = call("get_orchestrator_status", json!({ "storyId": id, "detailed": true }));
    let run = call("run_wave", json!({ "storyId": id, "waitSeconds": 60 }));
    let status = call("get_orchestrator_status", json!({ "storyId": id, "detailed": true }));
    let log = call("get_task_output", json!({ "storyId": id, "taskId": "task-1" }));
    let completed = call("complete_story", json!({ "storyId": id, "publish": "branch" }));
    let removed = call("remove_worktree", json!({ "storyId": id }));
    let answers = [
        ("Aura.Story", call("get_story", json!({ "storyId": id }))),
        ("Aura.Analysis", call("analyze_story", json!({ "storyId": cli.story("Another"), "factsOnly": true }))),
        ("Aura.Plan", call("decompose_story", json!({ "storyId": "latest" }))),
        ("Aura.Task", planned["tasks"][0].clone()),
        ("Aura.Task", status["tasks"][0].clone()),
        ("Aura.StoryStatus", status),
        ("Aura.TaskBrief", run["startedTasks"][0].clone()),
        ("Aura.Gate", run["gateResult"].clone()),
        ("Aura.Check", run["gateResult"]["checks"][0].clone()),
        ("Aura.RunResult", run),
        ("Aura.TaskOutput", waiting),
        ("Aura.Attempt", log["attemptsMade"][0].clone()),
        ("Aura.TaskOutput", log),
        ("Aura.Completion", completed),
        ("Aura.Removal", removed),
    ];
    let filled = module().table("Optional");
    for (name, answer) in &answers {
        let (_, tool, definition) = TYPES.iter().find(|(one, ..)| one == name).unwrap();
        let held = set(answer.as_object().unwrap_or_else(|| panic!("{name}: {answer}")).keys());
        let named = names(&described(&tools, tool, *definition));
        let filled = set(filled.get(*name).into_iter().flatten());
        assert!(filled.is_subset(&named), "{name}: the module fills in what no schema names: {filled:?}");
        let left_out: Vec<&String> = named.difference(&held).filter(|field| !filled.contains(*field)).collect();
        assert!(left_out.is_empty(), "{name}: answers leave out {left_out:?}, and the module does not fill them in");
    }
}

#[test]
fn times_and_codes_are_those_of_the_program() {
    let module = module();
    let known = set(module.list("$script:Times = @("));
    for name in every_property(&tools()).into_iter().filter(|name| name.ends_with("At") || name.ends_with("Until")) {
        assert!(known.contains(&name), "`{name}` is a time that the module leaves as text");
    }
    assert_eq!(set(module.table("Categories").keys()), set(Code::ALL.iter().map(|code| code.row().name)));
}

#[test]
fn values_that_can_be_chosen_are_those_of_the_program() {
    let tools = tools();
    let values = |function: &str, parameter: &str| {
        let functions = public();
        let function = functions.iter().find(|one| one.name == function).unwrap();
        set(&function.parameters.iter().find(|one| one.name == parameter).unwrap().values)
    };
    let status = &tools["create_story"]["outputSchema"]["$defs"]["StoryStatus"];
    let all = status["enum"].as_array().or(status["oneOf"].as_array()).unwrap();
    let all = set(all.iter().map(|one| one.as_str().or(one["const"].as_str()).unwrap()));
    assert_eq!(values("Get-AuraStories", "Status"), all);
    for (function, parameter, words, option) in [
        ("Start-AuraStory", "Mode", ["run", "latest", "--mode", "?"], "--mode"),
        ("Invoke-AuraStoryFull", "Mode", ["run", "latest", "--mode", "?"], "--mode"),
        ("Complete-AuraStory", "Publish", ["complete", "latest", "--publish", "?"], "--publish"),
    ] {
        let said = Command::new(AURA).args(words).output().unwrap();
        let said = String::from_utf8(said.stderr).unwrap();
        let list = said.split("[possible values: ").nth(1).unwrap_or_else(|| panic!("{option}: {said}")).split(']').next().unwrap();
        assert_eq!(values(function, parameter), set(list.split(", ")), "{function} -{parameter}");
    }
}

#[test]
fn the_tables_show_what_the_objects_have() {
    let tools = tools();
    let format = read("scripts/Aura-Story.format.ps1xml");
    let mut known: BTreeMap<&str, BTreeSet<String>> = UNDESCRIBED.iter().map(|(name, fields)| (*name, set(*fields))).collect();
    for (name, tool, definition) in TYPES {
        known.insert(name, names(&described(&tools, tool, definition)));
    }
    let views: Vec<&str> = format.split("<TypeName>").skip(1).collect();
    assert!(views.len() > 10);
    for view in views {
        let name = view.split('<').next().unwrap();
        let own = known.get(name).unwrap_or_else(|| panic!("{name} is no type of the module"));
        for shown in view.split("<PropertyName>").skip(1).map(|rest| rest.split('<').next().unwrap()) {
            assert!(own.contains(shown) || ADDED.contains(&shown), "{name} has no `{shown}`");
        }
        for code in view.split("<ScriptBlock>").skip(1).map(|rest| rest.split("</ScriptBlock>").next().unwrap()) {
            let script = Script::parse(&code.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"));
            assert!(script.faults().is_empty(), "{name}: {:?} in {code}", script.faults());
            for member in script.members().into_iter().filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase())) {
                let elsewhere = UNDESCRIBED.iter().any(|(_, fields)| fields.contains(&member.as_str()));
                assert!(every_property(&tools).contains(&member) || elsewhere, "{name}: `{member}`");
            }
        }
        assert!(read("scripts/Aura-Story.psm1").contains(&format!("'{name}'")), "nothing has the type {name}");
    }
}

/// What the help and the pages show is PowerShell, and names only functions and parameters that there are.
#[test]
fn every_example_names_what_there_is() {
    let functions = public();
    let common = ["WhatIf", "Confirm", "Verbose", "ErrorAction", "WarningAction"];
    let mut examples: Vec<(String, String)> = vec![];
    for function in &functions {
        for (_, text) in help_parts(&function.help).into_iter().filter(|(key, _)| key == "EXAMPLE") {
            // The code ends at the first empty line.
            examples.push((function.name.clone(), text.split("\n\n").next().unwrap().to_owned()));
        }
    }
    for page in ["README.md", "docs/powershell.md", "docs/automation.md"] {
        let text = read(page);
        examples.extend(text.split("```powershell\n").skip(1).map(|rest| (page.to_owned(), rest.split("```").next().unwrap().to_owned())));
    }
    let mut seen = BTreeSet::new();
    for (place, code) in examples {
        let script = Script::parse(&code.replace("<guid>", "latest"));
        assert!(script.faults().is_empty(), "{place}: {:?}\n{code}", script.faults());
        for call in script.calls().into_iter().filter(|call| call.name.contains("-Aura")) {
            let function = functions.iter().find(|one| one.name == call.name).unwrap_or_else(|| panic!("{place}: no {}", call.name));
            for given in &call.parameters {
                let known = function.parameters.iter().any(|one| one.name == *given || one.aliases.contains(given));
                assert!(known || common.contains(&given.as_str()), "{place}: {} has no -{given}", call.name);
            }
            seen.insert(call.name);
        }
    }
    assert_eq!(seen, set(FUNCTIONS), "every function is shown somewhere");
}

/// The usage example that Aura began with, word for word.
const FIRST_EXAMPLE: &str = r#"Import-Module .\scripts\Aura-Story.psm1

# Create a story with worktree
$story = New-AuraStory -Title "Add user validation" -RepositoryPath "C:\repos\myapp"

# Analyze codebase
Start-AuraStoryAnalysis -Id $story.id

# Decompose into parallel tasks
$tasks = Start-AuraStoryDecompose -Id $story.id -MaxParallelism 4

# Run all waves (automatically runs quality gates)
Invoke-AuraStoryFull -Id $story.id

# Or run wave by wave manually
do {
    $result = Start-AuraStory -Id $story.id
} while (-not $result.isComplete -and -not $result.error)

# Complete and create PR
Complete-AuraStory -Id $story.id -CreatePullRequest $true

# After PR is merged, cleanup
Remove-AuraStoryWorktree -Id $story.id
"#;

/// Its section "CLI wrappers".
const FIRST_WRAPPERS: &str = r#"# Create a new story with worktree
New-AuraStory -Title "Add user validation" -RepositoryPath "C:\repos\myapp"

# Decompose story into tasks
Start-AuraStoryDecompose -StoryId <guid> -MaxParallelism 4

# Run story (future - Week 2)
Start-AuraStory -StoryId <guid>

# Complete story (future - Week 2)
Complete-AuraStory -StoryId <guid>
"#;

#[test]
fn the_first_example_is_on_the_page_that_the_pester_tests_run() {
    let page = read("docs/powershell.md");
    assert!(page.contains(&format!("```powershell\n{FIRST_EXAMPLE}```")), "the usage example");
    assert!(page.contains(&format!("```powershell\n{FIRST_WRAPPERS}```")), "the wrappers");
    let pester = read("tests/powershell/Example.Tests.ps1");
    assert!(pester.contains("docs/powershell.md"), "the Pester test reads them from there");
}
