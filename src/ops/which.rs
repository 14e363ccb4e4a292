//! Which story a caller means: an id, the start of one, or `latest`, which is the newest story of the repository that the caller stands
//! in. Whoever changes something may not be guessed at: two assistants in two repositories share one database.

use super::Effect;
use crate::domain::Story;
use crate::engine::{self, Engine};
use crate::error::{Code, Error, Result};
use crate::store::Page;
use std::path::Path;

/// How many stories are looked through for other repositories, and how many are named.
const LOOK_MAX: usize = 1000;
const CANDIDATES_MAX: usize = 5;

/// The story of that id, for a call of that effect.
pub(super) fn story(engine: &Engine, effect: Effect, id: &str) -> Result<Story> {
    let id = id.trim().to_ascii_lowercase();
    if id != "latest" {
        return engine.story(&id);
    }
    match engine.environment().place.as_deref().and_then(|place| repository(engine, place)) {
        Some(repository) => {
            let newest = engine.store.page(&Page { repository: Some(repository.clone()), limit: 1, ..Page::default() })?.pop();
            match newest {
                Some(newest) => Ok(newest),
                None if engine.store.story_count()? == 0 => Err(none_yet("there is no story yet")),
                None => Err(none_yet(&format!("there is no story of the repository {} yet", repository.escape_debug()))),
            }
        }
        None if effect.read_only => engine.store.stories(1)?.pop().ok_or_else(|| none_yet("there is no story yet")),
        None => of_one_repository(engine.store.stories(LOOK_MAX)?),
    }
}

fn none_yet(detail: &str) -> Error {
    Error::new(Code::NotFound, detail)
        .hint("create one: `aura new \"what should be true\"`; a story of another repository is named by its id: `aura list`")
}

/// The repository that a folder lies in; none where it lies in none.
fn repository(engine: &Engine, place: &Path) -> Option<String> {
    let root = engine::repository_at(place)?;
    // A worktree of Aura's own belongs to the repository of its story.
    let is_ours = |story: &Story| Path::new(&root).starts_with(&story.created.root);
    let ours = engine.store.stories(LOOK_MAX).ok()?.into_iter().find(is_ours);
    Some(ours.map_or(root, |story| story.created.repository))
}

/// The newest, where all are of one repository.
fn of_one_repository(stories: Vec<Story>) -> Result<Story> {
    let mut newest: Vec<&Story> = vec![];
    for story in &stories {
        if !newest.iter().any(|known| known.created.repository == story.created.repository) {
            newest.push(story);
        }
    }
    if newest.len() > 1 {
        let named = newest.iter().take(CANDIDATES_MAX);
        let named: Vec<String> = named.map(|story| format!("{} ({})", story.id.short(), story.created.repository.escape_debug())).collect();
        return Err(Error::new(Code::Ambiguous, format!("`latest` could be a story of any of {} repositories", newest.len()))
            .hint(format!("give the id of the one that is meant; the newest of each: {}", named.join(", "))));
    }
    stories.into_iter().next().ok_or_else(|| none_yet("there is no story yet"))
}
