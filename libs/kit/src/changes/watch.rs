//! What a watch method needs of the log: where it begins, and news at once.

use std::collections::BTreeSet;

use sqlx::FromRow;

use super::{Change, Position, after, end, holds};
use crate::{
    Result,
    db::{Conn, Engine},
};

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// What comes after this is told one by one.
    pub position: Position,
    /// Whether all that is there is told before: the watcher has no resume token, or the log was trimmed since.
    pub with_snapshot: bool,
}

/// Where a watch begins whose resume token came in as `field`; an empty one resumes nothing.
///
/// # Errors
///
/// It is no resume token.
pub async fn resume(db: &mut Conn, field: &str, token: &str) -> Result<Start> {
    if !token.is_empty() {
        let position = Position::parse(field, token)?;
        if holds(db, position).await? {
            return Ok(Start { position, with_snapshot: false });
        }
    }
    Ok(Start { position: end(db).await?, with_snapshot: true })
}

/// Reads each entry as soon as it is committed, in whatever order that is, and once.
///
/// On PostgreSQL the other readers show an entry when every transaction of the whole server that began before it is
/// over, so that none is missed. That may take seconds, which is too long for news like "this session has ended".
pub struct Prompt {
    /// All before it was read, and nothing can come before it any more.
    position: Position,
    /// What was read after it.
    ahead: BTreeSet<Position>,
    has_more: bool,
}

/// The most entries of one look.
const LIMIT: usize = 500;

impl Prompt {
    /// Begins after `position`.
    pub fn new(position: Position) -> Self {
        Self { position, ahead: BTreeSet::new(), has_more: false }
    }

    /// Where another reader may go on: it misses nothing, and may be told again what was read already.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Whether the last look was full, so that there may be more which was committed before it.
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    /// What was committed since the last look; nothing, if nothing was. When there is much, the next look has more.
    pub async fn look(&mut self, db: &mut Conn) -> Result<Vec<Change>> {
        // What was read ahead is found again, and must leave room for what is new.
        let limit = LIMIT + self.ahead.len();
        let rows = committed(db, self.position, i64::try_from(limit).unwrap_or(i64::MAX)).await?;
        self.has_more = rows.len() == limit;
        let mut news = Vec::new();
        for Row { change, is_settled } in rows {
            let position = change.position;
            let is_new = !self.ahead.contains(&position);
            if is_settled {
                self.position = position;
            } else {
                self.ahead.insert(position);
            }
            if is_new {
                news.push(change);
            }
        }
        self.ahead.retain(|ahead| self.position < *ahead);
        Ok(news)
    }
}

#[derive(FromRow)]
struct Row {
    #[sqlx(flatten)]
    change: Change,
    /// Whether no entry can come before it any more.
    is_settled: bool,
}

async fn committed(db: &mut Conn, position: Position, limit: i64) -> Result<Vec<Row>> {
    let rows =
        match db.engine() {
            // It has one writer: entries come in the order of their commits.
            Engine::Sqlite(_) => {
                let changes = after(db, position, limit).await?;
                changes.into_iter().map(|change| Row { change, is_settled: true }).collect()
            }
            Engine::Postgres(c) => sqlx::query_as(
                "select (select era from log) as era, transaction_id, sequence, kind, id, payload,
                        transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
                            as is_settled
                 from changes
                 where (transaction_id, sequence) > ($1, $2)
                 order by transaction_id, sequence
                 limit $3",
            )
            .bind(position.transaction_id)
            .bind(position.sequence)
            .bind(limit)
            .fetch_all(c)
            .await?,
        };
    Ok(rows)
}
