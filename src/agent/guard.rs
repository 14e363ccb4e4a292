//! Keeps an agent's git from pushing: whatever `git push` is asked for in its environment goes to a helper that refuses
//! and notes it. Fetching and cloning stay as they are. What an agent can do without its environment is said in
//! `docs/configuration.md`.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// Address of every push. Git looks for a program `git-remote-…` of that name.
const NOWHERE: &str = "aura-refuses-pushes::";
const HELPER: &str = "git-remote-aura-refuses-pushes";
/// In an attempt's folder: the helper, and what it notes.
const FOLDER: &str = "guard";
const TRIED: &str = "pushes-tried";
/// Of what an agent can write itself no more than this is read.
const TRIED_BYTES_MAX: usize = 16 * 1024;
const TRIED_MAX: usize = 20;
const PLACE_CHARS_MAX: usize = 200;

/// A remote of the repository, as its configuration has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remote {
    pub name: String,
    pub fetch: Vec<String>,
    /// Addresses that are only for pushing.
    pub push: Vec<String>,
}

/// What an agent's environment holds already.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inherited<'a> {
    /// `PATH`.
    pub path: Option<&'a OsStr>,
    /// `GIT_CONFIG_COUNT`: what it counts is kept.
    pub settings: u32,
}

/// Variables for an agent whose attempt has this folder. Writes the helper into it.
///
/// # Errors
/// The helper cannot be written. An agent must not be started then.
pub fn no_pushes(files: &Path, remotes: &[Remote], inherited: Inherited<'_>) -> io::Result<Vec<(String, String)>> {
    let folder = files.join(FOLDER);
    let helper = write_helper(&folder, &files.join(TRIED))?;
    let mut env = vec![("GIT_TERMINAL_PROMPT".to_owned(), "0".to_owned())];
    // At the end, so that it changes the meaning of no other name. Where it cannot be said, pushes are refused all the same,
    // and not noted.
    let folders = inherited.path.map(std::env::split_paths).into_iter().flatten().chain([folder]);
    if let Some(path) = std::env::join_paths(folders).ok().and_then(|path| path.into_string().ok()) {
        env.push(("PATH".into(), path));
    }
    let settings = settings(remotes, &helper);
    env.push(("GIT_CONFIG_COUNT".into(), (inherited.settings as usize + settings.len()).to_string()));
    for (number, (key, value)) in (inherited.settings..).zip(settings) {
        env.push((format!("GIT_CONFIG_KEY_{number}"), key));
        env.push((format!("GIT_CONFIG_VALUE_{number}"), value));
    }
    Ok(env)
}

/// The settings that lead every push to the helper.
fn settings(remotes: &[Remote], helper: &Path) -> Vec<(String, String)> {
    let mut settings = vec![
        // Addresses given on the command line, and remotes without one for pushing. The empty beginning is every address's.
        (format!("url.{NOWHERE}.pushInsteadOf"), String::new()),
        // A bare `git push` is refused, too, and not for the want of a branch to push to.
        ("push.default".to_owned(), "current".to_owned()),
    ];
    for remote in remotes {
        let key = |name: &str| format!("remote.{}.{name}", remote.name);
        for push in &remote.push {
            // Git before 2.46 cannot forget an address, so it is led elsewhere, unless something is fetched from there.
            if !remotes.iter().flat_map(|remote| &remote.fetch).any(|fetch| fetch.starts_with(push.as_str())) {
                settings.push((format!("url.{NOWHERE}.insteadOf"), push.clone()));
            }
        }
        if !remote.push.is_empty() {
            settings.push((key("pushurl"), String::new()));
        }
        // First of all addresses, so that git ends before it comes to one from its command line.
        settings.push((key("pushurl"), format!("{NOWHERE}{}", remote.name)));
        settings.push((key("receivepack"), quoted(&helper.to_string_lossy())));
    }
    settings
}

/// A script: its first argument is a remote's name, or an address where there is none. Git itself brings a shell to every platform, for hooks and for programs like this.
fn write_helper(folder: &Path, tried: &Path) -> io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let helper = folder.join(HELPER);
    let note = quoted(&tried.to_string_lossy());
    let text = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$1\" >>{note}\n\
         echo 'Aura refuses to push from a worktree: what you leave here is committed and published by Aura itself.' >&2\nexit 1\n"
    );
    std::fs::write(&helper, text)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(helper)
}

/// A word for a shell. Backslashes of Windows are slashes to it.
fn quoted(word: &str) -> String {
    let word = if cfg!(windows) { word.replace('\\', "/") } else { word.to_owned() };
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Where an attempt tried to push, each place once, in its order: names of remotes, or addresses without the names and
/// passwords in them. An agent can write to this file, so it says what an agent wants to be read.
#[must_use]
pub fn pushes_tried(files: &Path) -> Vec<String> {
    let bytes = std::fs::read(files.join(TRIED)).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(TRIED_BYTES_MAX)]).into_owned();
    let mut places: Vec<String> = vec![];
    for line in text.lines() {
        let place = without_login(line);
        if !place.is_empty() && !places.contains(&place) && places.len() < TRIED_MAX {
            places.push(place);
        }
    }
    places
}

fn without_login(address: &str) -> String {
    let plain: String = address.chars().filter(|c| !c.is_control()).take(PLACE_CHARS_MAX).collect();
    let Some((scheme, rest)) = plain.split_once("://") else { return plain };
    let (host, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    path.map_or_else(|| format!("{scheme}://{host}"), |path| format!("{scheme}://{host}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_once_and_without_passwords() {
        let dir = tempfile::tempdir().unwrap();
        let text = "origin\norigin\nhttps://ada:secret@host/a/b.git\n/srv/x y.git\n\u{1b}[31mred\n\n";
        std::fs::write(dir.path().join(TRIED), text).unwrap();
        assert_eq!(pushes_tried(dir.path()), ["origin", "https://host/a/b.git", "/srv/x y.git", "[31mred"]);
        assert!(pushes_tried(&dir.path().join("nothing")).is_empty());
    }

    #[test]
    fn what_the_environment_says_already_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = std::env::join_paths(["/usr/bin", "/bin"]).unwrap();
        let env = no_pushes(dir.path(), &[], Inherited { path: Some(&path), settings: 2 }).unwrap();
        let value = |name: &str| env.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        assert_eq!((value("GIT_CONFIG_COUNT"), value("GIT_CONFIG_KEY_1")), (Some("4"), None));
        assert!(value("GIT_CONFIG_KEY_2").is_some() && value("PATH").unwrap().starts_with(path.to_str().unwrap()));
    }

    #[test]
    fn an_address_that_is_fetched_from_is_not_led_elsewhere() {
        let remote = |name: &str, fetch: &str, push: &str| Remote { name: name.into(), fetch: vec![fetch.into()], push: vec![push.into()] };
        let led = |remotes: &[Remote]| settings(remotes, Path::new("h")).iter().filter(|(key, _)| key.ends_with(".insteadOf")).count();
        assert_eq!(led(&[remote("origin", "https://h/a", "ssh://h/a")]), 1);
        assert_eq!(led(&[remote("origin", "https://h/a", "https://h/a"), remote("b", "https://h/b-c", "https://h/b")]), 0);
    }
}
