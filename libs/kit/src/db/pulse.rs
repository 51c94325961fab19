//! Whether a database answers: asked over a connection of its own, so that a busy pool is not taken for a lost database.

use std::time::Duration;

use sqlx::{
    ConnectOptions, PgConnection, SqliteConnection, postgres::PgConnectOptions,
    sqlite::SqliteConnectOptions,
};

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
}

enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

// A lost database is noticed within a second.
const _: () = assert!((Pulse::EVERY.as_millis() + Pulse::ANSWERS_WITHIN.as_millis()) < 1000);

impl Pulse {
    /// How often to ask.
    pub const EVERY: Duration = Duration::from_millis(500);
    /// How long the database may take to answer.
    const ANSWERS_WITHIN: Duration = Duration::from_millis(400);

    pub(super) fn new(options: Options) -> Self {
        Self { options, connection: None }
    }

    /// Whether the database answers now, and would take writes.
    pub async fn beats(&mut self) -> bool {
        // Whatever went wrong on a connection, the next question gets a new one.
        let connection = self.connection.take();
        let asked =
            tokio::time::timeout(Self::ANSWERS_WITHIN, ask(&self.options, connection)).await;
        let Ok(Ok((connection, is_good))) = asked else { return false };
        self.connection = Some(connection);
        is_good
    }
}

async fn ask(
    options: &Options,
    connection: Option<Connection>,
) -> sqlx::Result<(Connection, bool)> {
    let mut connection = match (connection, options) {
        (Some(connection), _) => connection,
        (None, Options::Sqlite(options)) => Connection::Sqlite(options.connect().await?),
        (None, Options::Postgres(options)) => Connection::Postgres(options.connect().await?),
    };
    let is_good = match &mut connection {
        Connection::Sqlite(c) => {
            sqlx::query_scalar("select count(*) > 0 from sqlite_schema").fetch_one(c).await?
        }
        // A standby reads, and would refuse every write.
        Connection::Postgres(c) => {
            sqlx::query_scalar("select not pg_is_in_recovery()").fetch_one(c).await?
        }
    };
    Ok((connection, is_good))
}
