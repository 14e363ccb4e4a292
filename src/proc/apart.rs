//! Build servers belong to nobody's job. Many tools leave a process behind that serves the next build of the same user,
//! in whatever folder: started inside a job it dies with the job, and takes the builds of others along. Each is told by
//! its own switch in the environment not to start one, or to keep to a name of the job's own. This is the one table of
//! them, applied to whatever is supervised: agents, checks, set-up.
//!
//! Servers of one workspace folder each (Bazel, Buck 2, Pants, Nx, Turborepo, sbt, Mill) need no row: a worktree is a
//! folder of its own.

use super::JobSpec;
use std::path::Path;

enum Switch {
    /// The same for every job.
    Fixed(&'static str),
    /// A name that no other job has.
    OwnName,
    /// A port that hardly another job has.
    OwnPort,
    /// Put after what the user's variable holds.
    After(&'static str),
}

/// A tool, its variable, and what it is set to.
const SWITCHES: [(&str, &str, Switch); 12] = [
    // Worker nodes shake hands with a salt: those with another one are strangers. Inside the job they are used again.
    ("MSBuild", "MSBUILDNODEHANDSHAKESALT", Switch::OwnName),
    ("MSBuild's server", "DOTNET_CLI_USE_MSBUILD_SERVER", Switch::Fixed("0")),
    ("VBCSCompiler", "SharedCompilationId", Switch::OwnName),
    ("Razor", "UseRazorBuildServer", Switch::Fixed("false")),
    (
        "Gradle and Kotlin",
        "GRADLE_OPTS",
        Switch::After("-Dorg.gradle.daemon=false -Dorg.gradle.project.kotlin.compiler.execution.strategy=in-process"),
    ),
    ("Kotlin under Maven", "MAVEN_OPTS", Switch::After("-Dkotlin.compiler.daemon=false")),
    ("Buck", "NO_BUCKD", Switch::Fixed("1")),
    ("sccache", "SCCACHE_SERVER_PORT", Switch::OwnPort),
    // Where the port is taken all the same, the compiler is called without it.
    ("sccache", "SCCACHE_IGNORE_SERVER_IO_ERROR", Switch::Fixed("1")),
    ("nailgun", "NAILGUN_PORT", Switch::OwnPort),
    ("watchman", "WATCHMAN_SOCK", Switch::OwnName),
    ("adb", "ANDROID_ADB_SERVER_PORT", Switch::OwnPort),
];

/// Ports for servers of jobs: below those that systems give to clients.
const PORTS: std::ops::Range<u64> = 20_000..30_000;

/// The job with the switches in its environment. What the job itself sets stays.
pub(super) fn apart(spec: &JobSpec, folder: &Path) -> JobSpec {
    let mark = mark(&spec.cookie, folder);
    let mut spec = spec.clone();
    for (at, (_, name, switch)) in SWITCHES.iter().enumerate() {
        if spec.env.iter().any(|(set, _)| set == name) {
            continue;
        }
        let value = match switch {
            Switch::Fixed(value) => (*value).to_owned(),
            Switch::OwnName if *name == "WATCHMAN_SOCK" => {
                std::env::temp_dir().join(format!("aura-{mark:016x}.watchman")).to_string_lossy().into_owned()
            }
            Switch::OwnName => format!("aura-{mark:016x}"),
            Switch::OwnPort => (PORTS.start + (mark ^ at as u64) % (PORTS.end - PORTS.start)).to_string(),
            Switch::After(words) => after(inherited(name), words),
        };
        spec.env.push(((*name).to_owned(), value));
    }
    spec
}

fn after(users: Option<String>, words: &str) -> String {
    match users {
        Some(users) if !users.trim().is_empty() => format!("{users} {words}"),
        Some(_) | None => words.to_owned(),
    }
}

/// What the job would have got.
#[allow(clippy::disallowed_methods)]
fn inherited(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// FNV-1a: the same for the same job, another for any other.
fn mark(cookie: &str, folder: &Path) -> u64 {
    let folder = folder.to_string_lossy();
    let bytes = cookie.bytes().chain([0]).chain(folder.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(cookie: &str, set: &[(&str, &str)]) -> Vec<(String, String)> {
        let set = set.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let spec = JobSpec { cookie: cookie.to_owned(), env: set, ..JobSpec::default() };
        apart(&spec, Path::new("/jobs/1")).env
    }
    fn value<'a>(env: &'a [(String, String)], name: &str) -> &'a str {
        &env.iter().find(|(is, _)| is == name).unwrap().1
    }

    #[test]
    fn no_two_jobs_share_a_server() {
        let (one, same, other) = (env("s/a/1", &[]), env("s/a/1", &[]), env("s/b/1", &[]));
        assert_eq!(one, same, "a job that is looked at again is the same");
        for name in ["MSBUILDNODEHANDSHAKESALT", "SharedCompilationId", "SCCACHE_SERVER_PORT", "WATCHMAN_SOCK", "ANDROID_ADB_SERVER_PORT"] {
            assert_ne!(value(&one, name), value(&other, name), "{name}");
        }
        let port: u64 = value(&one, "SCCACHE_SERVER_PORT").parse().unwrap();
        assert!(PORTS.contains(&port));
        assert_eq!(value(&one, "DOTNET_CLI_USE_MSBUILD_SERVER"), "0");
    }

    #[test]
    fn what_is_the_users_and_what_is_the_jobs_stays() {
        assert_eq!(after(Some("-Xmx2g".to_owned()), "-Da=b"), "-Xmx2g -Da=b");
        assert_eq!(after(None, "-Da=b"), "-Da=b");
        assert_eq!(value(&env("x", &[("SharedCompilationId", "mine")]), "SharedCompilationId"), "mine");
        assert!(value(&env("x", &[]), "GRADLE_OPTS").ends_with("strategy=in-process"));
    }
}
