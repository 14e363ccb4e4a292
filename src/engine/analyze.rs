//! What the repository is like, gathered within a budget; a model's reading of it where one is configured.

use super::{Engine, blocking};
use crate::domain::{Event, Oid, Story};
use crate::error::Result;
use crate::git::Repo;
use crate::planner::{self, FactsBudget, RepoFacts, Source};

/// Most bytes of facts in a model's prompt.
pub(super) const FACTS_BYTES_MAX: usize = 24 * 1024;

impl Engine {
    /// Gathers facts about the story's repository and, unless told otherwise, asks the configured model to read them.
    /// A model that cannot be asked is a note in the result, not a failure.
    pub async fn analyze(&self, story: &Story, with_model: bool) -> Result<Story> {
        self.refuse_inside_attempt()?;
        let (engine, story) = (self.clone(), story.clone());
        blocking(move || engine.analyze_now(&story, with_model)).await
    }

    fn analyze_now(&self, story: &Story, with_model: bool) -> Result<Story> {
        let _lease = self.lease(story.id, "analyzing the story")?;
        self.append(story.id, &[Event::AnalysisStarted])?;
        let done = self.gather(story).and_then(|facts| {
            let reading = if with_model { self.reading(story, &facts)? } else { None };
            Ok((serde_json::to_value(&facts).unwrap_or_default(), reading))
        });
        match done {
            Ok((facts, reading)) => self.append(story.id, &[Event::AnalysisFinished { facts, reading }]),
            Err(error) => {
                self.append(story.id, &[Event::AnalysisFailed { error: error.chain() }])?;
                Err(error)
            }
        }
    }

    fn gather(&self, story: &Story) -> Result<RepoFacts> {
        let repo = self.repo(story)?;
        facts_at(&repo, &story.tip.commit, &story.created.title, &story.created.description)
    }

    /// A model's reading of the facts, where the story's planner has a model behind it.
    fn reading(&self, story: &Story, facts: &RepoFacts) -> Result<Option<String>> {
        let config = self.config(std::path::Path::new(&story.created.repository))?;
        let name = self.planner_name(&config, story, None);
        let facts = facts.to_prompt(FACTS_BYTES_MAX);
        let prompt = planner::analysis_prompt(&story.created.title, &story.created.description, &facts);
        let answer = self.planner(&config, story, &name).and_then(|planner| Ok(planner.answer(&prompt)?));
        Ok(match answer {
            Ok(text) => text.as_deref().and_then(planner::clean_reading),
            // Facts are worth having without a reading: the reason stands in its place.
            Err(error) => Some(format!("(no reading: {})", error.chain())),
        })
    }
}

/// Facts about one commit.
pub(super) fn facts_at(repo: &Repo, commit: &Oid, title: &str, description: &str) -> Result<RepoFacts> {
    let files = repo.files(commit)?;
    let log = repo.log(commit, 20)?;
    let lines: Vec<planner::LogLine> = log
        .into_iter()
        .map(|entry| planner::LogLine {
            commit: entry.commit.short().to_owned(),
            summary: entry.summary,
            author: entry.author,
            time: entry.time.to_string(),
        })
        .collect();
    let read = |path: &str, bytes_max: usize| repo.read(commit, path, bytes_max).ok().flatten();
    let grep = |words: &[String], max: usize| {
        let hits = repo.grep(commit, words, max).unwrap_or_default();
        hits.into_iter().map(|hit| planner::WordHit { word: hit.word, path: hit.path, line: hit.line, text: hit.text }).collect()
    };
    Ok(RepoFacts::gather(&Source { files: &files, read: &read, log: &lines, grep: &grep }, title, description, FactsBudget::default()))
}
