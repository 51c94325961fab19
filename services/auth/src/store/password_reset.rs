use kit::{
    Result, Timestamp,
    db::{Conn, Tx},
    on,
};

use crate::domain::user::UserId;

/// Keeps a person's token in the place of the one that they have, if any.
pub async fn insert(tx: &mut Tx, user_id: UserId, hash: &str, expires_at: Timestamp) -> Result<()> {
    on!(tx, c => sqlx::query(
            "insert into password_resets (user_id, hash, expires_at)
             values ($1, $2, $3)
             on conflict (user_id) do update
             set hash = excluded.hash, expires_at = excluded.expires_at",
        )
        .bind(user_id)
        .bind(hash)
        .bind(expires_at)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// Whose token it is, if it is still good.
pub async fn find(db: &mut Conn, hash: &str, now: Timestamp) -> Result<Option<UserId>> {
    Ok(on!(db, c => sqlx::query_scalar(
            "select user_id
             from password_resets
             where hash = $1 and expires_at > $2",
        )
        .bind(hash)
        .bind(now)
        .fetch_optional(c).await)?)
}

/// Drops a token that is still good, and answers how many that were.
pub async fn spend(tx: &mut Tx, hash: &str, now: Timestamp) -> Result<u64> {
    Ok(on!(tx, c => sqlx::query(
            "delete from password_resets
             where hash = $1 and expires_at > $2",
        )
        .bind(hash)
        .bind(now)
        .execute(c).await.map(|done| done.rows_affected()))?)
}

/// Drops the token of a person, if they have one.
pub async fn delete(tx: &mut Tx, user_id: UserId) -> Result<()> {
    on!(tx, c => sqlx::query("delete from password_resets where user_id = $1")
        .bind(user_id)
        .execute(c).await.map(drop))?;
    Ok(())
}
