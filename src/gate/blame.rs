//! Whether a check failed for a reason that no tree can mend: a feed that does not answer, a login that has expired, an
//! SDK that is not installed. Each row is a code or a fixed line of the tool that fetches; tests are never asked, they
//! may print anything. What is not known here is the tree's own fault.

use super::Check;
use crate::domain::CheckKind;

/// What is said of it is one line.
const LINE_CHARS_MAX: usize = 240;

/// Marks by the program that prints them. An empty list of programs is any.
const MARKS: [(&[&str], &[&str]); 8] = [
    (
        &["dotnet"],
        &[
            // The feed cannot be reached, or does not let us in; the package itself missing is NU1101 to NU1103.
            "error NU1301",
            "error NU1300",
            // The host, before there is a tool that could say it in another language.
            "A compatible .NET SDK was not found",
            // The SDK is older than the target; a workload is not installed.
            "error NETSDK1045",
            "error NETSDK1147",
            "error NETSDK1139",
        ],
    ),
    (
        &["npm", "npx"],
        &[
            "code ENOTFOUND",
            "code ECONNREFUSED",
            "code ECONNRESET",
            "code ETIMEDOUT",
            "code EAI_AGAIN",
            "code ERR_SOCKET_TIMEOUT",
            "code E401",
            "code E403",
            "code E503",
            "code ENEEDAUTH",
            "code SELF_SIGNED_CERT_IN_CHAIN",
        ],
    ),
    (
        &["pnpm", "yarn", "bun"],
        &[
            "ERR_PNPM_META_FETCH_FAIL",
            "ERR_PNPM_FETCH_401",
            "ERR_PNPM_FETCH_403",
            "getaddrinfo ENOTFOUND",
            "getaddrinfo EAI_AGAIN",
            "connect ECONNREFUSED",
            "ConnectionRefused downloading",
            "YN0041",
        ],
    ),
    (
        &["cargo"],
        &[
            "Could not resolve host",
            "Couldn't resolve host",
            "Could not connect to server",
            "Couldn't connect to server",
            "Failed to connect to ",
        ],
    ),
    (&["go"], &["dial tcp: lookup ", "connect: connection refused", ": i/o timeout"]),
    (
        &["python", "python3", "py", "pip", "uv", "poetry", "pdm", "hatch"],
        &[
            "Failed to establish a new connection",
            "NewConnectionError",
            "Temporary failure in name resolution",
            "error trying to connect",
            "dns error: failed to lookup",
            "tcp connect error",
            "All attempts to connect to ",
        ],
    ),
    (&["mvn", "mvnw"], &["Could not transfer artifact", "Could not transfer metadata"]),
    (&["gradle", "gradlew"], &["> Could not GET '", "> Could not HEAD '", "> Could not download "]),
];

/// The line that says what could not be had.
pub(super) fn unavailable(check: &Check, out: &str, err: &str) -> Option<String> {
    if check.kind == CheckKind::Test {
        return None;
    }
    let program = check.argv.first()?.rsplit(['/', '\\']).next()?;
    let stem = program.split_once('.').map_or(program, |(stem, _)| stem);
    let marks = MARKS.iter().find(|(programs, _)| programs.contains(&stem))?.1;
    let line = out.lines().chain(err.lines()).find(|line| marks.iter().any(|mark| line.contains(mark)))?;
    Some(line.trim().chars().take(LINE_CHARS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_told_from_what_is_wrong() {
        use CheckKind::{Build, Setup, Test};
        let rows = [
            (Setup, "dotnet", "/w/Lib.csproj : error NU1301: Unable to load the service index for source http://feed/v3/index.json.", true),
            (Build, "dotnet", "/w/Lib.csproj : error NU1301: Unable to load the service index", true),
            (Setup, "dotnet", "/w/Lib.csproj : error NU1004: The packages lock file is inconsistent", false),
            (Setup, "dotnet", "/w/Lib.csproj : error NU1101: Unable to find package Invented.Thing", false),
            (Build, "dotnet", "Calc.cs(3,5): error CS1002: ; expected", false),
            (Setup, "dotnet", "A compatible .NET SDK was not found.\n\nRequested SDK version: 99.0.100", true),
            (Setup, "npm", "npm error code ECONNREFUSED", true),
            (Setup, "npm", "npm ERR! code E401", true),
            (Setup, "npm", "npm error code EUSAGE\nnpm error `npm ci` can only install packages when in sync", false),
            (Setup, "npm.cmd", "npm error code ENOTFOUND", true),
            (Setup, "pnpm", " ERR_PNPM_OUTDATED_LOCKFILE  Cannot install with \"frozen-lockfile\"", false),
            (Build, "cargo", "  [6] Could not resolve hostname (Could not resolve host: index.crates.io)", true),
            (Build, "cargo", "error: no matching package named `invented` found", false),
            (Setup, "go", "go: example.com/x@v1.0.0: Get \"https://proxy/x\": dial tcp: lookup proxy: no such host", true),
            (Setup, "./mvnw", "[ERROR] Could not transfer artifact a:b:pom:1 from/to central", true),
            (Test, "dotnet", "error NU1301: printed by a test", false),
            (Build, "make", "error NU1301", false),
        ];
        for (kind, program, output, expected) in rows {
            let check = Check::new(kind, ".", "x", &[program]);
            assert_eq!(unavailable(&check, output, "").is_some(), expected, "{program}: {output}");
            assert_eq!(unavailable(&check, "", output).is_some(), expected, "{program}: {output}");
        }
    }
}
