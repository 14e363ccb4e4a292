//! `aura mcp install` and `uninstall`, as a person and a script use them: the real program on real files in a home of
//! their own.
#![allow(clippy::unwrap_used)] // A test may fail loudly.

#[path = "support/host_home.rs"]
mod host_home;

use host_home::{AURA, Home, backup, beside, text};
use serde_json::{Value, json};
use std::fs;
#[cfg(target_os = "linux")]
use std::path::Path;
use std::process::Stdio;

const HOSTS: [&str; 6] = ["copilot", "claude-code", "codex", "vscode", "cursor", "claude-desktop"];

#[cfg(target_os = "linux")]
#[test]
fn each_host_has_its_file_and_its_form() {
    let home = Home::new();
    let command = serde_json::to_string(AURA).unwrap();
    let json = |section: &str, rest: &str| {
        let rest = rest.replace('\n', "\n      ");
        format!("{{\n  \"{section}\": {{\n    \"aura\": {{\n      {rest}\n    }}\n  }}\n}}\n").replace("COMMAND", &command)
    };
    let stdio = "\"type\": \"stdio\",\n\"command\": COMMAND,\n\"args\": [\"mcp\"]";
    for (host, path, expected) in [
        (
            "copilot",
            ".copilot/mcp-config.json",
            json(
                "mcpServers",
                "\"type\": \"local\",\n\"command\": COMMAND,\n\"args\": [\"mcp\"],\n\"tools\": [\"*\"],\n\"timeout\": 3600000",
            ),
        ),
        ("claude-code", ".claude.json", json("mcpServers", stdio)),
        ("codex", ".codex/config.toml", format!("[mcp_servers.aura]\ncommand = {command}\nargs = [\"mcp\"]\ntool_timeout_sec = 3600\n")),
        ("vscode", ".config/Code/User/mcp.json", json("servers", stdio)),
        ("cursor", ".cursor/mcp.json", json("mcpServers", stdio)),
        ("claude-desktop", ".config/Claude/claude_desktop_config.json", json("mcpServers", "\"command\": COMMAND,\n\"args\": [\"mcp\"]")),
    ] {
        let answer = home.yes(&["install", host]);
        let file = home.path(path);
        assert_eq!((answer["path"].as_str(), answer["done"].as_str()), (file.to_str(), Some("added")), "{answer}");
        assert_eq!(fs::read_to_string(&file).unwrap(), expected, "{host}");
        assert_eq!(home.yes(&["uninstall", host])["done"], "restored", "{host}");
        assert!(!file.exists(), "{host}: there was no file before");
    }
}

#[test]
fn a_project_names_no_place_of_this_machine() {
    let home = Home::new();
    for (host, path) in [
        ("copilot", ".mcp.json"),
        ("claude-code", ".mcp.json"),
        ("codex", ".codex/config.toml"),
        ("vscode", ".vscode/mcp.json"),
        ("cursor", ".cursor/mcp.json"),
    ] {
        let below = home.path("repo/deep");
        fs::create_dir_all(&below).unwrap();
        let output = home.aura(&["mcp", "install", host, "--project", "--yes", "--json"]).current_dir(below).output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["path"].as_str(), home.path("repo").join(path).to_str(), "{answer}");
        assert_eq!((&answer["entry"]["command"], &answer["entry"]["type"] == "local"), (&"aura".into(), false), "{answer}");
        let text = fs::read_to_string(home.path("repo").join(path)).unwrap();
        assert!(!text.contains(AURA) && !text.contains(home.path("").to_str().unwrap()), "{text}");
    }
    // The two that share a file share the entry.
    assert_eq!(home.yes(&["install", "copilot", "--project"])["done"], "nothing");
    let problem = home.refused(&["install", "claude-desktop", "--project"]);
    assert!(problem["detail"].as_str().unwrap().contains("no settings for a project"), "{problem}");
    let named = format!("--project={}", home.path("repo").display());
    assert_eq!(home.yes(&["uninstall", "cursor", &named])["done"], "restored");
}

#[test]
fn the_rest_of_a_file_stays_and_undoing_gives_it_back_to_the_byte() {
    let jsonc = [
        "{\n\t// my servers\n\t\"servers\": {\n\t\t\"x\": { \"url\": \"u\" }, // keep\n\t},\n\t\"inputs\": [],\n}\n",
        "\u{feff}{\r\n  \"servers\": {},\r\n  /* é */ \"z\": 1e3\r\n}",
        "{}",
        "",
        "// nothing yet\n",
        "{\"a\":1}",
        "{ \"servers\" : { } }\n\n\n",
    ];
    let json = [
        "{\n  \"numStartups\": 3,\n  \"projects\": {\"/a\": {\"mcpServers\": {}}}\n}",
        "{\"mcpServers\":{\"aur\":{\"url\":\"u\"}}}",
        "{\r\n}\r\n",
    ];
    let toml = [
        "model = \"o\" # mine\n\n[projects.\"/a\"]\ntrust_level = \"trusted\"\n",
        "[mcp_servers.x]\r\ncommand = 'x'\r\n# end, without a new line",
        "# all\n\n\n",
        "when = 2020-01-01T00:00:00Z\nmcp_servers.x.url = 'u'\n",
    ];
    let files = jsonc.map(|text| ("vscode", text)).into_iter();
    for (host, before) in files.chain(json.map(|text| ("claude-code", text))).chain(toml.map(|text| ("codex", text))) {
        let home = Home::new();
        let file = home.write(host, before);
        assert_eq!(home.yes(&["install", host])["done"], "added");
        let installed = fs::read_to_string(&file).unwrap();
        assert_eq!(fs::read_to_string(backup(&file)).unwrap(), before, "what was there is kept");
        assert_eq!(home.yes(&["install", host])["done"], "nothing", "{installed}");
        assert_eq!(home.yes(&["uninstall", host])["done"], "restored", "{before:?}\n{installed}");
        assert_eq!(fs::read_to_string(&file).unwrap(), before);
        assert!(!backup(&file).exists(), "nothing of ours is left");
        assert_eq!(home.yes(&["uninstall", host])["done"], "nothing");
    }
}

#[test]
fn what_others_wrote_since_stays_when_it_is_undone() {
    let home = Home::new();
    let file = home.write("cursor", "{\n  \"mcpServers\": {\n    \"a\": {}\n  }\n}\n");
    home.yes(&["install", "cursor"]);
    let text = fs::read_to_string(&file).unwrap().replace("\"a\": {}", "\"a\": { \"new\": true }");
    fs::write(&file, text).unwrap();
    assert_eq!(home.yes(&["uninstall", "cursor"])["done"], "removed");
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\n  \"mcpServers\": {\n    \"a\": { \"new\": true }\n  }\n}\n");
    // Later, what is kept is the file of then.
    home.yes(&["install", "cursor"]);
    assert_eq!(home.yes(&["uninstall", "cursor"])["done"], "restored");
    assert!(fs::read_to_string(&file).unwrap().contains("\"new\": true"));
    assert_eq!(beside(&file), ["mcp.json"]);
}

#[test]
fn two_names_are_two_entries() {
    let home = Home::new();
    let before = "{\n  \"mcpServers\": {\n    \"a\": {}\n  }\n}\n";
    let file = home.write("cursor", before);
    home.yes(&["install", "cursor"]);
    home.yes(&["install", "cursor", "--name", "aura-2"]);
    assert_eq!(fs::read_to_string(backup(&file)).unwrap(), before, "the older copy is the better one");
    assert_eq!(home.yes(&["uninstall", "cursor", "--name", "aura-2"])["done"], "removed");
    assert_eq!(home.yes(&["uninstall", "cursor"])["done"], "restored");
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    for bad in ["", "a b", "a.b", "\"", "../x", "a-name-of-more-than-24-characters"] {
        assert_eq!(home.refused(&["install", "cursor", "--name", bad])["code"], "invalid_request", "{bad}");
    }
}

#[test]
fn an_entry_of_ours_is_renewed_and_what_is_set_in_it_is_kept() {
    let home = Home::new();
    let file = home.write(
        "copilot",
        "{\"mcpServers\":{\"aura\":{\"type\":\"local\",\"command\":\"/old/bin/aura\",\"args\":[\"mcp\",\"--read-only\"],\"env\":{\"A\":\"1\"},\"timeout\":5}}}",
    );
    assert_eq!(home.yes(&["install", "copilot"])["done"], "updated");
    let found: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let entry = json!({ "type": "local", "command": AURA, "args": ["mcp", "--read-only"], "env": { "A": "1" }, "timeout": 5 });
    assert_eq!(found["mcpServers"]["aura"], entry);
    assert_eq!(home.yes(&["install", "copilot"])["done"], "nothing");
    assert_eq!(home.yes(&["uninstall", "copilot"])["done"], "removed");
}

#[test]
fn the_data_of_a_set_home_is_found_again_by_the_server() {
    let home = Home::new();
    let data = home.path("data");
    let output = home.aura(&["mcp", "install", "codex", "--yes", "--json"]).env("AURA_HOME", &data).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let settings: toml::Table = fs::read_to_string(home.path(".codex/config.toml")).unwrap().parse().unwrap();
    assert_eq!(settings["mcp_servers"]["aura"]["env"]["AURA_HOME"].as_str(), data.to_str());
}

#[test]
fn a_server_of_another_kind_is_replaced_only_when_asked_and_comes_back() {
    let home = Home::new();
    let before = "{\n  \"mcpServers\": {\n    // theirs\n    \"aura\": { \"url\": \"https://aura.example\" }\n  }\n}\n";
    let file = home.write("cursor", before);
    let problem = home.refused(&["uninstall", "cursor"]);
    assert_eq!(problem["code"], "illegal_state", "{problem}");
    let output = home.aura(&["mcp", "install", "cursor"]).output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    assert!(text(&output).contains("`aura` is another server there; it is replaced") && text(&output).contains("-    \"aura\": { \"url\""));
    assert_eq!(fs::read_to_string(&file).unwrap(), before, "nobody agreed");
    assert_eq!(home.yes(&["install", "cursor"])["done"], "replaced");
    assert_eq!(home.yes(&["uninstall", "cursor"])["done"], "restored");
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
}

#[test]
fn without_a_person_and_without_yes_nothing_is_written() {
    let home = Home::new();
    for host in HOSTS {
        let output = home.aura(&["mcp", "install", host]).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(5), 0), "{}", text(&output));
        let said = text(&output);
        assert!(said.contains('+') && said.contains("aura") && said.contains("--yes") && said.contains("--dry-run"), "{said}");
        let json = home.aura(&["mcp", "install", host, "--json"]).output().unwrap();
        let problem: Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!((problem["code"].as_str(), json.stderr.len()), (Some("needs_person"), 0), "{problem}");
        let dry = home.aura(&["mcp", "install", host, "--dry-run", "--yes"]).output().unwrap();
        assert!(dry.status.success() && String::from_utf8_lossy(&dry.stdout).contains("Not written"), "{}", text(&dry));
    }
    assert_eq!(beside(&home.path("repo")), ["repo"], "no file, no folder, no database");
}

#[test]
fn an_agent_of_a_story_cannot_install_anything() {
    let home = Home::new();
    let output = home.aura(&["mcp", "install", "cursor", "--yes", "--json"]).env("AURA_TASK", "task-1").output().unwrap();
    assert!(!output.status.success() && !home.path(".cursor").exists(), "{}", text(&output));
}

#[test]
fn a_file_that_is_broken_is_left_as_it_is_and_its_place_is_said() {
    for (host, broken, place) in [
        ("vscode", "{\n  // c\n  \"servers\": {\n", "line 3, column 14"),
        ("cursor", "{\n  \"mcpServers\": {},\n  oops\n}\n", "line 3, column 3"),
        ("claude-code", "{ // no comments here\n}", "line 1, column 3: Comments are not allowed"),
        ("codex", "[mcp_servers\n", "line 1, column"),
        ("copilot", "[]", "line 1, column 1"),
    ] {
        let home = Home::new();
        let file = home.write(host, "{}");
        fs::write(&file, broken).unwrap();
        for verb in ["install", "uninstall"] {
            let problem = home.refused(&[verb, host]);
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains(place) && detail.contains(file.to_str().unwrap()), "{host}: {detail}");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), broken);
        assert!(!backup(&file).exists());
    }
    let home = Home::new();
    let file = home.write("cursor", "");
    fs::write(&file, b"{\n\"a\": \"\xff\"}").unwrap();
    let problem = home.refused(&["install", "cursor"]);
    assert!(problem["detail"].as_str().unwrap().contains("is not UTF-8: line 2"), "{problem}");
    assert_eq!(fs::read(&file).unwrap(), b"{\n\"a\": \"\xff\"}");
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link_and_rights_stay_what_they_were() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let home = Home::new();
    let file = home.file("cursor");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::create_dir_all(home.path("dots/deep")).unwrap();
    let real = home.path("dots/cursor.json");
    fs::write(&real, "{}\n").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("../cursor.json", home.path("dots/deep/link")).unwrap();
    symlink(home.path("dots/deep/link"), &file).unwrap();
    home.yes(&["install", "cursor"]);
    assert!(fs::symlink_metadata(&file).unwrap().is_symlink() && fs::read_to_string(&real).unwrap().contains("\"aura\""));
    for path in [real.clone(), backup(&real)] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640, "{}", path.display());
    }
    home.yes(&["uninstall", "cursor"]);
    assert_eq!(fs::read_to_string(&real).unwrap(), "{}\n");
    // A link to what is not there yet, and a new file of one's own.
    fs::remove_file(&real).unwrap();
    home.yes(&["install", "cursor"]);
    assert!(fs::symlink_metadata(&file).unwrap().is_symlink() && real.is_file());
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_cannot_be_written_is_said_and_leaves_nothing_behind() {
    let home = Home::new();
    // A file where its folder should be.
    fs::write(home.path(".cursor"), "mine").unwrap();
    let problem = home.refused(&["install", "cursor"]);
    assert!(problem["detail"].as_str().unwrap().contains(".cursor"), "{problem}");
    assert_eq!(fs::read_to_string(home.path(".cursor")).unwrap(), "mine");
    // A folder where the file should be.
    fs::create_dir_all(home.path(".codex/config.toml")).unwrap();
    assert_eq!(home.refused(&["install", "codex"])["code"], "unavailable");
    assert_eq!(beside(&home.path(".codex/config.toml")), ["config.toml"]);
}

#[cfg(unix)]
#[test]
fn a_folder_that_may_not_be_written_is_left_alone() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let file = home.write("cursor", "{}");
    let folder = file.parent().unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o500)).unwrap();
    // The superuser may write anywhere.
    let may_write = fs::write(folder.join("try"), "").and_then(|()| fs::remove_file(folder.join("try"))).is_ok();
    if may_write {
        assert_eq!(home.yes(&["install", "cursor"])["done"], "added");
    } else {
        let problem = home.refused(&["install", "cursor"]);
        assert!(problem["hint"].as_str().unwrap().contains("yours to write"), "{problem}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "{}");
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn many_at_once_lose_nothing() {
    let home = Home::new();
    let file = home.write("cursor", "{\n  \"mcpServers\": {\n    \"theirs\": {}\n  }\n}\n");
    let names: Vec<String> = (0..8).map(|n| format!("aura-{n}")).collect();
    let start = |name: &String| {
        home.aura(&["mcp", "install", "cursor", "--yes", "--name", name]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let running: Vec<_> = names.iter().map(start).collect();
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    }
    let found: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(found["mcpServers"].as_object().unwrap().len(), 9, "{found}");
    assert_eq!(beside(&file), ["mcp.json", "mcp.json.aura-backup"]);
    for name in &names {
        home.yes(&["uninstall", "cursor", "--name", name]);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\n  \"mcpServers\": {\n    \"theirs\": {}\n  }\n}\n");
}

#[test]
fn the_list_shows_every_host_and_how_it_stands() {
    let home = Home::new();
    home.yes(&["install", "codex"]);
    home.write("cursor", "{ \"mcpServers\": { \"aura\": { \"url\": \"u\" } } }");
    home.write("vscode", "{");
    let answer = home.yes(&["install", "--list"]);
    let state = |host: &str, scope: &str| {
        let rows = answer["hosts"].as_array().unwrap();
        rows.iter().find(|row| row["host"] == host && row["scope"] == scope).map(|row| row["state"].as_str().unwrap().to_owned())
    };
    let states = HOSTS.map(|host| state(host, "user").unwrap());
    assert_eq!(states, ["absent", "absent", "installed", "unreadable", "other", "absent"]);
    assert_eq!((state("cursor", "project").as_deref(), state("claude-desktop", "project")), (Some("absent"), None));
    let shown = home.aura(&["mcp", "install", "--list"]).output().unwrap();
    assert!(HOSTS.iter().all(|host| text(&shown).contains(host)), "{}", text(&shown));
}

#[test]
fn the_program_is_named_by_the_place_that_stays() {
    let home = Home::new();
    fs::create_dir(home.path("bin")).unwrap();
    let link = home.path("bin").join(format!("aura{}", std::env::consts::EXE_SUFFIX));
    #[cfg(unix)]
    std::os::unix::fs::symlink(AURA, &link).unwrap();
    #[cfg(windows)]
    fs::copy(AURA, &link).unwrap();
    let output = home.aura(&["mcp", "install", "cursor", "--yes", "--json"]).env("PATH", home.path("bin")).output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    if cfg!(unix) {
        assert_eq!(answer["entry"]["command"].as_str(), link.to_str(), "a link on the path outlives what it leads to");
        assert_eq!(answer["warnings"], json!([]));
    }
    let answer = home.yes(&["install", "codex"]);
    assert!(answer["warnings"][0].as_str().unwrap().contains("build folder"), "{answer}");
    for wrapper in ["/opt/aura-nightly", "C:\\tools\\Aura.cmd"] {
        assert_eq!(home.yes(&["install", "vscode", "--command", wrapper])["entry"]["command"], wrapper);
        assert_eq!(home.yes(&["install", "vscode", "--command", wrapper])["done"], "nothing");
        assert_eq!(home.yes(&["uninstall", "vscode"])["done"], "restored");
    }
    let problem = home.refused(&["install", "vscode", "--command", "/opt/other"]);
    assert_eq!(problem["code"], "invalid_request", "{problem}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_page_shows_by_hand_what_is_written() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/mcp.md")).unwrap();
    let home = Home::new();
    let by_hand = |host: &str| {
        let fence = format!("```{} {host}\n", if host == "codex" { "toml" } else { "json" });
        page.split(&fence).nth(1).unwrap().split("```").next().unwrap().to_owned()
    };
    for host in HOSTS {
        home.yes(&["install", host, "--command", "/home/you/.cargo/bin/aura"]);
        let file = home.file(host);
        assert_eq!(by_hand(host), fs::read_to_string(&file).unwrap(), "{host}");
        let row = page.lines().find(|line| line.starts_with(&format!("| `{host}` | "))).unwrap();
        let place = file.strip_prefix(home.path("")).unwrap();
        assert!(row.starts_with(&format!("| `{host}` | `~/{}`", place.display())), "{row}");
        let project = home.aura(&["mcp", "install", host, "--project", "--dry-run", "--json"]).output().unwrap();
        let project: Value = serde_json::from_slice(&project.stdout).unwrap();
        let expected = project["path"]
            .as_str()
            .map_or("none".to_owned(), |path| format!("`{}`", Path::new(path).strip_prefix(home.path("repo")).unwrap().display()));
        assert!(row.ends_with(&format!("| {expected} |")), "{row}");
    }
}

/// A terminal of its own for the program; what it shows and how it ends.
#[cfg(target_os = "linux")]
fn at_a_terminal(home: &Home, args: &[&str], answer: &str) -> (Option<i32>, String) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use std::io::{Read, Write};
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, vec![]).unwrap().into_string().unwrap();
    let theirs = fs::OpenOptions::new().read(true).write(true).open(name).unwrap();
    let mut child = home.aura(args).stdin(theirs.try_clone().unwrap()).stderr(theirs).stdout(Stdio::piped()).spawn().unwrap();
    let mut ours = fs::File::from(ours);
    ours.write_all(answer.as_bytes()).unwrap();
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    let code = child.wait().unwrap().code();
    // What was shown is still there to be read; its end is an error.
    let (mut shown, mut part) = (String::new(), [0; 4096]);
    while let Ok(read @ 1..) = ours.read(&mut part) {
        shown += &String::from_utf8_lossy(&part[..read]);
    }
    (code, shown + &stdout)
}

#[cfg(target_os = "linux")]
#[test]
fn a_person_is_shown_the_change_and_asked() {
    let home = Home::new();
    let file = home.file("cursor");
    for no in ["n\n", "\n", "nonsense\n"] {
        let (code, shown) = at_a_terminal(&home, &["mcp", "install", "cursor"], no);
        assert_eq!(code, Some(5), "{shown}");
        assert!(shown.contains("\"mcpServers\"") && shown.contains("Write this? [y/N]") && !file.exists(), "{shown}");
    }
    let (code, shown) = at_a_terminal(&home, &["mcp", "install", "cursor"], "y\n");
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("Installed `aura` in Cursor") && shown.contains("undo: aura mcp uninstall cursor") && file.exists(), "{shown}");
    let (code, shown) = at_a_terminal(&home, &["mcp", "install", "cursor"], "");
    assert!(code == Some(0) && shown.contains("Nothing to do") && !shown.contains("[y/N]"), "{shown}");
    let (code, shown) = at_a_terminal(&home, &["mcp", "uninstall", "cursor"], "yes\n");
    assert!(code == Some(0) && shown.contains("is removed: it held nothing else") && !file.exists(), "{shown}");
}
