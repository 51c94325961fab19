//! What became durable, transaction by transaction. Writers take turns, so that the order of the sequence is the order of
//! the commits.

use kit::{
    Result, Timestamp,
    db::{Conn, Engine, Tx},
    on,
};

/// What one transaction wrote.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Entry {
    pub sequence: i64,
    pub data: Vec<u8>,
}

/// Waits until no other transaction writes readings, and keeps others waiting until this one ends.
pub async fn take_turn(tx: &mut Tx) -> Result<()> {
    match tx.engine() {
        // A writing transaction has the whole database to itself.
        Engine::Sqlite(_) => {}
        Engine::Postgres(c) => {
            sqlx::query("select pg_advisory_xact_lock($1)").bind(TURN).execute(c).await?;
        }
    }
    Ok(())
}

/// Names the lock among those of the database.
const TURN: i64 = 7_166_824;

/// Adds what this transaction writes, whose [turn](take_turn) it is, at `now`, or when the entry before was written if that is
/// later. Answers its place.
pub async fn append(tx: &mut Tx, data: &[u8], now: Timestamp) -> Result<i64> {
    Ok(on!(tx, c => sqlx::query_scalar(
            "insert into journal (written_at, data)
             select case when last.written_at > $1 then last.written_at else $1 end, $2
             from (select (select written_at from journal order by sequence desc limit 1)
                          as written_at) as last
             returning sequence",
        )
        .bind(now)
        .bind(data)
        .fetch_one(c).await)?)
}

/// When the last entry was written; later than that is later than all that was written.
pub async fn last_written_at(db: &mut Conn) -> Result<Option<Timestamp>> {
    Ok(on!(db, c => sqlx::query_scalar(
            "select written_at
             from journal
             order by sequence desc
             limit 1",
        )
        .fetch_optional(c).await)?)
}

/// Where the journal ends now.
pub async fn end(db: &mut Conn) -> Result<i64> {
    Ok(on!(db, c => sqlx::query_scalar(
            "select coalesce((select max(sequence) from journal), through)
             from journal_end
             where id = 1",
        )
        .fetch_one(c).await)?)
}

/// The last place that was given away; what comes next lies after it. The journal of a restored backup goes on far after its end.
pub async fn last_given(db: &mut Conn) -> Result<i64> {
    Ok(match db.engine() {
        Engine::Sqlite(c) => {
            sqlx::query_scalar(
                "select coalesce(max(seq), 0) from sqlite_sequence where name = 'journal'",
            )
            .fetch_one(c)
            .await?
        }
        Engine::Postgres(c) => {
            sqlx::query_scalar(
                "select coalesce(pg_sequence_last_value(
                            pg_get_serial_sequence('journal', 'sequence')::regclass), 0)",
            )
            .fetch_one(c)
            .await?
        }
    })
}

/// At most `limit` entries after `sequence`, oldest first; `None` if some of them were dropped.
pub async fn after(db: &mut Conn, sequence: i64, limit: i64) -> Result<Option<Vec<Entry>>> {
    // One statement sees one state of things: what is dropped between two would be missed.
    let rows: Vec<(i64, Option<i64>, Option<Vec<u8>>)> = on!(db, c => sqlx::query_as(
            "select journal_end.through, journal.sequence, journal.data
             from journal_end
             left join journal on journal.sequence > $1
             where journal_end.id = 1
             order by journal.sequence
             limit $2",
        )
        .bind(sequence)
        .bind(limit)
        .fetch_all(c).await)?;
    if rows.iter().any(|(through, ..)| sequence < *through) {
        return Ok(None);
    }
    let entry = |(_, sequence, data)| Some(Entry { sequence: sequence?, data: data? });
    Ok(Some(rows.into_iter().filter_map(entry).collect()))
}

/// Up to where everything in the journal lies in chunks.
pub async fn sealed(db: &mut Conn) -> Result<i64> {
    Ok(on!(db, c => sqlx::query_scalar("select sealed from journal_end where id = 1")
        .fetch_one(c).await)?)
}

/// Notes that everything up to `sequence` lies in chunks.
pub async fn set_sealed(tx: &mut Tx, sequence: i64) -> Result<()> {
    Ok(on!(tx, c => sqlx::query(
            "update journal_end set sealed = $1 where id = 1 and sealed < $1",
        )
        .bind(sequence)
        .execute(c).await.map(drop))?)
}

/// The last entry that lies more than `bytes` of data before the end.
pub async fn beyond(db: &mut Conn, bytes: i64) -> Result<Option<i64>> {
    Ok(on!(db, c => sqlx::query_scalar(
            "select max(sequence)
             from (select sequence, sum(length(data)) over (order by sequence desc) as behind
                   from journal) as entries
             where behind > $1",
        )
        .bind(bytes)
        .fetch_one(c).await)?)
}

/// Drops what was written before `before` or lies at or before `through`, and is sealed: at most `limit` entries. Says how
/// many went.
pub async fn forget(tx: &mut Tx, before: Timestamp, through: i64, limit: i64) -> Result<u64> {
    let last: Option<i64> = on!(tx, c => sqlx::query_scalar(
            "select max(sequence)
             from (select sequence, written_at from journal order by sequence limit $3) as oldest
             where (written_at < $1 or sequence <= $2)
               and sequence <= (select sealed from journal_end where id = 1)",
        )
        .bind(before)
        .bind(through)
        .bind(limit)
        .fetch_one(c).await)?;
    let Some(last) = last else { return Ok(0) };
    on!(tx, c => sqlx::query("update journal_end set through = $1 where id = 1 and through < $1")
        .bind(last)
        .execute(c).await.map(drop))?;
    Ok(on!(tx, c => sqlx::query("delete from journal where sequence <= $1")
        .bind(last)
        .execute(c).await.map(|done| done.rows_affected()))?)
}
