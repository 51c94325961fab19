use kit::{
    Result,
    db::{Conn, Engine, Tx},
    on,
};

use crate::domain::signing_key::SigningKey;

pub async fn insert(tx: &mut Tx, key: &SigningKey) -> Result<()> {
    on!(tx, c => sqlx::query(
            "insert into signing_keys (id, private, public, created_at)
             values ($1, $2, $3, $4)",
        )
        .bind(key.id)
        .bind(&key.private)
        .bind(&key.public)
        .bind(key.created_at)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// Oldest first.
pub async fn list(db: &mut Conn) -> Result<Vec<SigningKey>> {
    Ok(on!(db, c => sqlx::query_as(
            "select id, private, public, created_at
             from signing_keys
             order by id",
        )
        .fetch_all(c).await)?)
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
