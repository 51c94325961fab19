use kit::{
    Result, Timestamp,
    db::{Conn, Engine, Tx},
    on,
};
use sqlx::QueryBuilder;

use crate::domain::guess::Guesses;

pub async fn find(db: &mut Conn, name: &str) -> Result<Option<Guesses>> {
    Ok(on!(db, c => sqlx::query_as(
            "select count, last_at, free_at, is_throttle_told
             from guesses
             where name = $1",
        )
        .bind(name)
        .fetch_optional(c).await)?)
}

/// Finds the guesses for `name`, beginning with `first`, and keeps everybody else from counting until `tx` ends.
pub async fn lock(tx: &mut Tx, name: &str, first: &Guesses) -> Result<Guesses> {
    Ok(on!(tx, c => sqlx::query_as(
            "insert into guesses (name, count, last_at, free_at)
             values ($1, $2, $3, $4)
             on conflict (name) do update
             set name = excluded.name
             returning count, last_at, free_at, is_throttle_told",
        )
        .bind(name)
        .bind(first.count)
        .bind(first.last_at)
        .bind(first.free_at)
        .fetch_one(c).await)?)
}

pub async fn update(tx: &mut Tx, name: &str, guesses: &Guesses) -> Result<()> {
    on!(tx, c => sqlx::query(
            "update guesses
             set count = $2, last_at = $3, free_at = $4, is_throttle_told = $5
             where name = $1",
        )
        .bind(name)
        .bind(guesses.count)
        .bind(guesses.last_at)
        .bind(guesses.free_at)
        .bind(guesses.is_throttle_told)
        .execute(c).await.map(drop))?;
    Ok(())
}

pub async fn delete(tx: &mut Tx, name: &str) -> Result<()> {
    on!(tx, c => sqlx::query("delete from guesses where name = $1")
        .bind(name)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// Drops at most `limit` of those for whom nobody tried a password since `before`; says how many went.
pub async fn forget(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    // Whoever counts at one of them just now is not waited for: they might wait for another of these.
    let locks = match tx.engine() {
        Engine::Sqlite(_) => "",
        Engine::Postgres(_) => " for update skip locked",
    };
    Ok(on!(tx, c => {
        let mut query = QueryBuilder::new("delete from guesses where name in (select name from guesses");
        query.push(" where last_at < ").push_bind(before);
        query.push(" limit ").push_bind(limit).push(locks).push(")");
        query.build().execute(c).await.map(|done| done.rows_affected())
    })?)
}
