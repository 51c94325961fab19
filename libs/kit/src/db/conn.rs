//! Connections and transactions of either engine.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Instant,
};

use metrics::{counter, histogram};
use sqlx::{PgConnection, Postgres, Sqlite, SqliteConnection, Transaction, pool::PoolConnection};
use tracing::Span;

use super::{Commits, Entry};
use crate::Result;

/// A connection of either engine, inside a transaction or not.
pub struct Conn {
    inner: Inner,
    /// What is read on it, in the traces; a transaction has its own.
    _span: Span,
}

enum Inner {
    Sqlite(PoolConnection<Sqlite>),
    SqliteTx(Transaction<'static, Sqlite>),
    Postgres(PoolConnection<Postgres>),
    PostgresTx(Transaction<'static, Postgres>),
}

/// What [`on!`](crate::on) matches on.
pub enum Engine<'c> {
    /// The embedded engine.
    Sqlite(&'c mut SqliteConnection),
    /// The server.
    Postgres(&'c mut PgConnection),
}

impl Conn {
    fn of(inner: Inner) -> Self {
        Self { inner, _span: Span::none() }
    }

    /// The same, whose use is `span` in the traces.
    pub(super) fn within(self, span: Span) -> Self {
        Self { _span: span, ..self }
    }

    /// The engine's own connection.
    pub fn engine(&mut self) -> Engine<'_> {
        match &mut self.inner {
            Inner::Sqlite(connection) => Engine::Sqlite(connection),
            Inner::SqliteTx(transaction) => Engine::Sqlite(transaction),
            Inner::Postgres(connection) => Engine::Postgres(connection),
            Inner::PostgresTx(transaction) => Engine::Postgres(transaction),
        }
    }

    async fn commit(self) -> sqlx::Result<()> {
        match self.inner {
            Inner::SqliteTx(transaction) => transaction.commit().await,
            Inner::PostgresTx(transaction) => transaction.commit().await,
            Inner::Sqlite(_) | Inner::Postgres(_) => Ok(()),
        }
    }
}

impl From<PoolConnection<Sqlite>> for Conn {
    fn from(connection: PoolConnection<Sqlite>) -> Self {
        Self::of(Inner::Sqlite(connection))
    }
}

impl From<Transaction<'static, Sqlite>> for Conn {
    fn from(transaction: Transaction<'static, Sqlite>) -> Self {
        Self::of(Inner::SqliteTx(transaction))
    }
}

impl From<PoolConnection<Postgres>> for Conn {
    fn from(connection: PoolConnection<Postgres>) -> Self {
        Self::of(Inner::Postgres(connection))
    }
}

impl From<Transaction<'static, Postgres>> for Conn {
    fn from(transaction: Transaction<'static, Postgres>) -> Self {
        Self::of(Inner::PostgresTx(transaction))
    }
}

/// A transaction. Dropping it rolls back.
pub struct Tx {
    conn: Conn,
    measure: Measure,
    commits: Arc<Commits>,
    wrote_changes: bool,
    /// What it wrote to the change log, if somebody wants to hear it.
    entries: Vec<Entry>,
    /// What the metrics are told once it is durable.
    counted: Vec<Counted>,
}

/// The name of a counter, and of one of its labels with its value.
type Counted = (&'static str, (&'static str, &'static str), u64);

impl Tx {
    pub(super) fn new(conn: Conn, measure: Measure, commits: Arc<Commits>) -> Self {
        Self {
            conn,
            measure,
            commits,
            wrote_changes: false,
            entries: Vec::new(),
            counted: Vec::new(),
        }
    }

    /// Counts something that happens in the transaction, if it is committed.
    pub fn count(&mut self, name: &'static str, label: (&'static str, &'static str), by: u64) {
        self.counted.push((name, label, by));
    }

    /// Notes what the transaction wrote to the change log.
    pub(crate) fn note_change(&mut self, kind: &'static str, payload: &[u8]) {
        self.wrote_changes = true;
        if self.commits.is_heard() {
            self.entries.push(Entry { kind, payload: payload.to_vec() });
        }
    }

    /// Makes the transaction's writes durable. Runs to its end even if the caller is cancelled meanwhile.
    ///
    /// # Errors
    ///
    /// Nothing was written, or (after a lost connection) nobody knows: a retry must carry its idempotency key.
    pub async fn commit(self) -> Result<()> {
        let Self { conn, mut measure, commits, wrote_changes, entries, counted } = self;
        let name = measure.transaction;
        let commit = tokio::spawn(async move {
            measure.outcome = "failed";
            conn.commit().await?;
            measure.outcome = "committed";
            drop(measure);
            for (name, (label, value), by) in counted {
                counter!(name, label => value).increment(by);
            }
            if wrote_changes {
                commits.tell(&entries);
            }
            Ok::<_, sqlx::Error>(())
        });
        commit.await.map_err(anyhow::Error::from)?.inspect_err(|error| {
            tracing::warn!(transaction = name, %error, "commit failed");
        })?;
        Ok(())
    }
}

/// Tells the metrics of one transaction when it ends.
pub(super) struct Measure {
    database: &'static str,
    transaction: &'static str,
    began: Instant,
    outcome: &'static str,
    span: Span,
}

impl Measure {
    /// Of a transaction that has just begun, having waited since `asked`.
    pub(super) fn begin(
        database: &'static str,
        transaction: &'static str,
        asked: Instant,
        span: Span,
    ) -> Self {
        let began = Instant::now();
        let waited = began.duration_since(asked);
        histogram!("flightline_transaction_wait_seconds", "database" => database).record(waited);
        Self { database, transaction, began, outcome: "rolled_back", span }
    }
}

impl Drop for Measure {
    fn drop(&mut self) {
        let Self { database, transaction, began, outcome, .. } = *self;
        self.span.record("outcome", outcome);
        histogram!("flightline_transaction_seconds",
            "database" => database, "transaction" => transaction)
        .record(began.elapsed());
        counter!("flightline_transactions_total",
            "database" => database, "transaction" => transaction, "outcome" => outcome)
        .increment(1);
    }
}

impl Deref for Tx {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}
