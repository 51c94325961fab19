//! The change log: the one way that news of a service's data travels.
//!
//! No reader misses an entry. On SQLite entries come in the order of their commits. On PostgreSQL they come in the order in
//! which their transactions began to write, so of two entries about one thing the older may come last: a consumer that keeps
//! the thing itself compares revisions.
//!
//! A service appends its domain events in the transaction that makes them. Watch methods stream from the log with a
//! resume token, and consumers inside the service keep their own place in it. Readings do not go through it.

mod watch;

use std::{fmt, time::Duration};

use sqlx::FromRow;
use uuid::Uuid;
pub use watch::{Prompt, Start, resume};

use crate::{
    Db, Error, Result, Timestamp,
    db::{Conn, Engine, Tx},
    on,
};

/// How long a reader sleeps when nothing in this process wakes it: other replicas write too.
const POLL: Duration = Duration::from_millis(250);

/// One entry of the log.
#[derive(Clone, Debug, FromRow)]
pub struct Change {
    /// Where the entry stands.
    #[sqlx(flatten)]
    pub position: Position,
    /// What happened, in the words of the service that wrote it.
    pub kind: String,
    /// The thing that it happened to.
    pub id: Uuid,
    /// The thing after the change, as its wire message.
    pub payload: Vec<u8>,
}

impl Change {
    /// The thing after the change.
    pub fn decode<M: prost::Message + Default>(&self) -> Result<M> {
        Ok(M::decode(self.payload.as_slice()).map_err(anyhow::Error::from)?)
    }
}

/// A place in the log. Everything before it has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, FromRow)]
pub struct Position {
    /// Which log it is a place in. A copy of the data has a log of its own, in which the same place is another.
    era: i64,
    /// The writing transaction on PostgreSQL, where sequences are handed out in another order than commits happen; 0 on
    /// SQLite.
    transaction_id: i64,
    sequence: i64,
}

impl Position {
    /// Reads a resume token that came in as `field`.
    ///
    /// # Errors
    ///
    /// It is not one.
    pub fn parse(field: &str, token: &str) -> Result<Self> {
        let numbers: Result<Vec<i64>, _> = token.split('.').map(str::parse).collect();
        match numbers.as_deref() {
            Ok([era, transaction_id, sequence]) => {
                Ok(Self { era: *era, transaction_id: *transaction_id, sequence: *sequence })
            }
            // As they were before a token said which log it is of: none that is known.
            Ok([_, _]) => Ok(Self::default()),
            _ => Err(Error::invalid(field, "is not a resume token")),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.era, self.transaction_id, self.sequence)
    }
}

/// Writes an entry, in the transaction of the change that it tells of.
pub async fn append(
    tx: &mut Tx,
    at: Timestamp,
    kind: &'static str,
    id: Uuid,
    payload: &impl prost::Message,
) -> Result<()> {
    let payload = payload.encode_to_vec();
    tx.note_change(kind, &payload);
    on!(tx, c => sqlx::query(
            "insert into changes (kind, id, payload, created_at)
             values ($1, $2, $3, $4)",
        )
        .bind(kind)
        .bind(id)
        .bind(payload)
        .bind(at)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// Drops all that the log says of one thing but its last entry, in the transaction that wrote that: what goes for good takes with it
/// what it was. Nobody misses the rest: the last entry tells the thing as it is.
pub async fn keep_last(tx: &mut Tx, kind: &'static str, id: Uuid) -> Result<()> {
    on!(tx, c => sqlx::query(
            "delete from changes
             where kind = $1 and id = $2
             and sequence < (select max(sequence) from changes where kind = $1 and id = $2)",
        )
        .bind(kind)
        .bind(id)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// Where the log ends now: what is written after this comes after the position.
pub async fn end(db: &mut Conn) -> Result<Position> {
    let position = match db.engine() {
        Engine::Sqlite(c) => {
            sqlx::query_as(
                // What was trimmed counts: a log that is empty now does not begin again.
                "select (select era from log) as era,
                        0 as transaction_id, coalesce(max(sequence), 0) as sequence
                 from (select sequence from changes
                       union all
                       select sequence from cursors where name = 'trimmed') as places",
            )
            .fetch_one(c)
            .await?
        }
        // All transactions before the oldest one running are over; what the others write comes after.
        Engine::Postgres(c) => {
            sqlx::query_as(
                "select (select era from log) as era,
                        pg_snapshot_xmin(pg_current_snapshot())::text::bigint as transaction_id,
                        -1::bigint as sequence",
            )
            .fetch_one(c)
            .await?
        }
    };
    Ok(position)
}

/// The entries after `position`, oldest first, at most `limit`.
pub async fn after(db: &mut Conn, position: Position, limit: i64) -> Result<Vec<Change>> {
    let changes = match db.engine() {
        Engine::Sqlite(c) => {
            sqlx::query_as(
                "select (select era from log) as era, 0 as transaction_id, sequence,
                        kind, id, payload
                 from changes
                 where sequence > $1
                 order by sequence
                 limit $2",
            )
            .bind(position.sequence)
            .bind(limit)
            .fetch_all(c)
            .await?
        }
        // A transaction that is still running may commit with a lower place: nothing at or after it is shown yet.
        Engine::Postgres(c) => {
            sqlx::query_as(
                "select (select era from log) as era, transaction_id, sequence,
                        kind, id, payload
                 from changes
                 where (transaction_id, sequence) > ($1, $2)
                   and transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
                 order by transaction_id, sequence
                 limit $3",
            )
            .bind(position.transaction_id)
            .bind(position.sequence)
            .bind(limit)
            .fetch_all(c)
            .await?
        }
    };
    Ok(changes)
}

/// Whether the log still holds everything after `position`; if it was trimmed, is another one, or ends before that, as after a
/// restore of what was older, a reader begins with a snapshot again.
pub async fn holds(db: &mut Conn, position: Position) -> Result<bool> {
    let era: i64 = on!(db, c => sqlx::query_scalar("select era from log").fetch_one(c).await)?;
    if position.era != era {
        return Ok(false);
    }
    let trimmed = cursor(db, TRIMMED).await?;
    let is_trimmed = trimmed.is_some_and(|trimmed| position < trimmed);
    Ok(!is_trimmed && position <= end(db).await?)
}

/// Drops at most `limit` of the entries older than `before` and remembers how far; none while a consumer has yet to read
/// one of them. Says how many went.
pub async fn trim(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    let last: Option<Position> =
        match tx.engine() {
            Engine::Sqlite(c) => sqlx::query_as(
                "select (select era from log) as era, 0 as transaction_id, sequence from changes
                 where created_at < $1 order by sequence desc limit 1",
            )
            .bind(before)
            .fetch_optional(c)
            .await?,
            Engine::Postgres(c) => {
                sqlx::query_as(
                    "select (select era from log) as era, transaction_id, sequence from changes
                 where created_at < $1 order by transaction_id desc, sequence desc limit 1",
                )
                .bind(before)
                .fetch_optional(c)
                .await?
            }
        };
    let Some(last) = last else { return Ok(0) };
    let behind = on!(tx, c => sqlx::query_scalar::<_, i64>(
            "select count(*)
             from cursors
             where name <> $1 and (transaction_id, sequence) < ($2, $3)",
        )
        .bind(TRIMMED)
        .bind(last.transaction_id)
        .bind(last.sequence)
        .fetch_one(c).await)?;
    if behind != 0 {
        return Ok(0);
    }
    let rows = on!(tx, c => sqlx::query(
            "delete from changes
             where sequence in (select sequence from changes where created_at < $1 limit $2)",
        )
        .bind(before)
        .bind(limit)
        .execute(c).await.map(|done| done.rows_affected()))?;
    set_cursor(tx, TRIMMED, last).await?;
    Ok(rows)
}

/// The cursor that says how far the log was trimmed.
const TRIMMED: &str = "trimmed";

/// Where the consumer `name` stands; `None` before its first step.
pub async fn cursor(db: &mut Conn, name: &str) -> Result<Option<Position>> {
    let position = on!(db, c => sqlx::query_as(
            "select (select era from log) as era, transaction_id, sequence
             from cursors
             where name = $1",
        )
        .bind(name)
        .fetch_optional(c).await)?;
    Ok(position)
}

/// Moves the consumer `name` forward to `position`; of several replicas' places the furthest counts.
pub async fn set_cursor(tx: &mut Tx, name: &str, position: Position) -> Result<()> {
    on!(tx, c => sqlx::query(
            "insert into cursors (name, transaction_id, sequence)
             values ($1, $2, $3)
             on conflict (name) do update
             set transaction_id = excluded.transaction_id, sequence = excluded.sequence
             where (cursors.transaction_id, cursors.sequence)
                 < (excluded.transaction_id, excluded.sequence)",
        )
        .bind(name)
        .bind(position.transaction_id)
        .bind(position.sequence)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// When the oldest entry was written that the consumer `name` has not dealt with; `None` if it has dealt with all.
pub async fn waiting_since(db: &mut Conn, name: &str) -> Result<Option<Timestamp>> {
    let position = cursor(db, name).await?.unwrap_or_default();
    let at = match db.engine() {
        Engine::Sqlite(c) => {
            sqlx::query_scalar(
                "select created_at from changes where sequence > $1 order by sequence limit 1",
            )
            .bind(position.sequence)
            .fetch_optional(c)
            .await?
        }
        Engine::Postgres(c) => {
            sqlx::query_scalar(
                "select created_at
                 from changes
                 where (transaction_id, sequence) > ($1, $2)
                 order by transaction_id, sequence
                 limit 1",
            )
            .bind(position.transaction_id)
            .bind(position.sequence)
            .fetch_optional(c)
            .await?
        }
    };
    Ok(at)
}

/// Reads the log on and on.
pub struct Reader {
    db: Db,
    position: Position,
    commits: tokio::sync::watch::Receiver<u64>,
}

impl Reader {
    /// Begins after `position`.
    pub fn new(db: &Db, position: Position) -> Self {
        Self { db: db.clone(), position, commits: db.commits() }
    }

    /// The next entries, at least one; waits for them.
    ///
    /// # Errors
    ///
    /// Storage is away; the reader may be asked again.
    pub async fn next(&mut self) -> Result<Vec<Change>> {
        loop {
            self.commits.mark_unchanged();
            let changes = after(&mut self.db.read().await?, self.position, 500).await?;
            if let Some(last) = changes.last() {
                self.position = last.position;
                return Ok(changes);
            }
            // A closed channel means that the process is going down; the poll's pace is then right, too.
            let _ = tokio::time::timeout(POLL, self.commits.changed()).await;
        }
    }
}
