//! The event log: SQLite, one database per user. The only room that opens the database.
//!
//! [`Store::append`] is the only way in: it folds the log forward inside one immediate transaction, so that what
//! cannot be applied cannot be written, whoever else is writing. Nothing here knows what an event means beyond
//! [`Story::apply`].

mod lease;
mod tail;

pub use lease::{Lease, LeaseHolder, private_folder, secret};
pub use tail::Tail;

use crate::domain::{Event, Illegal, Recorded, Story, StoryId, StoryStatus, Task, TaskId};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Version that this binary writes. A database of a newer version is refused.
const VERSION: i64 = 1;
/// How long a writer waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("open the database {path}")]
    Open {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the database {path} was written by a newer Aura (version {found}, this one knows {VERSION})")]
    Newer { path: PathBuf, found: i64 },
    #[error("{doing}")]
    Sql {
        doing: &'static str,
        #[source]
        source: rusqlite::Error,
    },
    #[error("read an entry of the log")]
    Body(#[source] serde_json::Error),
    #[error(transparent)]
    Illegal(#[from] Illegal),
    #[error("no story `{0}`")]
    NoStory(String),
    #[error("`{prefix}` is the start of several ids: {}", found.join(", "))]
    Ambiguous { prefix: String, found: Vec<String> },
    #[error("lock {path}")]
    Lock {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A handle on the database. Cheap to clone; statements are short and go one at a time.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Mutex<Inner>>,
    home: Arc<PathBuf>,
    woken: Arc<watch::Sender<i64>>,
}

struct Inner {
    connection: Connection,
    /// The story that was appended to or read last. Used only while the log holds nothing newer: reading the rows of a story of
    /// 200 tasks costs ten times as much as writing one event.
    last: Option<Story>,
}

/// Which stories are wanted.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Only those that come after this one.
    pub after: Option<StoryId>,
    pub status: Option<StoryStatus>,
    pub repository: Option<String>,
    pub limit: usize,
}

impl Store {
    /// Opens (or creates) the database in `home`, readable by its owner only.
    pub fn open(home: &Path) -> Result<Store> {
        let path = home.join("aura.db");
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Open { path: path.clone(), source };
        lease::private_folder(home).map_err(|source| failed(source.into()))?;
        lease::private_file(&path).map_err(|source| failed(source.into()))?;
        let mut connection = Connection::open(&path).map_err(|source| failed(source.into()))?;
        let last = set_up(&mut connection, &path).map_err(|error| match error {
            error @ StoreError::Newer { .. } => error,
            error => failed(error.into()),
        })?;
        let inner = Inner { connection, last: None };
        Ok(Store { inner: Arc::new(Mutex::new(inner)), home: Arc::new(home.to_owned()), woken: Arc::new(watch::channel(last).0) })
    }

    /// Folder of the database; everything else that Aura keeps lives beside it.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Folder for what a story keeps in files: attempts, gates, the lease.
    #[must_use]
    pub fn story_folder(&self, id: StoryId) -> PathBuf {
        self.home.join("stories").join(id.to_string())
    }

    /// Appends all events or none. Returns the story after them.
    ///
    /// # Errors
    /// [`StoreError::Illegal`] when one of them cannot follow.
    pub fn append(&self, id: StoryId, events: &[Event], at: Timestamp) -> Result<Story> {
        let mut guard = self.lock();
        let Inner { connection, last } = &mut *guard;
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql("begin"))?;
        let mut story = match last.take() {
            Some(story) if story.id == id && is_current(&tx, &story)? => Some(story),
            Some(_) | None => load(&tx, id)?,
        };
        for event in events {
            let seq = insert(&tx, id, event, at)?;
            story = Some(match (story, event) {
                (None, Event::StoryCreated(created)) => Story::create(id, (**created).clone(), at, seq),
                (None, _) => return Err(StoreError::NoStory(id.to_string())),
                (Some(story), event) => story.apply(event, at, seq)?,
            });
        }
        let story = story.ok_or_else(|| StoreError::NoStory(id.to_string()))?;
        project(&tx, &story, events)?;
        tx.commit().map_err(sql("commit"))?;
        *last = Some(story.clone());
        drop(guard);
        self.woken.send_replace(story.seq);
        Ok(story)
    }

    /// The story as of now.
    pub fn story(&self, id: StoryId) -> Result<Story> {
        let mut guard = self.lock();
        let Inner { connection, last } = &mut *guard;
        let tx = connection.unchecked_transaction().map_err(sql("begin"))?;
        match last {
            Some(story) if story.id == id && is_current(&tx, story)? => Ok(story.clone()),
            Some(_) | None => {
                let story = load(&tx, id)?.ok_or_else(|| StoreError::NoStory(id.to_string()))?;
                *last = Some(story.clone());
                Ok(story)
            }
        }
    }

    /// Resolves a full id, the short form of folder names, or a prefix of six or more characters.
    pub fn find(&self, text: &str) -> Result<StoryId> {
        let wanted = text.trim().to_ascii_lowercase();
        let digits = wanted.replace('-', "");
        if digits.len() < 6 || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(StoreError::NoStory(text.escape_debug().take(60).collect()));
        }
        let guard = self.lock();
        // Both are looked up in an index: hosts ask again and again, and there may be thousands of stories.
        let mut query = guard
            .connection
            .prepare_cached(
                "select id from story where id >= ?1 and id < ?1 || 'g'
                 union select id from story where short >= ?2 and short < ?2 || 'g' order by id limit 5",
            )
            .map_err(sql("find a story"))?;
        let found: Vec<String> =
            query.query_map([&dashed(&digits), &digits], |row| row.get(0)).and_then(Iterator::collect).map_err(sql("find a story"))?;
        match found.as_slice() {
            [one] => parse_id(one),
            [] => Err(StoreError::NoStory(wanted)),
            _ => Err(StoreError::Ambiguous { prefix: wanted, found }),
        }
    }

    /// Stories, newest first.
    pub fn stories(&self, limit: usize) -> Result<Vec<Story>> {
        self.page(&Page { limit, ..Page::default() })
    }

    /// How many stories there are.
    pub fn story_count(&self) -> Result<usize> {
        let guard = self.lock();
        let mut query = guard.connection.prepare_cached("select count(*) from story").map_err(sql("count stories"))?;
        query.query_row([], |row| row.get::<_, i64>(0)).map(|count| usize::try_from(count).unwrap_or(0)).map_err(sql("count stories"))
    }

    /// Some stories, newest first.
    pub fn page(&self, page: &Page) -> Result<Vec<Story>> {
        let guard = self.lock();
        let tx = guard.connection.unchecked_transaction().map_err(sql("begin"))?;
        let mut query = tx
            .prepare_cached(
                "select id from story where (?1 is null or (created_at, id) < (select created_at, id from story where id = ?1))
                 and (?2 is null or status = ?2) and (?3 is null or repository = ?3) order by created_at desc, id desc limit ?4",
            )
            .map_err(sql("list stories"))?;
        let status = page.status.map(serde_json::to_value).transpose().map_err(StoreError::Body)?;
        let status = status.as_ref().and_then(serde_json::Value::as_str);
        let after = page.after.map(|id| id.to_string());
        let ids: Vec<String> = query
            .query_map(params![after, status, page.repository, page.limit as i64], |row| row.get(0))
            .and_then(Iterator::collect)
            .map_err(sql("list stories"))?;
        ids.iter().map(|text| load(&tx, parse_id(text)?)?.ok_or_else(|| StoreError::NoStory(text.clone()))).collect()
    }

    /// Events after `seq`, of one story or of all, oldest first.
    pub fn since(&self, story: Option<StoryId>, seq: i64, limit: usize) -> Result<Vec<Recorded>> {
        let guard = self.lock();
        let story = story.map(|id| id.to_string());
        let mut query = guard
            .connection
            .prepare_cached(
                "select seq, at, story_id, body from event where seq > ?1 and (?2 is null or story_id = ?2) order by seq limit ?3",
            )
            .map_err(sql("read the log"))?;
        let rows = query
            .query_map(params![seq, story, limit as i64], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get::<_, String>(3)?))
            })
            .map_err(sql("read the log"))?;
        rows.map(|row| {
            let (seq, at, story_id, body) = row.map_err(sql("read the log"))?;
            let event = serde_json::from_str(&body).map_err(StoreError::Body)?;
            let at = serde_json::from_value(at.into()).map_err(StoreError::Body)?;
            Ok(Recorded { seq, at, story_id: parse_id(&story_id)?, event })
        })
        .collect()
    }

    /// Position of the last event, of any story.
    pub fn last_seq(&self) -> Result<i64> {
        last_seq(&self.lock().connection)
    }

    /// A reader that yields every event after `seq` for ever.
    #[must_use]
    pub fn tail(&self, story: Option<StoryId>, seq: i64) -> Tail {
        Tail::new(self.clone(), story, seq, self.woken.subscribe())
    }

    /// Folds the whole log of a story from its first event: what the projection must equal.
    pub fn replay(&self, id: StoryId) -> Result<Story> {
        let mut story: Option<Story> = None;
        for recorded in self.since(Some(id), 0, usize::MAX >> 1)? {
            story = Some(match (story, &recorded.event) {
                (None, Event::StoryCreated(created)) => Story::create(id, (**created).clone(), recorded.at, recorded.seq),
                (None, _) => return Err(StoreError::NoStory(id.to_string())),
                (Some(story), event) => story.apply(event, recorded.at, recorded.seq)?,
            });
        }
        story.ok_or_else(|| StoreError::NoStory(id.to_string()))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic in another thread left no half-done transaction: rusqlite rolls back on drop.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the tables, unless they are there. Returns the position of the last event.
fn set_up(connection: &mut Connection, path: &Path) -> Result<i64> {
    let journal = |c: &Connection| c.query_row("pragma journal_mode", [], |row| row.get::<_, String>(0));
    let version = |c: &Connection| c.query_row("pragma user_version", [], |row| row.get::<_, i64>(0)).map_err(sql("read the version"));
    let refuse_newer = |found| if found > VERSION { Err(StoreError::Newer { path: path.to_owned(), found }) } else { Ok(found) };
    connection.busy_timeout(BUSY_TIMEOUT).map_err(sql("set the busy timeout"))?;
    // Before anything is written: what is not ours to change stays as it is.
    refuse_newer(version(connection)?)?;
    if journal(connection).map_err(sql("read the journal mode"))? != "wal" {
        // SQLite does not wait when two do this at once: one of them would be refused.
        let _turn = lease::turn(path.parent().unwrap_or(path))?;
        connection.pragma_update(None, "journal_mode", "wal").map_err(sql("turn on the write-ahead log"))?;
    }
    connection.pragma_update(None, "synchronous", "full").map_err(sql("turn on full synchronisation"))?;
    connection.pragma_update(None, "foreign_keys", "on").map_err(sql("turn on foreign keys"))?;
    if refuse_newer(version(connection)?)? == VERSION {
        index(connection)?;
        return last_seq(connection);
    }
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql("begin"))?;
    // Another process may have migrated while this one waited.
    if refuse_newer(version(&tx)?)? < 1 {
        tx.execute_batch(include_str!("schema.sql")).map_err(sql("create the tables"))?;
        tx.pragma_update(None, "user_version", VERSION).map_err(sql("write the version"))?;
    }
    tx.commit().map_err(sql("commit"))?;
    index(connection)?;
    last_seq(connection)
}

/// An index is no change of what the tables mean: an older Aura reads and writes them all the same.
fn index(connection: &Connection) -> Result<()> {
    connection.execute_batch("create index if not exists story_short on story (short)").map_err(sql("make an index"))
}

fn last_seq(connection: &Connection) -> Result<i64> {
    let mut query = connection.prepare_cached("select coalesce(max(seq), 0) from event").map_err(sql("read the log"))?;
    query.query_row([], |row| row.get(0)).map_err(sql("read the log"))
}

/// Whether the log holds nothing about a story that is not folded into it.
fn is_current(connection: &Connection, story: &Story) -> Result<bool> {
    let mut query = connection.prepare_cached("select max(seq) from event where story_id = ?").map_err(sql("read the log"))?;
    let last: Option<i64> = query.query_row([story.id.to_string()], |row| row.get(0)).map_err(sql("read the log"))?;
    Ok(last == Some(story.seq))
}

fn insert(tx: &Transaction<'_>, id: StoryId, event: &Event, at: Timestamp) -> Result<i64> {
    let value = serde_json::to_value(event).map_err(StoreError::Body)?;
    let kind = value.get("kind").and_then(|kind| kind.as_str()).unwrap_or_default();
    tx.prepare_cached("insert into event (at, story_id, task_id, kind, body) values (?, ?, ?, ?, ?)")
        .and_then(|mut statement| {
            statement.execute(params![at.to_string(), id.to_string(), event.task().map(TaskId::as_str), kind, value.to_string()])
        })
        .map_err(sql("append to the log"))?;
    Ok(tx.last_insert_rowid())
}

fn project(tx: &Transaction<'_>, story: &Story, events: &[Event]) -> Result<()> {
    let body = serde_json::to_string(story).map_err(StoreError::Body)?;
    let id = story.id.to_string();
    let status = serde_json::to_value(story.status()).map_err(StoreError::Body)?;
    tx.prepare_cached(
        "insert into story (id, short, repository, status, created_at, updated_at, body) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         on conflict (id) do update set status = ?4, updated_at = ?6, body = ?7",
    )
    .and_then(|mut statement| {
        // All digits, so that the order of the text is the order of time.
        let (created, updated) = (format!("{:.9}", story.created_at), format!("{:.9}", story.updated_at));
        statement.execute(params![id, story.id.short(), story.created.repository, status.as_str(), created, updated, body])
    })
    .map_err(sql("write the story"))?;
    let all = events.iter().any(|event| {
        matches!(event, Event::PlanAccepted(_) | Event::RunRequested { .. } | Event::BaseConflicted { .. } | Event::BaseBrought { .. })
    });
    if all {
        tx.execute("delete from task where story_id = ?", [&id]).map_err(sql("write the tasks"))?;
    }
    let mut statement =
        tx.prepare_cached("insert or replace into task (story_id, place, body) values (?, ?, ?)").map_err(sql("write the tasks"))?;
    for (place, task) in story.tasks.iter().enumerate() {
        if all || events.iter().any(|event| event.task() == Some(task.id())) {
            let body = serde_json::to_string(task).map_err(StoreError::Body)?;
            statement.execute(params![id, place as i64, body]).map_err(sql("write the tasks"))?;
        }
    }
    Ok(())
}

fn load(connection: &Connection, id: StoryId) -> Result<Option<Story>> {
    let id = id.to_string();
    let body: Option<String> = connection
        .prepare_cached("select body from story where id = ?")
        .and_then(|mut query| query.query_row([&id], |row| row.get(0)).optional())
        .map_err(sql("read a story"))?;
    let Some(body) = body else { return Ok(None) };
    let mut story: Story = serde_json::from_str(&body).map_err(StoreError::Body)?;
    let mut query = connection.prepare_cached("select body from task where story_id = ? order by place").map_err(sql("read the tasks"))?;
    let tasks: Vec<String> = query.query_map([&id], |row| row.get(0)).and_then(Iterator::collect).map_err(sql("read the tasks"))?;
    story.tasks = tasks.iter().map(|body| serde_json::from_str::<Task>(body)).collect::<Result<_, _>>().map_err(StoreError::Body)?;
    Ok(Some(story))
}

/// The start of an id as it is written: with dashes.
fn dashed(digits: &str) -> String {
    let mut text = String::with_capacity(36);
    for (at, digit) in digits.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

fn parse_id(text: &str) -> Result<StoryId> {
    text.parse().map(StoryId).map_err(|_| StoreError::NoStory(text.to_owned()))
}

fn sql(doing: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |source| StoreError::Sql { doing, source }
}
