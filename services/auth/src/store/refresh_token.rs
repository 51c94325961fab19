//! The live token of a session and its predecessor. Where tokens are from before they said whose they are, all of the session's are
//! kept, as the migration has it that made the table.

use kit::{
    Result, Timestamp,
    db::{Conn, Tx},
    on,
};

use crate::domain::session::{KeptToken, SessionId, TokenHash};

pub async fn insert(tx: &mut Tx, token: &KeptToken) -> Result<()> {
    on!(tx, c => sqlx::query(
            "insert into refresh_tokens (hash, session_id, issued_at, spent_at)
             values ($1, $2, $3, $4)",
        )
        .bind(&token.hash)
        .bind(token.session_id)
        .bind(token.issued_at)
        .bind(token.spent_at)
        .execute(c).await.map(drop))?;
    Ok(())
}

pub async fn find(db: &mut Conn, hash: &TokenHash) -> Result<Option<KeptToken>> {
    Ok(on!(db, c => sqlx::query_as(
            "select hash, session_id, issued_at, spent_at
             from refresh_tokens
             where hash = $1",
        )
        .bind(hash)
        .fetch_optional(c).await)?)
}

pub async fn spend(tx: &mut Tx, hash: &TokenHash, now: Timestamp) -> Result<()> {
    on!(tx, c => sqlx::query(
            "update refresh_tokens
             set spent_at = $2
             where hash = $1",
        )
        .bind(hash)
        .bind(now)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// Drops a session's tokens but `kept`.
pub async fn delete_others(tx: &mut Tx, session_id: SessionId, kept: &TokenHash) -> Result<()> {
    on!(tx, c => sqlx::query("delete from refresh_tokens where session_id = $1 and hash <> $2")
        .bind(session_id)
        .bind(kept)
        .execute(c).await.map(drop))?;
    Ok(())
}
