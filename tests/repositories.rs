//! Repositories as they are found: dirty, detached, empty, bare, shallow, with submodules, hooks and links. Each works, or is
//! refused with what to do.
#![allow(clippy::unwrap_used)] // A test may fail loudly.

#[allow(dead_code)] // Shared with other tests.
#[path = "support/cli_world.rs"]
mod cli_world;

use aura::error::Code;
use cli_world::{AURA, Cli, SETTINGS, Said, finish, task};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn new(cli: &Cli, repository: &Path) -> Said {
    cli.call("create_story", &json!({ "title": "A story", "repositoryPath": repository }))
}

/// The whole job on that repository; the completed story.
#[track_caller]
fn whole_job(cli: &Cli, repository: &Path) -> Value {
    let id = work(cli, repository);
    complete(cli, repository, &id)
}

/// Everything up to the completion; the story's id.
#[track_caller]
fn work(cli: &Cli, repository: &Path) -> String {
    let id = new(cli, repository).well()["id"].as_str().unwrap().to_owned();
    let tasks = json!([task("task-1", &[]), task("task-2", &["task-1"])]);
    cli.call("decompose_story", &json!({ "storyId": id, "tasks": tasks })).well();
    let run = cli.json(&["run", &id, "--all"]).well();
    assert_eq!(run["isComplete"], true, "{run}");
    id
}

#[track_caller]
fn complete(cli: &Cli, repository: &Path, id: &str) -> Value {
    cli.json(&["complete", id, "--publish", "branch"]).well();
    let story = cli.json(&["show", id]).well();
    let branch = story["gitBranch"].as_str().unwrap();
    for name in ["task-1", "task-2"] {
        assert_eq!(cli.git(repository, &["show", &format!("{branch}:{name}.txt")]), format!("by {name}"));
    }
    story
}

#[track_caller]
fn hint(problem: &Value) -> &str {
    problem["hint"].as_str().unwrap_or_else(|| panic!("no hint in {problem}"))
}

#[test]
fn a_dirty_checkout_stays_as_it_is() {
    let cli = Cli::new();
    let repo = cli.repo();
    fs::write(repo.join("README.md"), "# mine, not committed\n").unwrap();
    fs::write(repo.join("staged.txt"), "staged\n").unwrap();
    cli.git(&repo, &["add", "staged.txt"]);
    fs::write(repo.join("task-1.txt"), "untracked, and in the way of the task's own file\n").unwrap();
    let look = || {
        (
            cli.git(&repo, &["status", "--porcelain=v2", "--branch"]),
            fs::read(repo.join("task-1.txt")).unwrap(),
            fs::read(repo.join(".git/index")).unwrap(),
        )
    };
    let before = look();
    let story = whole_job(&cli, &repo);
    assert_eq!(look(), before);
    let branch = story["gitBranch"].as_str().unwrap();
    assert!(!cli.try_git(&repo, &["show", &format!("{branch}:staged.txt")]).0, "what is not committed is no base");
}

#[test]
fn a_detached_head_is_a_base_without_a_branch() {
    let cli = Cli::new();
    cli.git(&cli.repo(), &["checkout", "-q", "--detach"]);
    let story = whole_job(&cli, &cli.repo());
    assert_eq!(story["baseBranch"], Value::Null);
}

#[test]
fn what_cannot_be_worked_in_is_refused_with_the_way_on() {
    let cli = Cli::new();
    let (empty, bare, plain) = (cli.path("empty"), cli.path("bare.git"), cli.path("plain"));
    fs::create_dir(&plain).unwrap();
    cli.git(&cli.repo(), &["init", "-q", empty.to_str().unwrap()]);
    cli.git(&cli.repo(), &["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
    for (path, word) in [(&empty, "git commit"), (&bare, "work tree"), (&plain, "git init")] {
        let problem = cli.unchanged(|| new(&cli, path).refused(Code::NotARepository));
        assert!(hint(&problem).contains(word), "{problem}");
    }
    fs::write(cli.repo().join(".git/HEAD"), "nonsense\n").unwrap();
    let broken = new(&cli, &cli.repo());
    assert!(broken.code == 2 || broken.code == 6, "{}", broken.text());
    assert!(!cli.path("repo.aura").exists());
}

#[test]
fn a_shallow_clone_works() {
    let cli = Cli::new();
    for n in 0..3 {
        fs::write(cli.repo().join("README.md"), format!("{n}\n")).unwrap();
        cli.git(&cli.repo(), &["commit", "-qam", "more"]);
    }
    let from = format!("file://{}", cli.repo().display());
    cli.git(&cli.repo(), &["clone", "-q", "--depth", "1", &from, cli.path("shallow").to_str().unwrap()]);
    assert_eq!(cli.git(&cli.path("shallow"), &["rev-parse", "--is-shallow-repository"]), "true");
    whole_job(&cli, &cli.path("shallow"));
}

#[test]
fn submodules_and_large_files_stay_what_they_are() {
    let cli = Cli::new();
    let (repo, part) = (cli.repo(), cli.repository("part"));
    cli.git(&repo, &["submodule", "-q", "add", part.to_str().unwrap(), "part"]);
    fs::write(repo.join(".gitattributes"), "*.bin filter=lfs diff=lfs merge=lfs -text\n").unwrap();
    let pointer =
        "version https://git-lfs.github.com/spec/v1\noid sha256:0000000000000000000000000000000000000000000000000000000000000000\nsize 7\n";
    fs::write(repo.join("big.bin"), pointer).unwrap();
    for (key, value) in [("filter.lfs.process", "git-lfs-that-is-not-here filter-process"), ("filter.lfs.required", "true")] {
        cli.git(&repo, &["config", key, value]);
    }
    cli.git(&repo, &["-c", "filter.lfs.process=", "-c", "filter.lfs.required=false", "add", "-A"]);
    cli.git(&repo, &["-c", "filter.lfs.process=", "-c", "filter.lfs.required=false", "commit", "-qm", "parts"]);
    let story = whole_job(&cli, &repo);
    let branch = story["gitBranch"].as_str().unwrap();
    assert_eq!(cli.git(&repo, &["show", &format!("{branch}:big.bin")]), pointer.trim_end());
    assert_eq!(cli.git(&repo, &["rev-parse", &format!("{branch}:part")]), cli.git(&repo, &["rev-parse", "main:part"]));
}

#[cfg(unix)]
#[test]
fn hooks_that_fail_and_signing_stop_only_the_commit_that_is_the_users() {
    use std::os::unix::fs::PermissionsExt;
    let cli = Cli::new();
    let repo = cli.repo();
    for hook in ["pre-commit", "commit-msg", "post-checkout", "reference-transaction", "post-merge", "pre-push"] {
        let path = repo.join(".git/hooks").join(hook);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "#!/bin/sh\ntouch \"$HOME/hook-ran\"\nexit 1\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(cli.path("user/gitconfig"), "[user]\nname = Ada\nemail = ada@example.org\nsigningkey = nobody\n[commit]\ngpgsign = true\n[tag]\ngpgsign = true\n[gpg]\nprogram = /bin/false\n").unwrap();
    let id = work(&cli, &repo);
    assert!(!cli.path("user/hook-ran").exists(), "a hook ran");
    // The one commit that is published is made as the user makes theirs: by their hooks, and signed.
    let problem = cli.json(&["complete", &id, "--publish", "branch"]).refused(Code::NeedsPerson);
    assert!(cli.path("user/hook-ran").exists() && hint(&problem).contains("complete again"), "{problem}");
    fs::remove_dir_all(repo.join(".git/hooks")).unwrap();
    cli.json(&["complete", &id, "--publish", "branch"]).refused(Code::NeedsPerson);
    fs::write(cli.path("user/gitconfig"), "[user]\nname = Ada\nemail = ada@example.org\n").unwrap();
    complete(&cli, &repo, &id);
}

#[test]
fn odd_paths_are_paths_like_others() {
    let cli = Cli::new();
    let names: &[&str] = if cfg!(windows) {
        &["with space ünï", "a'b&c"]
    } else {
        &["with space ünï", "a'b\"c $(x) & ;", "日本語", "-dash", "back\\slash"]
    };
    for name in names {
        let story = whole_job(&cli, &cli.repository(name));
        assert!(story["worktreePath"].as_str().unwrap().contains(&format!("{name}.aura")), "{story}");
    }
}

#[test]
fn a_branch_that_is_taken_is_refused_and_stays() {
    let cli = Cli::new();
    cli.git(&cli.repo(), &["branch", "feature"]);
    let problem = cli.unchanged(|| cli.json(&["new", "x", "--branch", "feature"]).refused(Code::Conflict));
    assert!(hint(&problem).contains("--branch"), "{problem}");
    // One branch called `aura` leaves no room for the usual names.
    cli.git(&cli.repo(), &["branch", "aura"]);
    let problem = cli.unchanged(|| cli.json(&["new", "x"]).refused(Code::Conflict));
    assert!(hint(&problem).contains("--branch"), "{problem}");
    cli.json(&["new", "x", "--branch", "stories/x"]).well();
}

#[test]
fn a_repository_may_be_given_by_what_lies_in_it() {
    let cli = Cli::new();
    let repo = cli.repo();
    let inside = repo.join("src/deep");
    fs::create_dir_all(&inside).unwrap();
    let linked = cli.path("linked");
    cli.git(&repo, &["worktree", "add", "-q", "-b", "side", linked.to_str().unwrap()]);
    fs::write(linked.join("side.txt"), "side\n").unwrap();
    cli.git(&linked, &["add", "-A"]);
    cli.git(&linked, &["commit", "-qm", "side"]);
    let mut ways = vec![(inside, "main"), (linked, "side"), (repo.join(".git"), "main")];
    if cfg!(unix) {
        #[cfg(unix)]
        std::os::unix::fs::symlink(&repo, cli.path("link")).unwrap();
        ways.push((cli.path("link"), "main"));
    }
    for (path, base) in ways {
        let story = new(&cli, &path).well();
        assert_eq!((story["repositoryPath"].as_str(), story["baseBranch"].as_str()), (repo.to_str(), Some(base)), "{}", path.display());
        let listed = cli.call("list_stories", &json!({ "repositoryPath": path, "limit": 1 })).well();
        assert_eq!(listed["stories"][0]["id"], story["id"], "{}", path.display());
    }
    whole_job(&cli, &cli.path("linked"));
}

#[test]
fn what_the_build_needs_is_brought_along() {
    let cli = Cli::new();
    let repo = cli.repo();
    fs::write(repo.join(".env"), "SECRET=1\n").unwrap();
    fs::write(repo.join("untracked.txt"), "mine\n").unwrap();
    fs::write(repo.join(".worktreeinclude"), ".env\nuntracked.txt\n").unwrap();
    let story = whole_job(&cli, &repo);
    let worktree = Path::new(story["worktreePath"].as_str().unwrap());
    assert_eq!(fs::read_to_string(worktree.join(".env")).unwrap(), "SECRET=1\n");
    assert!(!worktree.join("untracked.txt").exists(), "only what git ignores");
    let branch = story["gitBranch"].as_str().unwrap();
    assert!(!cli.try_git(&repo, &["show", &format!("{branch}:.env")]).0, "an ignored file must not be committed");
}

#[test]
fn worktrees_go_where_the_settings_say() {
    let cli = Cli::new();
    fs::write(cli.path("home/config.toml"), format!("worktrees = \"../elsewhere\"\n{SETTINGS}")).unwrap();
    let story = whole_job(&cli, &cli.repo());
    let worktree = story["worktreePath"].as_str().unwrap();
    assert!(dunce::canonicalize(worktree).unwrap().starts_with(cli.path("elsewhere")), "{worktree}");
    assert!(!worktree.contains(".."), "{worktree}");
    assert!(!cli.path("repo.aura").exists());
    cli.json(&["clean"]).well();
    assert_eq!(cli.git(&cli.repo(), &["worktree", "list"]).lines().count(), 1);
}

#[test]
fn a_home_that_cannot_be_used_is_named() {
    let cli = Cli::new();
    let with = |home: &Path| finish(cli.command(AURA).args(["list", "--json"]).env("AURA_HOME", home)).refused(Code::Unavailable);
    let file = cli.path("a-file");
    fs::write(&file, "").unwrap();
    let problem = with(&file.join("home"));
    assert!(problem["detail"].as_str().unwrap().contains("a-file"), "{problem}");
    assert!(hint(&problem).contains("AURA_HOME"), "{problem}");
    // Nobody can write there, not even root.
    #[cfg(target_os = "linux")]
    assert!(hint(&with(Path::new("/proc/aura"))).contains("AURA_HOME"));
    let damaged = cli.path("damaged");
    fs::create_dir(&damaged).unwrap();
    fs::write(damaged.join("aura.db"), "this is no database, but it is long enough to look like one at first".repeat(100)).unwrap();
    let problem = with(&damaged);
    assert!(hint(&problem).contains("AURA_HOME") && hint(&problem).contains(damaged.to_str().unwrap()), "{problem}");
    let doctor = finish(cli.command(AURA).args(["doctor", "--json"]).env("AURA_HOME", &damaged));
    assert!(doctor.code == 6 && doctor.text().contains("AURA_HOME"), "{}", doctor.text());
    fs::write(cli.path("home/config.toml"), "max_parallelism = \"many\"\n").unwrap();
    let problem = new(&cli, &cli.repo()).refused(Code::InvalidRequest);
    assert!(problem["detail"].as_str().unwrap().contains("config.toml") && hint(&problem).contains("docs/configuration.md"), "{problem}");
}
