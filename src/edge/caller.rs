//! Who answers what is typed: this program, or a running server. The commands do not know which: what they are answered, what they
//! follow and how they end is the same.

use super::cli;
use super::http::client::{Server, Stream};
use crate::config::{Environment, named_variable};
use crate::engine::{self, Engine};
use crate::error::{Error, Result};
use crate::ops::follow::{self, EventView, Follow, Until};
use crate::ops::{self, Answer, Verb};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Clone)]
pub(super) enum Caller {
    Here(Engine),
    There(Arc<Server>),
}

impl Caller {
    /// A server where an address is given, or `AURA_URL` holds one. Its database is the one that counts: none is opened here.
    pub(super) fn open(url: Option<String>) -> Result<Caller> {
        let Some(url) = url.or_else(|| named_variable("AURA_URL")) else {
            return Ok(Caller::Here(cli::open(cli::placed(Environment::read()?))?));
        };
        // No folder is no reason not to ask: a token may be given.
        let environment = Environment::read().ok();
        let server = Server::new(environment.as_ref().map(|environment| environment.home.as_path()), named_variable("AURA_TOKEN"), &url)?;
        if let Some(environment) = &environment {
            engine::refuse_inside_attempt(environment)?;
        }
        Ok(Caller::There(Arc::new(server)))
    }

    pub(super) async fn call(&self, verb: &'static Verb, args: Value) -> Result<Answer> {
        match self {
            Caller::Here(engine) => (verb.from_json)(engine.clone(), args).await,
            Caller::There(server) => {
                let server = server.clone();
                blocking(move || server.call(verb.name, &args)).await
            }
        }
    }

    /// What has become of a run, once it has ended. Whoever waits keeps it driven.
    pub(super) async fn result(&self, story: &str, run: &str) -> Result<Answer> {
        match self {
            Caller::Here(engine) => ops::run_result(engine, story, run, None).await,
            Caller::There(server) => {
                let (server, story, run) = (server.clone(), story.to_owned(), run.to_owned());
                blocking(move || server.result(&story, &run)).await
            }
        }
    }

    /// Events of a story, or of all of them: after a position (default: the active run, else from now on), and to the end of the run
    /// where that is asked for.
    pub(super) async fn events(&self, story: Option<&str>, since: Option<i64>, until_end: bool) -> Result<Events> {
        match self {
            Caller::Here(engine) => {
                let span = follow::span(engine, story, since, until_end)?;
                let follow = follow::follow(engine, story, span.since)?;
                Ok(Events { source: Source::Here(follow, span.until), is_over: span.is_over })
            }
            Caller::There(server) => {
                let (server, story) = (server.clone(), story.map(str::to_owned));
                let stream = blocking(move || server.follow(story, since, until_end)).await?;
                Ok(Events { source: Source::There(stream), is_over: false })
            }
        }
    }

    /// Titles of a story's tasks by id.
    pub(super) async fn titles(&self, story: &str) -> Result<HashMap<String, String>> {
        let status = self.call(ops::find("get_orchestrator_status")?, json!({ "storyId": story, "detailed": false })).await?.value;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let tasks = status["tasks"].as_array().map_or(&[][..], Vec::as_slice);
        Ok(tasks.iter().map(|task| (text(&task["id"]), text(&task["title"]))).collect())
    }
}

async fn blocking<T: Send + 'static>(ask: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(ask).await.map_err(|e| Error::internal("ask a server").because(e))?
}

/// Events as they come.
pub(super) struct Events {
    source: Source,
    is_over: bool,
}

enum Source {
    Here(Follow, Until),
    There(Stream),
}

impl Events {
    /// The next ones; none at the end. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Vec<EventView>> {
        if self.is_over {
            return Ok(vec![]);
        }
        match &mut self.source {
            Source::Here(follow, until) => {
                let mut found = follow.next().await?;
                if let Some(last) = found.iter().position(|event| until.is_reached(event.seq, event.ends_run)) {
                    found.truncate(last + 1);
                    self.is_over = true;
                }
                Ok(found)
            }
            Source::There(stream) => {
                let found = stream.recv().await.transpose()?;
                self.is_over = found.is_none();
                Ok(found.into_iter().collect())
            }
        }
    }

    /// Whether nothing follows.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }
}
