use kit::{
    Result, Timestamp,
    access::Role,
    db::{Conn, Tx},
    on,
};

use crate::domain::user::UserId;

/// Keeps a person's token in the place of the one that they have, if any.
pub async fn insert(
    tx: &mut Tx,
    user_id: UserId,
    hash: &str,
    created_by: &UserId,
    expires_at: Timestamp,
) -> Result<()> {
    on!(tx, c => sqlx::query(
            "insert into password_resets (user_id, hash, created_by, expires_at)
             values ($1, $2, $3, $4)
             on conflict (user_id) do update
             set hash = excluded.hash, created_by = excluded.created_by,
                 expires_at = excluded.expires_at",
        )
        .bind(user_id)
        .bind(hash)
        .bind(created_by)
        .bind(expires_at)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// Whose token it is, if it is still good: whoever made it is an admin.
pub async fn find(db: &mut Conn, hash: &str, now: Timestamp) -> Result<Option<UserId>> {
    Ok(on!(db, c => sqlx::query_scalar(
            "select user_id
             from password_resets join users on users.id = password_resets.created_by
             where hash = $1 and expires_at > $2 and users.role = $3 and users.deleted_at is null",
        )
        .bind(hash)
        .bind(now)
        .bind(Role::Admin)
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
