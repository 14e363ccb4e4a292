//! Finds an agent's program. What npm puts on the PATH for Copilot CLI is a Node wrapper that forwards no signals; the
//! native program lies in a package beside it, and that one is run.

use super::{AgentEnv, AgentError};
use std::path::{Path, PathBuf};

/// The program of a `command` agent: a path as it is, a name by the PATH.
pub(super) fn program(wanted: &Path, env: &AgentEnv) -> Result<PathBuf, AgentError> {
    if wanted.components().count() > 1 {
        return if wanted.exists() { Ok(wanted.to_owned()) } else { Err(AgentError::NotFound { program: wanted.display().to_string() }) };
    }
    let path = env.path.clone().unwrap_or_default();
    which::which_in(wanted, Some(path), ".").map_err(|_| AgentError::NotFound { program: wanted.display().to_string() })
}

/// Copilot CLI: as configured, else `$COPILOT_BIN`, else `copilot` on the PATH.
pub(super) fn copilot(configured: Option<&Path>, env: &AgentEnv) -> Result<PathBuf, AgentError> {
    let wanted = configured.or(env.copilot_bin.as_deref()).unwrap_or(Path::new("copilot"));
    let found = program(wanted, env)?;
    Ok(native(&found).unwrap_or(found))
}

/// The native program beside an npm wrapper, if this is one.
fn native(found: &Path) -> Option<PathBuf> {
    let real = std::fs::canonicalize(found).ok()?;
    let file = if cfg!(windows) { "copilot.exe" } else { "copilot" };
    // A symbolic link of npm ends in `…/@github/copilot/npm-loader.js`; a `.cmd` shim stands beside `node_modules`.
    let package = real.ancestors().find(|folder| folder.ends_with("@github/copilot")).map(Path::to_owned);
    let package = package.or_else(|| found.parent().map(|bin| bin.join("node_modules/@github/copilot")).filter(|path| path.is_dir()))?;
    let scope = package.parent()?;
    let platforms = platforms();
    let beside = platforms.iter().map(|name| scope.join(name).join(file));
    let inside = platforms.iter().map(|name| package.join("node_modules/@github").join(name).join(file));
    beside.chain(inside).find(|path| path.is_file())
}

/// Names of the packages that hold the native program for this platform, best first.
fn platforms() -> Vec<String> {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let systems: &[&str] = match std::env::consts::OS {
        "macos" => &["darwin"],
        "windows" => &["win32"],
        _ if cfg!(target_env = "musl") => &["linuxmusl", "linux"],
        _ => &["linux", "linuxmusl"],
    };
    systems.iter().map(|system| format!("copilot-{system}-{arch}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let env = AgentEnv { path: Some("/nowhere".into()), ..AgentEnv::default() };
        assert_eq!(copilot(None, &env), Err(AgentError::NotFound { program: "copilot".into() }));
        assert_eq!(program(Path::new("/no/such"), &env), Err(AgentError::NotFound { program: "/no/such".into() }));
    }

    #[cfg(unix)]
    #[test]
    fn the_native_program_behind_the_npm_wrapper_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let modules = folder.path().join("lib/node_modules/@github");
        let native = modules.join(&platforms()[0]).join("copilot");
        let loader = modules.join("copilot/npm-loader.js");
        for file in [&native, &loader] {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(file, mode).unwrap();
        }
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        std::os::unix::fs::symlink(&loader, folder.path().join("bin/copilot")).unwrap();
        let env = AgentEnv { path: Some(folder.path().join("bin").into()), ..AgentEnv::default() };
        assert_eq!(copilot(None, &env).unwrap(), std::fs::canonicalize(&native).unwrap());
        // A program that is no wrapper is left as it is.
        assert_eq!(copilot(Some(&native), &env).unwrap(), native);
    }
}
