//! Servers that a tool leaves for the next build of the same user: no job is served by another's, and none ends with
//! another. A small server of our own behaves as MSBuild's nodes do, on every machine with a shell.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use aura::proc::{Job, JobExit, JobSpec, JobState};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The client: finds the server of its user and salt, starts one where there is none, and has its work done by it. It
/// ends badly when the server dies meanwhile.
const TOOL: &str = r#"#!/bin/sh
# tool LAB NAME: works for NAME until LAB/NAME.go exists.
home=$1/server-${MSBUILDNODEHANDSHAKESALT:-user}
if ! kill -0 "$(cat "$home.pid" 2>/dev/null)" 2>/dev/null; then
  (while :; do sleep 0.05; done) > /dev/null 2>&1 < /dev/null &
  echo $! > "$home.pid"
fi
server=$(cat "$home.pid")
echo "$server" > "$1/$2.served"
while [ ! -e "$1/$2.go" ]; do
  kill -0 "$server" 2>/dev/null || { echo "MSB4166: child node exited prematurely"; exit 1; }
  sleep 0.05
done
"#;

struct Lab(tempfile::TempDir);

impl Lab {
    fn new() -> Lab {
        let lab = Lab(tempfile::tempdir().unwrap());
        fs::write(lab.path("tool"), TOOL).unwrap();
        fs::set_permissions(lab.path("tool"), fs::Permissions::from_mode(0o755)).unwrap();
        lab
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn start(&self, name: &str) -> Job {
        let spec = JobSpec {
            program: self.path("tool"),
            args: vec![self.0.path().to_str().unwrap().to_owned(), name.to_owned()],
            dir: self.0.path().to_owned(),
            deadline_ms: 60_000,
            grace_ms: 200,
            log_bytes_max: 10_000,
            cookie: format!("{}/{name}", self.0.path().display()),
            ..JobSpec::default()
        };
        Job::start(Path::new(env!("CARGO_BIN_EXE_aura")), &self.path(&format!("job-{name}")), &spec).unwrap()
    }
    fn served(&self, name: &str) -> String {
        let (file, deadline) = (self.path(&format!("{name}.served")), std::time::Instant::now() + std::time::Duration::from_secs(60));
        loop {
            match fs::read_to_string(&file) {
                Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
                _ => assert!(std::time::Instant::now() < deadline, "{name} is served"),
            }
            std::thread::yield_now();
        }
    }
    fn go(&self, name: &str) {
        fs::write(self.path(&format!("{name}.go")), "").unwrap();
    }
}

fn exit(job: &Job) -> JobExit {
    match job.wait().unwrap() {
        JobState::Ended(end) => end.exit,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_end_of_one_job_takes_the_server_from_no_other_and_not_from_the_user() {
    let lab = Lab::new();
    // The user's own build, and the server that it left for the next.
    let mut user = std::process::Command::new(lab.path("tool"));
    let mut user = user.arg(lab.0.path()).arg("user").env_remove("MSBUILDNODEHANDSHAKESALT").spawn().unwrap();
    let users = lab.served("user");
    let (first, second) = (lab.start("first"), lab.start("second"));
    let servers = [users.clone(), lab.served("first"), lab.served("second")];
    assert!(servers[0] != servers[1] && servers[1] != servers[2] && servers[0] != servers[2], "{servers:?}");
    lab.go("first");
    assert_eq!(exit(&first), JobExit::Code(0));
    // Its own server has ended with it; the others still serve.
    lab.go("second");
    assert_eq!(exit(&second), JobExit::Code(0));
    lab.go("user");
    assert!(user.wait().unwrap().success());
    let alive = |pid: &str| std::process::Command::new("kill").args(["-0", pid]).status().unwrap().success();
    assert!(alive(&users) && !alive(&servers[1]) && !alive(&servers[2]));
    assert!(std::process::Command::new("kill").arg(&users).status().unwrap().success());
}
