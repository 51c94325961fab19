use kit::{Result, db::Tx, on};

use crate::domain::secret::Secret;

pub async fn insert(tx: &mut Tx, name: &str, secret: &Secret) -> Result<()> {
    on!(tx, c => sqlx::query("insert into secrets (name, value) values ($1, $2)")
        .bind(name)
        .bind(secret)
        .execute(c).await.map(drop))?;
    Ok(())
}

pub async fn find(tx: &mut Tx, name: &str) -> Result<Option<Secret>> {
    Ok(on!(tx, c => sqlx::query_scalar("select value from secrets where name = $1")
        .bind(name)
        .fetch_optional(c).await)?)
}
