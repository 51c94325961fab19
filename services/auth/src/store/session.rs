use kit::{
    Page, Result, Timestamp,
    db::{Conn, Engine, Tx},
    on,
};
use sqlx::QueryBuilder;

use crate::domain::{
    session::{Alive, Session, SessionId},
    user::UserId,
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select id, user_id, created_at, used_at, address, network, ended_at from sessions ",
            $rest
        )
    };
}

pub async fn insert(tx: &mut Tx, session: &Session) -> Result<()> {
    on!(tx, c => sqlx::query(
            "insert into sessions (id, user_id, created_at, used_at, address, network, ended_at)
             values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(session.id)
        .bind(session.user_id)
        .bind(session.created_at)
        .bind(session.used_at)
        .bind(&session.address)
        .bind(&session.network)
        .bind(session.ended_at)
        .execute(c).await.map(drop))?;
    Ok(())
}

pub async fn find(db: &mut Conn, id: SessionId) -> Result<Option<Session>> {
    Ok(on!(db, c => sqlx::query_as(select!("where id = $1")).bind(id).fetch_optional(c).await)?)
}

/// Finds a session and keeps everybody else from changing it until `tx` ends.
pub async fn lock(tx: &mut Tx, id: SessionId) -> Result<Option<Session>> {
    Ok(match tx.engine() {
        // Its transactions write one at a time anyway.
        Engine::Sqlite(c) => {
            sqlx::query_as(select!("where id = $1")).bind(id).fetch_optional(c).await
        }
        Engine::Postgres(c) => {
            sqlx::query_as(select!("where id = $1 for update")).bind(id).fetch_optional(c).await
        }
    }?)
}

/// Finds a session and keeps everybody else from changing it until `tx` ends; others may do the same at once.
pub async fn hold(tx: &mut Tx, id: SessionId) -> Result<Option<Session>> {
    Ok(match tx.engine() {
        // Its transactions write one at a time anyway.
        Engine::Sqlite(c) => {
            sqlx::query_as(select!("where id = $1")).bind(id).fetch_optional(c).await
        }
        Engine::Postgres(c) => {
            sqlx::query_as(select!("where id = $1 for share")).bind(id).fetch_optional(c).await
        }
    }?)
}

/// A person's sessions that live, newest first.
pub async fn list(
    db: &mut Conn,
    user_id: UserId,
    alive: &Alive,
    page: &Page<SessionId>,
) -> Result<Vec<Session>> {
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(select!("where ended_at is null and user_id = "));
        query.push_bind(user_id);
        query.push(" and created_at > ").push_bind(alive.created_after);
        query.push(" and used_at > ").push_bind(alive.used_after);
        if let Some(after) = page.after {
            query.push(" and id < ").push_bind(after);
        }
        query.push(" order by id desc limit ").push_bind(page.limit());
        query.build_query_as().fetch_all(c).await
    })?)
}

/// Whether a person has logged in from `network` and is remembered for it.
pub async fn came_from(db: &mut Conn, user_id: UserId, network: &str) -> Result<bool> {
    Ok(on!(db, c => sqlx::query_scalar(
            "select exists (select 1 from sessions where user_id = $1 and network = $2)",
        )
        .bind(user_id)
        .bind(network)
        .fetch_one(c).await)?)
}

/// Notes that it was refreshed.
pub async fn touch(tx: &mut Tx, id: SessionId, address: &str, now: Timestamp) -> Result<()> {
    on!(tx, c => sqlx::query(
            "update sessions
             set used_at = $2, address = $3
             where id = $1",
        )
        .bind(id)
        .bind(now)
        .bind(address)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// Those that ended since `since`, and when.
pub async fn ended(db: &mut Conn, since: Timestamp) -> Result<Vec<(SessionId, Timestamp)>> {
    Ok(on!(db, c => sqlx::query_as("select id, ended_at from sessions where ended_at >= $1")
        .bind(since)
        .fetch_all(c).await)?)
}

/// Ends it; answers whether it had not ended.
pub async fn end(tx: &mut Tx, id: SessionId, now: Timestamp) -> Result<bool> {
    Ok(on!(tx, c => sqlx::query(
            "update sessions
             set ended_at = $2
             where id = $1 and ended_at is null",
        )
        .bind(id)
        .bind(now)
        .execute(c).await.map(|done| 0 < done.rows_affected()))?)
}

/// Ends all of a person's sessions but `spared`, and answers which those were.
pub async fn end_all(
    tx: &mut Tx,
    user_id: UserId,
    spared: Option<SessionId>,
    now: Timestamp,
) -> Result<Vec<SessionId>> {
    Ok(on!(tx, c => {
        let mut query = QueryBuilder::new("update sessions set ended_at = ");
        query.push_bind(now).push(" where ended_at is null and user_id = ").push_bind(user_id);
        if let Some(spared) = spared {
            query.push(" and id <> ").push_bind(spared);
        }
        query.push(" returning id");
        query.build_query_scalar().fetch_all(c).await
    })?)
}

/// Ends a person's oldest sessions beyond the newest `most`, and answers which those were.
pub async fn end_oldest(
    tx: &mut Tx,
    user_id: UserId,
    most: u32,
    now: Timestamp,
) -> Result<Vec<SessionId>> {
    Ok(on!(tx, c => sqlx::query_scalar(
            "update sessions
             set ended_at = $1
             where id in (
                 select id
                 from sessions
                 where user_id = $2 and ended_at is null
                 order by id desc
                 limit 1000 offset $3
             )
             returning id",
        )
        .bind(now)
        .bind(user_id)
        .bind(i64::from(most))
        .fetch_all(c).await)?)
}

/// Ends at most `limit` of those that live no longer, and answers which those were.
pub async fn expire(
    tx: &mut Tx,
    alive: &Alive,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<SessionId>> {
    // Whoever ends one of them at the same time is not waited for: they might wait for another of these.
    let locks = match tx.engine() {
        Engine::Sqlite(_) => "",
        Engine::Postgres(_) => " for update skip locked",
    };
    Ok(on!(tx, c => {
        let mut query = QueryBuilder::new("update sessions set ended_at = ");
        query.push_bind(now);
        query.push(" where id in (select id from sessions where ended_at is null and (created_at <= ");
        query.push_bind(alive.created_after).push(" or used_at <= ").push_bind(alive.used_after);
        query.push(") limit ").push_bind(limit).push(locks).push(") returning id");
        query.build_query_scalar().fetch_all(c).await
    })?)
}

/// Drops at most `limit` of those that are over and began before `before`, with their tokens; says how many went.
pub async fn forget(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    Ok(on!(tx, c => sqlx::query(
            "delete from sessions
             where id in (
                 select id from sessions where created_at < $1 and ended_at is not null limit $2
             )",
        )
        .bind(before)
        .bind(limit)
        .execute(c).await.map(|done| done.rows_affected()))?)
}
