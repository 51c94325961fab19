//! Whether a database answers: asked over a connection of its own, so that a busy pool is not taken for a lost database.

use std::{fmt, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use sqlx::{
    ConnectOptions, PgConnection, SqliteConnection, postgres::PgConnectOptions,
    sqlite::SqliteConnectOptions,
};
use tokio::time::{sleep, timeout};

/// How the connection is made.
#[derive(Clone)]
pub(super) enum Options {
    Sqlite(SqliteConnectOptions),
    Postgres(PgConnectOptions),
}

/// Feels for one database's pulse.
pub struct Pulse {
    options: Options,
    connection: Option<Connection>,
    /// One that is being made: that goes on from beat to beat, however far away the server is.
    coming: Option<BoxFuture<'static, Result<Connection, Lost>>>,
    /// How long to wait before the next is made.
    pause: Duration,
    /// How long this beat waits for one.
    patience: Duration,
}

enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Why a database counts as lost.
#[derive(Debug)]
pub enum Lost {
    /// It, or the way to it, said so.
    Failed(sqlx::Error),
    /// It said nothing for so long.
    Silent(Duration),
    /// It would refuse every write.
    Standby,
    /// Its file was emptied.
    Empty,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "{error}"),
            Self::Silent(within) => write!(f, "no answer within {} ms", within.as_millis()),
            Self::Standby => f.write_str("it is a standby, which takes no writes"),
            Self::Empty => f.write_str("its file holds no tables"),
        }
    }
}

// A lost database is noticed within a second.
const _: () = assert!((Pulse::EVERY.as_millis() + Pulse::ANSWERS_WITHIN.as_millis()) < 1000);

impl Pulse {
    /// How often to ask.
    pub const EVERY: Duration = Duration::from_millis(500);
    /// How long the database may take to answer.
    const ANSWERS_WITHIN: Duration = Duration::from_millis(400);
    /// How long a connection may take: some eight times to the server and back, and the proof of a password.
    const CONNECTS_WITHIN: Duration = Duration::from_secs(10);
    /// The longest wait between two attempts at a connection.
    const LONGEST_PAUSE: Duration = Duration::from_secs(2);

    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            connection: None,
            coming: None,
            pause: Duration::ZERO,
            // Who opened it has just spoken with it: it is not lost because it is far away.
            patience: Self::CONNECTS_WITHIN,
        }
    }

    /// Feels whether the database answers now, and would take writes.
    ///
    /// # Errors
    ///
    /// Why it doesn't.
    pub async fn beats(&mut self) -> Result<(), Lost> {
        let patience = std::mem::replace(&mut self.patience, Self::ANSWERS_WITHIN);
        // Whatever went wrong on a connection, the next question gets a new one.
        let connection = if let Some(connection) = self.connection.take() {
            let silent = Lost::Silent(Self::ANSWERS_WITHIN);
            timeout(Self::ANSWERS_WITHIN, ask(connection)).await.unwrap_or(Err(silent))?
        } else {
            self.connect(patience).await?
        };
        self.connection = Some(connection);
        Ok(())
    }

    /// Waits as long as `patience` lasts for a connection that answers.
    async fn connect(&mut self, patience: Duration) -> Result<Connection, Lost> {
        let coming = self.coming.get_or_insert_with(|| {
            let (options, pause) = (self.options.clone(), self.pause);
            async move {
                sleep(pause).await;
                let silent = Lost::Silent(Self::CONNECTS_WITHIN);
                timeout(Self::CONNECTS_WITHIN, connect(options)).await.unwrap_or(Err(silent))
            }
            .boxed()
        });
        let came = timeout(patience, coming).await.map_err(|_| Lost::Silent(patience))?;
        self.coming = None;
        self.pause = match came {
            Ok(_) => Duration::ZERO,
            Err(_) => (self.pause * 2).clamp(Self::EVERY, Self::LONGEST_PAUSE),
        };
        came
    }
}

/// A connection that has answered once.
async fn connect(options: Options) -> Result<Connection, Lost> {
    let connection = match options {
        Options::Sqlite(options) => options.connect().await.map(Connection::Sqlite),
        Options::Postgres(options) => options.connect().await.map(Connection::Postgres),
    };
    ask(connection.map_err(Lost::Failed)?).await
}

/// Gives `connection` back if all is well.
async fn ask(mut connection: Connection) -> Result<Connection, Lost> {
    let (asked, otherwise) = match &mut connection {
        Connection::Sqlite(c) => {
            let full = sqlx::query_scalar("select count(*) > 0 from sqlite_schema").fetch_one(c);
            (full.await, Lost::Empty)
        }
        // A standby reads, and would refuse every write.
        Connection::Postgres(c) => {
            let leads = sqlx::query_scalar("select not pg_is_in_recovery()").fetch_one(c);
            (leads.await, Lost::Standby)
        }
    };
    if asked.map_err(Lost::Failed)? { Ok(connection) } else { Err(otherwise) }
}
