//! Worktrees made before their tasks start, while agents work. A convenience: what is missing or touched when the task
//! starts is made by the attempt itself.

use super::drive::Context;
use super::{Places, blocking, start_point};
use crate::domain::TaskId;
use crate::error::Result;
use std::sync::Arc;

/// Makes the worktree of a task that has not begun, at the story's tip.
pub(super) async fn prepare(context: Arc<Context>, id: TaskId) -> Result<()> {
    blocking(move || {
        let story = context.story()?;
        let Some(task) = story.task(&id).filter(|task| task.attempts.is_empty()) else { return Ok(()) };
        if Places(&story).task_worktree(task).exists() {
            return Ok(());
        }
        if let Err(error) = start_point::make_worktree(&context, &story, task, &story.tip.commit) {
            tracing::info!(task = %id, error = %error.chain(), "a worktree could not be made ahead");
        }
        Ok(())
    })
    .await
}
