//! Worktrees and landings, beside git's own commands.

use crate::world::{World, git};
use crate::{in_turn, ratio, show};
use aura::domain::{
    AttemptEnded, AttemptStarted, Event, Landable, LeftOut, Mode, Oid, Outcome, Plan, PlanAccepted, Purpose, RunId, Scope, SessionId,
    Story, StoryCreated, StoryId, Task, TaskAccepted, TaskDraft, Usage,
};
use aura::git::{At, Expect, Landed, Repo};
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// Eight worktrees, added and filled, beside `git worktree add` in a loop.
pub fn worktrees() {
    for files in [3_000, 30_000] {
        let world = World::with_files(files);
        let repo = Repo::discover(&world.repo).expect("a repository");
        let head = oid(&git(&world.repo, &["rev-parse", "main"]));
        let (mut n, mut m) = (0, 0);
        let ours = || {
            for _ in 0..8 {
                n += 1;
                let path = world.folder.path().join(format!("ours-{n}"));
                repo.worktree_add(&path, At::Detached(&head)).expect("added");
                repo.set_worktree(&path, &head).expect("filled");
            }
        };
        let theirs = || {
            for _ in 0..8 {
                m += 1;
                let path = world.folder.path().join(format!("theirs-{m}"));
                git(&world.repo, &["worktree", "add", "-q", "--detach", &path.to_string_lossy(), "main"]);
            }
        };
        let (ours, theirs) = in_turn(3, ours, theirs);
        show(&format!("{files} files: 8 worktrees by Aura"), &ours);
        show(&format!("{files} files: 8 worktrees by `git worktree add`"), &theirs);
        println!("ratio of medians: {:.2}", ratio(&ours, &theirs));
    }
}

/// A hundred disjoint branches (32 of them on the large repository), each with two edits and two new files, landed one
/// after another; beside `git merge` in a worktree.
pub fn land() {
    for (files, branches) in [(3_000, 100), (100_000, 32)] {
        let world = World::with_files(files);
        let heads = make_branches(&world, branches);
        let repo = Repo::discover(&world.repo).expect("a repository");
        let base = oid(&git(&world.repo, &["rev-parse", "main"]));
        let permits = permits(&heads, &base);
        let ours = time(|| {
            repo.update_ref("refs/heads/story", &base, Expect::Any, "bench").expect("a branch");
            let mut tip = base.clone();
            for permit in &permits {
                match repo.land(permit, "story", &tip, "Land\n", Timestamp::UNIX_EPOCH).expect("landed") {
                    Landed::Done { commit, .. } => tip = commit,
                    Landed::Conflict { paths } => panic!("conflict in {paths:?}"),
                    Landed::TipMoved { now } => panic!("moved to {now}"),
                }
            }
        });
        let worktree = world.folder.path().join("merge");
        git(&world.repo, &["worktree", "add", "-q", "-b", "merged", &worktree.to_string_lossy(), "main"]);
        let theirs = time(|| {
            for head in &heads {
                git(&worktree, &["merge", "-q", "--no-ff", "--no-edit", head.as_str()]);
            }
        });
        let same = git(&world.repo, &["rev-parse", "story^{tree}"]) == git(&world.repo, &["rev-parse", "merged^{tree}"]);
        assert!(same, "both ways give the same tree");
        let each = |whole: Duration| whole.as_secs_f64() * 1000.0 / branches as f64;
        println!(
            "{files} files, {branches} branches: Aura {:.1} ms each, `git merge` {:.1} ms each; {:.1} times faster",
            each(ours),
            each(theirs),
            theirs.as_secs_f64() / ours.as_secs_f64()
        );
    }
}

fn time(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

/// Branches off `main` that touch files of their own, made without a checkout.
fn make_branches(world: &World, count: usize) -> Vec<Oid> {
    let mut script = String::new();
    for n in 0..count {
        script += &format!("commit refs/heads/b{n}\ncommitter Bench <bench@localhost> 0 +0000\ndata 1\nb\nfrom refs/heads/main^0\n");
        for file in [n * 20, n * 20 + 7] {
            let text = format!("file {file}\nchanged by {n}\nline three\n");
            script += &format!("M 100644 inline d{}/f{file}.txt\ndata {}\n{text}\n", file / 100, text.len());
        }
        for new in 0..2 {
            script += &format!("M 100644 inline new/{n}-{new}.txt\ndata 4\nnew\n\n");
        }
    }
    let mut child = std::process::Command::new("git")
        .args(["fast-import", "--quiet"])
        .current_dir(&world.repo)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("git runs");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), script.as_bytes()).expect("it reads");
    assert!(child.wait().expect("it ends").success());
    (0..count).map(|n| oid(&git(&world.repo, &["rev-parse", &format!("b{n}")]))).collect()
}

fn oid(text: &str) -> Oid {
    Oid::parse(text).expect("an object id")
}

/// Permits to land, issued the only way there is: by tasks that were planned, run and accepted.
fn permits(heads: &[Oid], base: &Oid) -> Vec<Landable> {
    let created = StoryCreated {
        title: "Bench".into(),
        description: String::new(),
        repository: String::new(),
        base_branch: None,
        base_commit: base.clone(),
        base_tree: base.clone(),
        branch: "story".into(),
        root: String::new(),
        agent: None,
        planner: None,
        issue_url: None,
    };
    let draft = |n: usize| TaskDraft { id: Some(format!("t{n}")), title: "t".into(), description: "t".into(), ..TaskDraft::default() };
    let plan = Plan::check((0..heads.len()).map(draft).collect()).expect("a plan");
    let tasks = plan.tasks.clone();
    let id = StoryId(uuid::Uuid::nil());
    let at = Timestamp::UNIX_EPOCH;
    let accepted =
        PlanAccepted { planner: "bench".into(), tasks: plan.tasks, added_orders: vec![], max_parallelism: 4, include_tests: false };
    let run = Event::RunRequested { run: RunId(uuid::Uuid::nil()), scope: Scope::All, mode: Mode::Flow, max_parallelism: None };
    let mut events = vec![Event::PlanningStarted { planner: "bench".into() }, Event::PlanAccepted(Box::new(accepted)), run];
    for (task, head) in tasks.iter().zip(heads) {
        let task = task.id.clone();
        let session = SessionId(uuid::Uuid::nil());
        let (agent, worktree, job) = (String::new(), String::new(), String::new());
        let started =
            AttemptStarted { task: task.clone(), attempt: 1, purpose: Purpose::Work, agent, session, base: base.clone(), worktree, job };
        let (summary, usage) = (String::new(), Usage::default());
        let ended = AttemptEnded {
            task: task.clone(),
            attempt: 1,
            outcome: Outcome::Done,
            summary,
            usage,
            rescue: None,
            left: None,
            left_out: LeftOut::default(),
            resume_at: None,
        };
        let accepted = TaskAccepted { task, attempt: 1, head: head.clone(), files: vec![], outside_claim: vec![] };
        events.extend([
            Event::AttemptStarted(Box::new(started)),
            Event::AttemptEnded(Box::new(ended)),
            Event::TaskAccepted(Box::new(accepted)),
        ]);
    }
    let story = Story::create(id, created, at, 0);
    let story = events.iter().fold(story, |story, event| story.apply(event, at, 0).expect("a legal move"));
    story.tasks.iter().filter_map(Task::landable).collect()
}
