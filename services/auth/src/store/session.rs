use kit::{
    Result, Timestamp,
    db::{Engine, Tx},
    on,
};

use crate::domain::{
    session::{Session, SessionId},
    user::UserId,
};

macro_rules! select {
    ($rest:literal) => {
        concat!("select id, user_id, created_at, ended_at from sessions ", $rest)
    };
}

pub async fn insert(tx: &mut Tx, session: &Session) -> Result<()> {
    on!(tx, c => sqlx::query(
            "insert into sessions (id, user_id, created_at, ended_at)
             values ($1, $2, $3, $4)",
        )
        .bind(session.id)
        .bind(session.user_id)
        .bind(session.created_at)
        .bind(session.ended_at)
        .execute(c).await.map(drop))?;
    Ok(())
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

pub async fn end(tx: &mut Tx, id: SessionId, now: Timestamp) -> Result<()> {
    on!(tx, c => sqlx::query(
            "update sessions
             set ended_at = $2
             where id = $1 and ended_at is null",
        )
        .bind(id)
        .bind(now)
        .execute(c).await.map(drop))?;
    Ok(())
}

pub async fn end_all(tx: &mut Tx, user_id: UserId, now: Timestamp) -> Result<()> {
    on!(tx, c => sqlx::query(
            "update sessions
             set ended_at = $2
             where user_id = $1 and ended_at is null",
        )
        .bind(user_id)
        .bind(now)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// Drops the sessions that began before `before`, with their tokens.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<()> {
    on!(tx, c => sqlx::query("delete from sessions where created_at < $1")
        .bind(before)
        .execute(c).await.map(drop))?;
    Ok(())
}
