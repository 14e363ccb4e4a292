//! The official conformance suite, which speaks HTTP only, in both of its frozen requirement sets: against the shipped
//! binary as it is, and against the suite's own fixtures behind Aura's HTTP door. Baselines are checked in beside this
//! file; the suite fails on a regression and on a baseline entry that no longer fails. `docs/conformance.md` holds the two
//! results apart, and this test holds it to them.

use crate::cli_world::{AURA, Cli, Said, finish};
use crate::fixtures::Fixture;
use crate::packages;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const REVISIONS: [&str; 2] = ["2025-11-25", "2026-07-28"];
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hosts/conformance");

/// Scenarios that ask for nothing but what any server has, so that a pass means something. Others pass on any server that
/// refuses properly (`tools-call-error` is content with the refusal of a tool that is not there): they are not counted.
const ANYWHERE: &[&str] = &[
    "server-initialize",
    "server-session-lifecycle",
    "server-stateless",
    "ping",
    "logging-set-level",
    "tools-list",
    "resources-list",
    "sep-2164-resource-not-found",
    "prompts-list",
    "completion-complete",
    "caching",
    "server-sse-multiple-streams",
    "dns-rebinding-protection",
    "http-header-validation",
    "input-required-result-unsupported-methods",
];

/// Checks of a scenario that passed, and all that were made.
type Counts = (usize, usize);

struct Suite {
    node: PathBuf,
    clients: PathBuf,
    out: tempfile::TempDir,
}

impl Suite {
    fn find() -> Option<Suite> {
        let (clients, node) = (packages::clients()?, packages::node()?);
        Some(Suite { node, clients, out: tempfile::tempdir().unwrap() })
    }

    /// What a revision requires, held against the baseline of that name, if there is one.
    fn run(&self, url: &str, revision: &str, server: &str) -> (Said, BTreeMap<String, Counts>) {
        let baseline = Path::new(FOLDER).join(format!("{server}-{revision}.yaml"));
        let out = self.out.path().join(revision);
        let mut command = Command::new(&self.node);
        command.arg(self.clients.join("node_modules/@modelcontextprotocol/conformance/dist/index.js"));
        command.args(["server", "--url", url, "--requirements", revision, "--output-dir"]).arg(&out);
        if baseline.is_file() {
            command.arg("--expected-failures").arg(baseline);
        }
        let said = finish(&mut command);
        let results = fs::read_dir(&out).unwrap().map(|entry| result(&entry.unwrap().path())).collect();
        (said, results)
    }
}

impl Suite {
    /// Scenarios of servers that a revision requires: the list `server` of the suite's own file.
    fn required(&self, revision: &str) -> Vec<String> {
        let folder = self.clients.join("node_modules/@modelcontextprotocol/conformance/requirements");
        let text = fs::read_to_string(folder.join(format!("{revision}.yaml"))).unwrap();
        let list = text.lines().skip_while(|line| *line != "server:").skip(1);
        let list = list.take_while(|line| line.starts_with([' ', '#']));
        let list: Vec<String> = list.filter_map(|line| line.trim().strip_prefix("- ")).map(str::to_owned).collect();
        assert!(list.len() > 20, "{list:?}");
        list
    }
}

/// From `server-<scenario>-<time>/checks.json`.
fn result(folder: &Path) -> (String, Counts) {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let scenario = name.strip_prefix("server-").unwrap();
    // `-2026-11-23T09-13-18-358Z`
    let scenario = scenario[..scenario.len() - 25].to_owned();
    let checks: Vec<Value> = serde_json::from_str(&fs::read_to_string(folder.join("checks.json")).unwrap()).unwrap();
    let with = |status: &str| checks.iter().filter(|check| check["status"] == status).count();
    (scenario, (with("SUCCESS"), with("SUCCESS") + with("FAILURE")))
}

/// `aura mcp --http`, ended on drop.
struct Shipped {
    server: Child,
    url: String,
    _cli: Cli,
}

impl Shipped {
    fn start() -> Shipped {
        let cli = Cli::new();
        // Something to read: without a resource some checks are left out.
        cli.story("For the suite");
        let mut server =
            cli.aura(&["mcp", "--http", "127.0.0.1:0", "--no-token"]).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(server.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("MCP: ").unwrap_or_else(|| panic!("{AURA}: {line}")).to_owned();
        // Nobody may have to wait until it is read.
        std::thread::spawn(move || said.read_to_end(&mut vec![]));
        Shipped { server, url, _cli: cli }
    }
}

impl Drop for Shipped {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// What a table of the page says.
#[track_caller]
fn on_the_page(table: &str) {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/conformance.md");
    let page = fs::read_to_string(page).unwrap_or_default();
    assert!(page.contains(table), "docs/conformance.md should hold\n\n{table}");
}

#[test]
fn the_shipped_binary_does_what_needs_no_fixture() {
    let Some(suite) = Suite::find() else { return };
    let shipped = Shipped::start();
    let runs = REVISIONS.map(|revision| {
        let (said, results) = suite.run(&shipped.url, revision, "shipped");
        assert_eq!(said.code, 0, "against shipped-{revision}.yaml: {}{}", said.text(), said.stderr);
        results
    });
    let mut table = format!("| scenario | {} | {} |\n|---|---|---|\n", REVISIONS[0], REVISIONS[1]);
    for scenario in ANYWHERE {
        let cells = runs.each_ref().map(|run| run.get(*scenario).map_or(String::new(), |(passed, made)| format!("{passed} of {made}")));
        table += &format!("| {scenario} | {} | {} |\n", cells[0], cells[1]);
    }
    on_the_page(&table);
}

#[test]
fn the_suites_own_fixtures_pass_behind_the_http_door() {
    let Some(suite) = Suite::find() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let bound = listener.local_addr().unwrap();
    let fixture = Fixture::default();
    let (app, _stop) = aura::edge::mcp::http::router(bound, move || fixture.clone());
    runtime.spawn(async move { axum::serve(listener, app).await });
    let mut table = String::from("| revision | required scenarios that pass | checks that pass |\n|---|---|---|\n");
    for revision in REVISIONS {
        let (said, results) = suite.run(&format!("http://{bound}/mcp"), revision, "fixtures");
        assert_eq!(said.code, 0, "{}{}", said.text(), said.stderr);
        let required = suite.required(revision);
        let of_required: Vec<&Counts> = required.iter().map(|scenario| &results[scenario]).collect();
        let whole = of_required.iter().filter(|(passed, made)| passed == made).count();
        let (passed, made) = of_required.iter().fold((0, 0), |(a, b), (passed, made)| (a + passed, b + made));
        table += &format!("| {revision} | {whole} of {} | {passed} of {made} |\n", required.len());
    }
    on_the_page(&table);
}
