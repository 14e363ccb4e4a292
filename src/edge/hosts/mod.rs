//! `aura mcp install HOST`: announces the server to the programs that can use it, in their own files. It shows the change
//! first, keeps the rest of the file byte for byte, and can be undone.

mod file;
mod host;
mod json_text;
mod text;
mod toml_text;

#[cfg(test)]
mod text_tests;

use super::cli::{self, Format, pretty};
use super::term::{self, Colour, paint};
use crate::config::{Environment, Folders};
use crate::error::{Code, Error, Result};
use clap::builder::PossibleValue;
use clap::{Arg, ArgAction, ArgMatches, Command};
use file::HostFile;
use host::{Host, Scope, Server, is_aura, is_ours, is_same, renewed};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use text::{Fault, Slot, diff};

/// Longest name: hosts put it before the names of tools, and cut what is longer than 60 in all.
const NAME_CHARS_MAX: usize = 24;

/// `install` and `uninstall`, for `aura mcp`.
pub(super) fn commands() -> [Command; 2] {
    let hosts = || Host::ALL.map(|host| PossibleValue::new(host.row().name).aliases(host.row().aliases).help(host.row().title));
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    let common = move |command: Command| {
        command
            .arg(
                Arg::new("host")
                    .value_name("HOST")
                    .value_parser(clap::builder::PossibleValuesParser::new(hosts()))
                    .help("Program that uses the tools"),
            )
            .arg(
                Arg::new("project")
                    .long("project")
                    .value_name("FOLDER")
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value(".")
                    .value_parser(clap::value_parser!(PathBuf))
                    .help("Write the project's file instead of yours; without `=FOLDER`, that of the repository you are in"),
            )
            .arg(
                Arg::new("name")
                    .long("name")
                    .value_name("NAME")
                    .default_value("aura")
                    .value_parser(server_name)
                    .help("Name of the server there"),
            )
            .arg(flag("yes", "Do not ask").short('y'))
            .arg(flag("dry-run", "Show the change and do not write it"))
    };
    let install = common(Command::new("install").about("Announce the server to a program that can use it"))
        .long_about(
            "Writes an entry into the file in which the program keeps its servers. The change is shown first; the rest of the file stays \
             byte for byte; what was there before is kept beside it as FILE.aura-backup; `aura mcp uninstall HOST` undoes it.",
        )
        .arg(
            Arg::new("command")
                .long("command")
                .value_name("PROGRAM")
                .value_parser(server_program)
                .help("Program that the host starts [default: this one]"),
        )
        .arg(flag("list", "List the programs, their files, and whether Aura is in them"))
        .mut_arg("host", |arg| arg.required_unless_present("list"));
    let uninstall =
        common(Command::new("uninstall").about("Take the server out of a program's file again")).mut_arg("host", |arg| arg.required(true));
    [install, uninstall]
}

fn server_name(text: &str) -> std::result::Result<String, String> {
    let is_good =
        !text.is_empty() && text.len() <= NAME_CHARS_MAX && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if is_good { Ok(text.into()) } else { Err(format!("1 to {NAME_CHARS_MAX} of `a-z`, `A-Z`, `0-9`, `-` and `_`")) }
}

fn server_program(text: &str) -> std::result::Result<String, String> {
    if is_aura(text) { Ok(text.into()) } else { Err("its name has to hold `aura`, so that the entry is known again".into()) }
}

/// `aura mcp install`.
pub(super) fn install(args: &ArgMatches, format: Format) -> Result<u8> {
    let folders = Folders::read()?;
    let environment = Environment::read()?;
    if args.get_flag("list") {
        return list(args, &folders, format);
    }
    let place = Place::of(args, &folders)?;
    let server = Server {
        command: match args.get_one::<String>("command") {
            Some(command) => command.clone(),
            None => program(place.scope, &environment)?,
        },
        home: folders.aura_home.as_ref().filter(|_| place.scope == Scope::User).map(|home| home.to_string_lossy().into_owned()),
    };
    let entry = place.host.entry(place.scope, &server);
    let change = |file: &HostFile| place.installed(file, &entry);
    let warnings = warnings(&server.command, place.scope, &environment);
    act(&place, args, format, environment, &change, &warnings)
}

/// `aura mcp uninstall`.
pub(super) fn uninstall(args: &ArgMatches, format: Format) -> Result<u8> {
    let place = Place::of(args, &Folders::read()?)?;
    let change = |file: &HostFile| place.uninstalled(file);
    act(&place, args, format, Environment::read()?, &change, &[])
}

/// What a change does to the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Nothing,
    Adds,
    Updates,
    Replaces,
    Removes,
    /// The file is again what it was before.
    Restores,
}

impl Deed {
    const fn word(self) -> &'static str {
        match self {
            Deed::Nothing => "nothing",
            Deed::Adds => "added",
            Deed::Updates => "updated",
            Deed::Replaces => "replaced",
            Deed::Removes => "removed",
            Deed::Restores => "restored",
        }
    }
}

struct Change {
    deed: Deed,
    /// None: the file goes.
    after: Option<String>,
    entry: Option<Value>,
}

impl Change {
    fn none(file: &HostFile, entry: Option<Value>) -> Change {
        Change { deed: Deed::Nothing, after: file.text.clone(), entry }
    }
}

/// One host's file and the entry in it.
struct Place {
    host: Host,
    scope: Scope,
    name: String,
    path: PathBuf,
}

impl Place {
    fn of(args: &ArgMatches, folders: &Folders) -> Result<Place> {
        let host = args.get_one::<String>("host").and_then(|name| Host::named(name)).ok_or_else(|| Error::invalid("no host"))?;
        let name = args.get_one::<String>("name").cloned().unwrap_or_default();
        match args.get_one::<PathBuf>("project") {
            None => Ok(Place { host, scope: Scope::User, name, path: host.user_file(folders) }),
            Some(folder) => {
                let file = host.row().project.ok_or_else(|| {
                    Error::invalid(format!("{} has no settings for a project", host.row().title)).hint("leave out --project")
                })?;
                Ok(Place { host, scope: Scope::Project, name, path: project(folder)?.join(file) })
            }
        }
    }

    fn slot(&self) -> Slot<'_> {
        Slot { syntax: self.host.row().syntax, section: self.host.row().section, name: &self.name }
    }

    fn refused(&self, text: &str, fault: &Fault) -> Error {
        Error::invalid(format!("{} cannot be edited: {}", self.path.display(), fault.say(text)))
            .hint("nothing was changed: mend it first, or write the entry by hand (docs/mcp.md)")
    }

    fn installed(&self, file: &HostFile, wanted: &Value) -> Result<Change> {
        let text = file.text.as_deref().unwrap_or_default();
        let refused = |fault| self.refused(text, &fault);
        let (deed, entry) = match self.slot().find(text).map_err(refused)? {
            None => (Deed::Adds, wanted.clone()),
            Some(found) if is_same(&found, wanted) => return Ok(Change::none(file, Some(found))),
            Some(found) if is_ours(&found) => (Deed::Updates, renewed(&found, wanted)),
            Some(_) => (Deed::Replaces, wanted.clone()),
        };
        let after = self.slot().put(text, &entry).map_err(refused)?;
        Ok(Change { deed, after: Some(after), entry: Some(entry) })
    }

    /// When nothing else has changed since, the file becomes what it was, to the byte: that is so when the entry, put
    /// into the copy that was kept, gives the file.
    fn uninstalled(&self, file: &HostFile) -> Result<Change> {
        let text = file.text.as_deref().unwrap_or_default();
        let refused = |fault| self.refused(text, &fault);
        let Some(found) = self.slot().find(text).map_err(refused)? else { return Ok(Change::none(file, None)) };
        if !is_ours(&found) {
            let detail = format!("`{}` in {} is not Aura's: it starts {}", self.name, self.path.display(), found["command"]);
            return Err(Error::new(Code::IllegalState, detail).hint("nothing was changed: another entry is named with --name"));
        }
        let before = file.backed_up()?;
        if self.slot().put(before.as_deref().unwrap_or_default(), &found).is_ok_and(|put| put == text) {
            return Ok(Change { deed: Deed::Restores, after: before, entry: None });
        }
        let after = self.slot().remove(text).map_err(refused)?;
        Ok(Change { deed: Deed::Removes, after: Some(after), entry: None })
    }

    /// Writes a change, with a copy of what was there before the first entry of Aura's, and without it once it is back.
    fn commit(&self, file: &HostFile, change: &Change) -> Result<()> {
        match change.deed {
            Deed::Nothing => return Ok(()),
            Deed::Adds | Deed::Replaces if !self.holds_ours(file) => file.keep()?,
            Deed::Adds | Deed::Replaces | Deed::Updates | Deed::Removes | Deed::Restores => {}
        }
        file.write(change.after.as_deref())?;
        if change.deed == Deed::Restores && change.after.is_some() {
            let _ = std::fs::remove_file(file.backup());
        }
        Ok(())
    }

    /// Whether there is any entry of Aura's: then the copy that was kept is the older and better one.
    fn holds_ours(&self, file: &HostFile) -> bool {
        let section = file.text.as_deref().and_then(|text| self.slot().section(text).ok()).unwrap_or_default();
        section.as_object().into_iter().flatten().any(|(_, entry)| is_ours(entry))
    }
}

/// Shows, asks, writes, and says what was done.
fn act(
    place: &Place,
    args: &ArgMatches,
    format: Format,
    environment: Environment,
    change: &dyn Fn(&HostFile) -> Result<Change>,
    warnings: &[String],
) -> Result<u8> {
    let (yes, dry) = (args.get_flag("yes"), args.get_flag("dry-run"));
    let mut turn = None;
    if yes && !dry {
        turn = Some(turn_of(environment.clone())?);
    }
    let mut file = HostFile::read(place.path.clone())?;
    let mut planned = change(&file)?;
    if planned.deed != Deed::Nothing && format == Format::Text && (yes || dry) {
        warn(warnings);
    }
    if planned.deed != Deed::Nothing && !yes && !dry {
        consent(place, &file, &planned, format, warnings)?;
        turn = Some(turn_of(environment)?);
        let (shown, now) = (planned.after.clone(), HostFile::read(place.path.clone())?);
        (planned, file) = (change(&now)?, now);
        if planned.after != shown {
            return Err(Error::new(Code::Conflict, format!("{} was changed meanwhile", place.path.display()))
                .hint("nothing was written: do it again"));
        }
    }
    if !dry {
        place.commit(&file, &planned)?;
    }
    drop(turn);
    report(place, &file, &planned, format, dry, warnings);
    Ok(0)
}

/// Opening makes the home, private to its owner. An agent must not settle where it is asked from.
fn turn_of(environment: Environment) -> Result<std::fs::File> {
    let home = environment.home.clone();
    cli::open(environment)?.refuse_inside_attempt()?;
    file::turn(&home)
}

/// Asks the person, or refuses where there is none.
fn consent(place: &Place, file: &HostFile, change: &Change, format: Format, warnings: &[String]) -> Result<()> {
    let asks = format == Format::Text && term::is_conversation();
    if format == Format::Text {
        term::err(&shown(place, file, change));
        warn(warnings);
    }
    if asks && term::confirm("Write this?") {
        return Ok(());
    }
    let detail = format!("{} was not changed", place.path.display());
    let hint = if asks { "nothing was written" } else { "look at the change with --dry-run; write it with --yes" };
    Err(Error::new(Code::NeedsPerson, format!("{detail}: nobody has agreed to it")).hint(hint))
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        term::err(&format!("{} {}\n", paint(Colour::Yellow, "warning:"), term::clean(warning)));
    }
}

/// The change for people.
fn shown(place: &Place, file: &HostFile, change: &Change) -> String {
    let title = place.host.row().title;
    let note = match (&file.text, &change.after) {
        (None, _) => " (new)",
        (Some(_), None) => " (is removed: it held nothing else)",
        (Some(_), Some(_)) => "",
    };
    let mut text = format!("{title}: {}{note}\n", place.path.display());
    if change.deed == Deed::Replaces {
        text += &format!("`{}` is another server there; it is replaced.\n", place.name);
    }
    for line in difference(file, change).lines() {
        let colour = match line.as_bytes().first() {
            Some(b'+') => Colour::Green,
            Some(b'-') => Colour::Red,
            Some(_) | None => Colour::Dim,
        };
        text += &format!("{}\n", paint(colour, &term::clean(line)));
    }
    text
}

fn difference(file: &HostFile, change: &Change) -> String {
    diff(file.text.as_deref().unwrap_or_default(), change.after.as_deref().unwrap_or_default())
}

fn report(place: &Place, file: &HostFile, change: &Change, format: Format, dry: bool, warnings: &[String]) {
    let (row, is_change) = (place.host.row(), change.deed != Deed::Nothing);
    let backup = Some(file.backup()).filter(|path| path.exists()).map(|path| path.display().to_string());
    if format == Format::Json {
        let answer = json!({
            "host": row.name, "scope": scope_word(place.scope), "name": place.name, "path": place.path.display().to_string(), "done": change.deed.word(),
            "changed": is_change && !dry, "dryRun": dry, "entry": change.entry, "backup": backup, "warnings": warnings,
            "diff": if is_change { difference(file, change) } else { String::new() },
            "next": change.entry.as_ref().map(|_| row.next),
        });
        return term::out(&pretty(&answer));
    }
    let (title, name, path) = (row.title, &place.name, place.path.display());
    if dry && is_change {
        term::out(&shown(place, file, change));
        return term::out("Not written: a dry run.\n");
    }
    let mut text = match change.deed {
        Deed::Nothing if change.entry.is_some() => format!("{title} has `{name}` already: {path}. Nothing to do.\n"),
        Deed::Nothing => format!("{title} has no `{name}`: {path}. Nothing to do.\n"),
        Deed::Adds => format!("Installed `{name}` in {title}: {path}\n"),
        Deed::Updates => format!("Updated `{name}` in {title}: {path}\n"),
        Deed::Replaces => format!("Replaced `{name}` in {title}: {path}\n"),
        Deed::Removes => format!("Removed `{name}` from {title}: {path}\n"),
        Deed::Restores => format!("Removed `{name}` from {title}: {path} is again what it was before.\n"),
    };
    if is_change && change.entry.is_some() {
        text += &backup.map_or(String::new(), |backup| format!("before: {backup}\n"));
        let project = if place.scope == Scope::Project { " --project" } else { "" };
        let named = if name == "aura" { String::new() } else { format!(" --name {name}") };
        text += &format!("next: {}\nundo: aura mcp uninstall {}{project}{named}\n", row.next, row.name);
    }
    term::out(&term::clean(&text));
}

const fn scope_word(scope: Scope) -> &'static str {
    match scope {
        Scope::User => "user",
        Scope::Project => "project",
    }
}

fn list(args: &ArgMatches, folders: &Folders, format: Format) -> Result<u8> {
    let name = args.get_one::<String>("name").cloned().unwrap_or_default();
    let here = args.get_one::<PathBuf>("project").map_or(Path::new("."), PathBuf::as_path);
    let project = project(here)?;
    let mut rows = vec![];
    for host in Host::ALL {
        let files = [(Scope::User, Some(host.user_file(folders))), (Scope::Project, host.row().project.map(|file| project.join(file)))];
        for (scope, path) in files.into_iter().filter_map(|(scope, path)| Some((scope, path?))) {
            let place = Place { host, scope, name: name.clone(), path };
            let found = HostFile::read(place.path.clone()).and_then(|file| {
                let text = file.text.unwrap_or_default();
                place.slot().find(&text).map_err(|fault| place.refused(&text, &fault))
            });
            let (state, detail) = match found {
                Ok(None) => ("absent", None),
                Ok(Some(entry)) if is_ours(&entry) => ("installed", entry["command"].as_str().map(str::to_owned)),
                Ok(Some(entry)) => ("other", entry["command"].as_str().map(str::to_owned)),
                Err(error) => ("unreadable", Some(error.chain())),
            };
            rows.push(json!({
                "host": host.row().name, "title": host.row().title, "scope": scope_word(scope), "path": place.path.display().to_string(),
                "state": state, "detail": detail,
            }));
        }
    }
    if format == Format::Json {
        term::out(&pretty(&json!({ "name": name, "hosts": rows })));
        return Ok(0);
    }
    let mut text = format!("{:<15} {:<8} {:<11} FILE\n", "HOST", "FOR", "STATE");
    for row in &rows {
        let cell = |key: &str| row[key].as_str().unwrap_or_default();
        text += &format!("{:<15} {:<8} {:<11} {}\n", cell("host"), cell("scope"), cell("state"), cell("path"));
    }
    term::out(&term::clean(&text));
    Ok(0)
}

/// The folder of a project: the repository around the current folder, or the one that is named.
fn project(folder: &Path) -> Result<PathBuf> {
    let found = std::path::absolute(folder).map_err(|e| Error::invalid(format!("find {}", folder.display())).because(e))?;
    if !found.is_dir() {
        return Err(Error::invalid(format!("{} is not a folder", found.display())));
    }
    if folder != Path::new(".") {
        return Ok(found);
    }
    let found = dunce::canonicalize(&found).unwrap_or(found);
    Ok(found.ancestors().find(|at| at.join(".git").exists()).unwrap_or(&found).to_owned())
}

/// The program that a host starts. A project's file is for everybody who has the repository, so it names no place. Yours
/// names the place that stays when a new version comes: a link on the path is better than what it leads to today.
fn program(scope: Scope, environment: &Environment) -> Result<String> {
    if scope == Scope::Project {
        return Ok("aura".into());
    }
    let real = |path: &Path| path.canonicalize().ok();
    let on_path = on_path(environment).filter(|found| real(found).is_some_and(|found| real(&environment.exe) == Some(found)));
    let program = on_path.unwrap_or_else(|| environment.exe.clone());
    program.to_str().map(str::to_owned).ok_or_else(|| {
        Error::invalid(format!("write {} into a file: it is not UTF-8", program.display())).hint("say another with --command")
    })
}

fn on_path(environment: &Environment) -> Option<PathBuf> {
    which::which_in_global("aura", environment.path.as_ref()).ok()?.find(|found| found.is_absolute())
}

fn warnings(command: &str, scope: Scope, environment: &Environment) -> Vec<String> {
    let mut said = vec![];
    let parts: Vec<_> = Path::new(command).components().map(std::path::Component::as_os_str).collect();
    if parts.windows(2).any(|pair| pair[0] == "target" && (pair[1] == "debug" || pair[1] == "release")) {
        said.push(format!("{command} is in a build folder and may go away: `cargo install --path .` gives it a place"));
    }
    if scope == Scope::Project && command == "aura" && on_path(environment).is_none() {
        said.push("`aura` is not on your PATH, and a project's file names it without a place: `cargo install --path .`".into());
    }
    said
}
