//! Storage on two engines from one code base: SQLite by default, PostgreSQL for replicas.
//!
//! Store functions are written once, on a [`Conn`], and [`on!`](crate::on) expands their body once per engine with native
//! types. [`Db::begin`] is the only way to write.

mod conn;
mod folder;
mod open;
mod pulse;
mod schema;
mod update;

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Instant,
};

use conn::Measure;
pub use conn::{Conn, Engine, Tx};
pub use folder::FolderLock;
pub use open::{Config, keep_private, url};
pub use pulse::{Lost, Pulse};
pub use schema::{Schema, Step, take_turn};
use sqlx::{PgPool, SqlitePool};
use tokio::sync::watch;

use crate::{Error, Result, seal::Seal, trace};

/// One service's database.
#[derive(Clone)]
pub struct Db {
    name: &'static str,
    pools: Pools,
    pulse: pulse::Options,
    commits: Arc<Commits>,
    seal: Seal,
    /// The folder of an embedded database is in use until it is closed.
    folder: Arc<Mutex<Option<FolderLock>>>,
}

/// What happens when a commit of this process wrote to the change log.
#[derive(Default)]
pub(crate) struct Commits {
    /// Counts them, so that readers wake at once.
    count: watch::Sender<u64>,
    listener: OnceLock<Listener>,
}

/// Hears what was committed, before the committer is told.
type Listener = Box<dyn Fn(&[Entry]) + Send + Sync>;

/// An entry of the change log that was just committed.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What happened.
    pub kind: &'static str,
    /// The thing after the change, as its wire message.
    pub payload: Vec<u8>,
}

impl Commits {
    /// Whether somebody wants to hear of entries.
    fn is_heard(&self) -> bool {
        self.listener.get().is_some()
    }

    fn tell(&self, entries: &[Entry]) {
        if let Some(listener) = self.listener.get() {
            listener(entries);
        }
        self.count.send_modify(|count| *count += 1);
    }
}

#[derive(Clone)]
enum Pools {
    /// One writer, because SQLite has one; several readers, which it lets read meanwhile.
    Sqlite { write: SqlitePool, read: SqlitePool },
    Postgres {
        shared: PgPool,
        /// One connection, opened when it is first asked for.
        reserved: PgPool,
    },
}

/// Whose connection a transaction takes on a server.
#[derive(Clone, Copy)]
enum Lane {
    Shared,
    Reserved,
}

impl Db {
    /// Begins a transaction; `name` says what for, in logs and metrics. Dropping it rolls back.
    ///
    /// The driver's begin runs in a task of its own: if the caller is cancelled while it waits, the task goes on and
    /// its transaction is dropped. sqlx 0.9 otherwise hands out a connection whose transaction it has forgotten, and
    /// what is later acknowledged on it is lost.
    ///
    /// # Errors
    ///
    /// `UNAVAILABLE` when no connection comes free in time.
    pub async fn begin(&self, name: &'static str) -> Result<Tx> {
        self.begin_on(Lane::Shared, name).await
    }

    /// The same for the one task that others wait for, which begins one transaction after the other: on a server it has a
    /// connection of its own, so that no number of readers keeps it waiting.
    ///
    /// # Errors
    ///
    /// As [above](Self::begin).
    pub async fn begin_reserved(&self, name: &'static str) -> Result<Tx> {
        self.begin_on(Lane::Reserved, name).await
    }

    async fn begin_on(&self, lane: Lane, name: &'static str) -> Result<Tx> {
        let asked = Instant::now();
        let span = trace::database(self.name, name);
        let pools = self.pools.clone();
        #[expect(clippy::disallowed_methods, reason = "the one place that may")]
        let begin = tokio::spawn(async move {
            Ok::<_, sqlx::Error>(match (pools, lane) {
                (Pools::Sqlite { write, .. }, _) => {
                    Conn::from(write.begin_with("begin immediate").await?)
                }
                (Pools::Postgres { shared, .. }, Lane::Shared) => Conn::from(shared.begin().await?),
                (Pools::Postgres { reserved, .. }, Lane::Reserved) => {
                    Conn::from(reserved.begin().await?)
                }
            })
        });
        let conn = begin.await.map_err(anyhow::Error::from)??;
        let measure = Measure::begin(self.name, name, asked, span);
        Ok(Tx::new(conn, measure, Arc::clone(&self.commits)))
    }

    /// A connection to read on, outside any transaction.
    ///
    /// # Errors
    ///
    /// `UNAVAILABLE` when no connection comes free in time.
    pub async fn read(&self) -> Result<Conn> {
        let span = trace::database(self.name, "read");
        #[expect(clippy::disallowed_methods, reason = "the one place that may")]
        let conn = match &self.pools {
            Pools::Sqlite { read, .. } => Conn::from(read.acquire().await?),
            Pools::Postgres { shared, .. } => Conn::from(shared.acquire().await?),
        };
        Ok(conn.within(span))
    }

    /// The service whose database it is.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The service's key to what clients carry for it.
    pub fn seal(&self) -> &Seal {
        &self.seal
    }

    /// Feels whether the database answers.
    pub fn pulse(&self) -> Pulse {
        Pulse::new(self.pulse.clone())
    }

    /// Wakes after commits of this process that wrote to the change log.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.commits.count.subscribe()
    }

    /// Has `listener` hear what this process writes to the change log: after the commit, before whoever made it is told.
    /// What other replicas write comes through the log alone. There is one listener, the first.
    pub fn listen(&self, listener: impl Fn(&[Entry]) + Send + Sync + 'static) {
        // A second one would be a bug of the start-up code, and is not heard.
        let _ = self.commits.listener.set(Box::new(listener));
    }

    /// How many connections are idle and how many are in use.
    pub(crate) fn connections(&self) -> (usize, usize) {
        let (size, idle) = match &self.pools {
            Pools::Sqlite { write, read } => {
                (write.size() + read.size(), write.num_idle() + read.num_idle())
            }
            Pools::Postgres { shared, reserved } => {
                (shared.size() + reserved.size(), shared.num_idle() + reserved.num_idle())
            }
        };
        (idle, usize::try_from(size).unwrap_or(idle).saturating_sub(idle))
    }

    /// Closes all connections.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
            Pools::Postgres { shared, reserved } => {
                shared.close().await;
                reserved.close().await;
            }
        }
        self.folder.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Runs a query on either engine: the body is compiled once for each, with `$c` as that engine's connection.
///
/// ```text
/// on!(db, c => sqlx::query_as("select … where id = $1").bind(id).fetch_optional(c).await)
/// ```
#[macro_export]
macro_rules! on {
    ($db:expr, $c:ident => $body:expr) => {
        match $crate::db::Conn::engine($db) {
            $crate::db::Engine::Sqlite($c) => $body,
            $crate::db::Engine::Postgres($c) => $body,
        }
    };
}

/// Answers an error when `rows` says that nothing was changed.
///
/// # Errors
///
/// `otherwise`, when no row was changed.
pub fn changed(rows: u64, otherwise: impl FnOnce() -> Error) -> Result<()> {
    if rows == 0 { Err(otherwise()) } else { Ok(()) }
}
