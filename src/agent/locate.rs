//! Finds an agent's program. What npm puts on the PATH for Copilot CLI is a Node wrapper that forwards no signals; the
//! native program lies in a package beside it, and that one is run.

use super::{AgentEnv, AgentError};
use std::path::{Path, PathBuf};

/// The program of a `command` agent: a full path as it is, a name by the PATH. It is started in a worktree, where a
/// relative path, or a relative folder on the PATH, would be a file that an agent wrote.
pub(super) fn program(wanted: &Path, env: &AgentEnv) -> Result<PathBuf, AgentError> {
    let named = || wanted.display().to_string();
    if wanted.is_absolute() {
        return if wanted.is_file() { Ok(wanted.to_owned()) } else { Err(AgentError::NotFound { program: named() }) };
    }
    if wanted.components().count() > 1 || wanted.starts_with("..") || wanted.starts_with(".") {
        return Err(AgentError::Relative { program: named() });
    }
    let folders = env.path.as_deref().map(std::env::split_paths).into_iter().flatten();
    let path = std::env::join_paths(folders.filter(|folder| folder.is_absolute())).unwrap_or_default();
    which::which_in(wanted, Some(path), "/").map_err(|_| AgentError::NotFound { program: named() })
}

/// Copilot CLI: as configured, else `$COPILOT_BIN`, else `copilot` on the PATH.
pub(super) fn copilot(configured: Option<&Path>, env: &AgentEnv) -> Result<PathBuf, AgentError> {
    let wanted = configured.or(env.copilot_bin.as_deref()).unwrap_or(Path::new("copilot"));
    let found = program(wanted, env)?;
    Ok(native(&found).unwrap_or(found))
}

/// The native program beside an npm wrapper, if this is one.
fn native(found: &Path) -> Option<PathBuf> {
    let real = dunce::canonicalize(found).ok()?;
    let file = if cfg!(windows) { "copilot.exe" } else { "copilot" };
    // A symbolic link of npm ends in `…/@github/copilot/npm-loader.js`; a `.cmd` shim stands beside `node_modules`.
    let package = real.ancestors().find(|folder| folder.ends_with("@github/copilot")).map(Path::to_owned);
    // One inside a project stands in `node_modules/.bin`.
    let shim = |from: &str| found.parent().map(|bin| bin.join(from)).filter(|path| path.is_dir());
    let package = package.or_else(|| shim("node_modules/@github/copilot")).or_else(|| shim("../@github/copilot"))?;
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
        let folder = tempfile::tempdir().unwrap();
        for missing in [folder.path().join("no-such"), folder.path().to_owned()] {
            let named = missing.display().to_string();
            assert_eq!(program(&missing, &env), Err(AgentError::NotFound { program: named }), "{missing:?}");
        }
    }

    #[test]
    fn nothing_is_found_relative_to_the_folder_that_it_is_started_in() {
        // `Cargo.toml` and `src` are there, seen from where tests run.
        for relative in ["./Cargo.toml", "src/lib.rs", "../x"] {
            let found = program(Path::new(relative), &AgentEnv::default());
            assert_eq!(found, Err(AgentError::Relative { program: relative.into() }));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_relative_folder_on_the_path_is_passed_by() {
        let folder = tempfile::tempdir().unwrap();
        let tool = folder.path().join("a-tool");
        std::fs::write(&tool, "").unwrap();
        std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let full = dunce::canonicalize(folder.path()).unwrap();
        let by = |folder: &Path| program(Path::new("a-tool"), &AgentEnv { path: Some(folder.into()), ..AgentEnv::default() });
        let here = dunce::canonicalize(".").unwrap();
        let up: PathBuf = here.components().skip(1).map(|_| "..").collect();
        let relative = up.join(full.strip_prefix("/").unwrap());
        assert!(relative.is_relative() && relative.is_dir(), "{relative:?}");
        assert_eq!(by(&relative), Err(AgentError::NotFound { program: "a-tool".into() }));
        assert_eq!(by(&full), Ok(full.join("a-tool")));
    }

    #[cfg(unix)]
    #[test]
    fn a_shim_that_is_no_link_leads_to_the_native_program_too() {
        for (shim, modules) in [("bin/copilot", "bin/node_modules"), ("node_modules/.bin/copilot", "node_modules")] {
            let folder = tempfile::tempdir().unwrap();
            let native = folder.path().join(modules).join("@github").join(&platforms()[0]).join("copilot");
            let shim = folder.path().join(shim);
            std::fs::create_dir_all(folder.path().join(modules).join("@github/copilot")).unwrap();
            for file in [&native, &shim] {
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, "").unwrap();
            }
            let found = copilot(Some(&shim), &AgentEnv::default()).unwrap();
            assert_eq!(dunce::canonicalize(found).unwrap(), dunce::canonicalize(native).unwrap());
        }
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
        assert_eq!(copilot(None, &env).unwrap(), dunce::canonicalize(&native).unwrap());
        // A program that is no wrapper is left as it is.
        assert_eq!(copilot(Some(&native), &env).unwrap(), native);
    }
}
