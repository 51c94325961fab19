use kit::{
    Result,
    db::{Conn, Tx},
    on,
};

use crate::domain::{
    password_reset::{PasswordReset, ResetHash},
    user::UserId,
};

/// Keeps a person's token in the place of the one that they have, if any.
pub async fn insert(tx: &mut Tx, reset: &PasswordReset) -> Result<()> {
    on!(tx, c => sqlx::query(
            "insert into password_resets (user_id, hash, created_by, expires_at)
             values ($1, $2, $3, $4)
             on conflict (user_id) do update
             set hash = excluded.hash, created_by = excluded.created_by,
                 expires_at = excluded.expires_at",
        )
        .bind(reset.user_id)
        .bind(&reset.hash)
        .bind(reset.created_by)
        .bind(reset.expires_at)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// Finds what is kept of a token. Those from before they said who made them are void.
pub async fn find(db: &mut Conn, hash: &ResetHash) -> Result<Option<PasswordReset>> {
    Ok(on!(db, c => sqlx::query_as(
            "select user_id, hash, created_by, expires_at
             from password_resets
             where hash = $1 and created_by is not null",
        )
        .bind(hash)
        .fetch_optional(c).await)?)
}

/// Drops a token, and answers how many that were.
pub async fn spend(tx: &mut Tx, hash: &ResetHash) -> Result<u64> {
    Ok(on!(tx, c => sqlx::query("delete from password_resets where hash = $1")
        .bind(hash)
        .execute(c).await.map(|done| done.rows_affected()))?)
}

/// Drops the tokens that a person made for others, or for themselves.
pub async fn delete_by(tx: &mut Tx, created_by: UserId) -> Result<()> {
    on!(tx, c => sqlx::query("delete from password_resets where created_by = $1")
        .bind(created_by)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// Drops the token of a person, if they have one.
pub async fn delete(tx: &mut Tx, user_id: UserId) -> Result<()> {
    on!(tx, c => sqlx::query("delete from password_resets where user_id = $1")
        .bind(user_id)
        .execute(c).await.map(drop))?;
    Ok(())
}
