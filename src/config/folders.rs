//! Where other programs keep their settings, on each system: the places in which an MCP server is announced to its hosts.

use crate::error::{Code, Error, Result};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Folders of the person who runs Aura, and of the programs of theirs that can use it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folders {
    pub home: PathBuf,
    /// Where programs with a window keep their settings.
    pub settings: PathBuf,
    /// Folder of Claude Desktop: the one from the Windows store has a place of its own.
    pub claude_desktop: PathBuf,
    pub copilot: PathBuf,
    pub codex: PathBuf,
    /// Folder of `.claude.json`.
    pub claude_code: PathBuf,
    /// Set by the person. Hosts start servers with few variables, so a server has to be told.
    pub aura_home: Option<PathBuf>,
}

impl Folders {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// When no home folder is known.
    #[allow(clippy::disallowed_methods)]
    pub fn read() -> Result<Folders> {
        let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Folders::on(std::env::consts::OS, &var, &Path::is_dir).ok_or_else(|| {
            let name = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
            Error::new(Code::Unavailable, format!("find your home folder: {name} is not set"))
        })
    }

    fn on(system: &str, var: &dyn Fn(&str) -> Option<OsString>, is_folder: &dyn Fn(&Path) -> bool) -> Option<Folders> {
        let path = |name: &str| var(name).map(PathBuf::from);
        let home = path(if system == "windows" { "USERPROFILE" } else { "HOME" })?;
        let settings = match system {
            "windows" => path("APPDATA").unwrap_or_else(|| home.join("AppData").join("Roaming")),
            "macos" => home.join("Library").join("Application Support"),
            _ => path("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config")),
        };
        // Programs from the Windows store see a copy of the roaming folder; the name is that of the package.
        let packaged = path("LOCALAPPDATA")
            .map(|local| ["Packages", "Claude_pzs8sxrjxfjjc", "LocalCache", "Roaming"].iter().fold(local, |at, part| at.join(part)))
            .filter(|folder| system == "windows" && is_folder(folder));
        Some(Folders {
            claude_desktop: packaged.as_ref().unwrap_or(&settings).join("Claude"),
            copilot: path("COPILOT_HOME").unwrap_or_else(|| home.join(".copilot")),
            codex: path("CODEX_HOME").unwrap_or_else(|| home.join(".codex")),
            claude_code: path("CLAUDE_CONFIG_DIR").unwrap_or_else(|| home.clone()),
            aura_home: path("AURA_HOME").map(|folder| std::path::absolute(&folder).unwrap_or(folder)),
            settings,
            home,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(system: &str, variables: &[(&str, &str)], folders: &[&str]) -> Folders {
        let var = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        Folders::on(system, &var, &|path| folders.iter().any(|folder| path == Path::new(folder))).unwrap()
    }

    #[test]
    fn each_system_has_its_places() {
        let linux = on("linux", &[("HOME", "/h"), ("APPDATA", "/no")], &[]);
        assert_eq!((linux.settings, linux.claude_desktop), ("/h/.config".into(), "/h/.config/Claude".into()));
        assert_eq!((linux.copilot, linux.codex, linux.claude_code), ("/h/.copilot".into(), "/h/.codex".into(), "/h".into()));
        let mac = on("macos", &[("HOME", "/h"), ("XDG_CONFIG_HOME", "/no")], &[]);
        assert_eq!(mac.claude_desktop, Path::new("/h/Library/Application Support/Claude"));
        let windows = [("USERPROFILE", "/u"), ("HOME", "/no"), ("APPDATA", "/u/r"), ("LOCALAPPDATA", "/u/l")];
        assert_eq!(on("windows", &windows, &[]).claude_desktop, Path::new("/u/r/Claude"));
        let store = "/u/l/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming";
        assert_eq!(on("windows", &windows, &[store]).claude_desktop, Path::new(store).join("Claude"));
        assert_eq!(on("windows", &windows, &[store]).settings, Path::new("/u/r"), "others keep to the usual place");
    }

    #[test]
    fn a_program_that_was_sent_elsewhere_is_found_there() {
        let variables = [
            ("HOME", "/h"),
            ("XDG_CONFIG_HOME", "/x"),
            ("COPILOT_HOME", "/c"),
            ("CODEX_HOME", "/o"),
            ("CLAUDE_CONFIG_DIR", "/a"),
            ("AURA_HOME", "/data"),
        ];
        let found = on("linux", &variables, &[]);
        assert_eq!((found.settings, found.copilot, found.codex, found.claude_code), ("/x".into(), "/c".into(), "/o".into(), "/a".into()));
        assert_eq!(found.aura_home, std::path::absolute("/data").ok());
    }
}
