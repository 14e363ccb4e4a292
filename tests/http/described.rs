//! The API against its own description, by Schemathesis: data that fits and data that does not, on every operation, also in
//! sequences. It must never find a 5xx, an undocumented status, an answer outside its schema, or nonsense that is accepted.

use super::cli_world::{Cli, failing, finish, task};
use super::packages;
use super::server::Server;

#[test]
fn nothing_breaks_the_description() {
    let Some(program) = packages::schemathesis() else { return };
    let cli = Cli::new();
    // Of everything one, on a throw-away repository with the agent that only writes a file.
    let done = cli.planned(&[task("task-1", &[])]);
    cli.json(&["run", &done, "--all"]).well();
    let failed = cli.planned(&[failing("task-1", &[])]);
    assert_eq!(cli.json(&["run", &failed]).code, 1);
    cli.planned(&[task("task-1", &[]), task("task-2", &["task-1"])]);
    cli.story("Not planned yet");
    let server = Server::start(&cli);
    let settings = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/schemathesis.toml");
    let mut command = cli.command(program);
    command.current_dir(cli.path("")).args(["--config-file", settings, "run", &format!("{}/openapi.json", server.url())]);
    command.args(["--no-color", "-H", &format!("Authorization: {}", server.bearer())]);
    let said = finish(&mut command);
    assert_eq!(said.code, 0, "{}\n{}", said.text(), said.stderr);
    assert!(said.text().contains("Fuzzing"), "{}", said.text());
    assert_eq!(server.get("/api/stories").status, 200);
}
