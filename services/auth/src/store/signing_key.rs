use kit::{
    Result,
    db::{Conn, Engine, Tx},
    on,
};

use crate::domain::signing_key::{SigningKey, SigningKeyId};

pub async fn insert(tx: &mut Tx, key: &SigningKey) -> Result<()> {
    on!(tx, c => sqlx::query(
            "insert into signing_keys (id, private, public, created_at, active_from)
             values ($1, $2, $3, $4, $5)",
        )
        .bind(key.id)
        .bind(&key.private)
        .bind(&key.public)
        .bind(key.created_at)
        .bind(key.active_from)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// In the order in which they sign.
pub async fn list(db: &mut Conn) -> Result<Vec<SigningKey>> {
    Ok(on!(db, c => sqlx::query_as(
            "select id, private, public, created_at, active_from
             from signing_keys
             order by active_from, id",
        )
        .fetch_all(c).await)?)
}

/// What may be known of them: names and public halves, in the order in which they sign.
pub async fn list_public(db: &mut Conn) -> Result<Vec<(SigningKeyId, String)>> {
    Ok(on!(db, c => sqlx::query_as("select id, public from signing_keys order by active_from, id")
        .fetch_all(c).await)?)
}

pub async fn delete(tx: &mut Tx, id: SigningKeyId) -> Result<()> {
    on!(tx, c => sqlx::query("delete from signing_keys where id = $1")
        .bind(id)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// Keeps everybody else from adding a key until `tx` ends.
pub async fn lock_all(tx: &mut Tx) -> Result<()> {
    match tx.engine() {
        // Its transactions write one at a time anyway.
        Engine::Sqlite(_) => {}
        Engine::Postgres(c) => {
            sqlx::query("lock table signing_keys in share row exclusive mode").execute(c).await?;
        }
    }
    Ok(())
}
