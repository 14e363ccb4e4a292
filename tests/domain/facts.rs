//! Events as the engine writes them, with what does not matter filled in.

use crate::rules::{number_of, oid};
use aura::domain::*;
use jiff::Timestamp;
use uuid::Uuid;

pub fn created() -> StoryCreated {
    StoryCreated {
        title: "A story".into(),
        description: "What should be true at the end.".into(),
        repository: "/repo".into(),
        base_branch: Some("main".into()),
        base_commit: oid("base"),
        base_tree: oid("base"),
        branch: "aura/a-story".into(),
        root: "/repo.aura/a-story".into(),
        agent: None,
        planner: None,
        issue_url: None,
    }
}

pub fn started(task: &Task, purpose: Purpose, base: Oid) -> Event {
    Event::AttemptStarted(Box::new(AttemptStarted {
        task: task.id().clone(),
        attempt: task.next_number(),
        purpose,
        agent: "command".into(),
        session: SessionId(Uuid::from_u128(u128::from(number_of(task.id())))),
        base,
        worktree: format!("/repo.aura/a-story/{}", task.id()),
        job: format!("/home/stories/x/attempts/{}-{}", task.id(), task.next_number()),
    }))
}

pub fn prepared(task: &Task, attempt: u32, upon: Oid) -> Event {
    let start = oid(&("start", task.id(), attempt));
    Event::AttemptPrepared(Box::new(AttemptPrepared { task: task.id().clone(), attempt, upon, origin: start.clone(), start }))
}

pub fn ended(task: &TaskId, attempt: u32, outcome: Outcome, resume_at: Option<Timestamp>) -> Event {
    let usage = Usage { input_tokens: 10, premium_requests: 1.0 / 3.0, ..Usage::default() };
    Event::AttemptEnded(Box::new(AttemptEnded {
        task: task.clone(),
        attempt,
        outcome,
        summary: "said".into(),
        usage,
        rescue: None,
        left: None,
        resume_at,
        left_out: LeftOut::default(),
    }))
}

pub fn accepted(task: &TaskId, attempt: u32) -> Event {
    let files = vec![ChangedFile { path: format!("src/{task}.rs"), added: 1, removed: 0 }];
    let head = oid(&("head", task, attempt));
    Event::TaskAccepted(Box::new(TaskAccepted { task: task.clone(), attempt, head, files, outside_claim: vec![] }))
}
