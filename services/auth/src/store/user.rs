use kit::{
    Error, Page, Result, Timestamp,
    access::Role,
    db::{Conn, Engine, Tx},
    error::OnConstraint,
    on,
};
use sqlx::QueryBuilder;

use crate::domain::{
    password::PasswordHash,
    user::{Account, User, UserId, fold},
};

macro_rules! select {
    ($columns:literal, $rest:literal) => {
        concat!(
            "select id, username, email, full_name, role, created_at, updated_at, revision,
                    deleted_at ",
            $columns,
            " from users ",
            $rest
        )
    };
}

pub async fn insert(tx: &mut Tx, account: &Account) -> Result<()> {
    let Account { user, password_hash } = account;
    on!(tx, c => sqlx::query(
            "insert into users (
                 id, username, username_lower, email, email_lower, full_name, role,
                 password_hash, created_at, updated_at, revision
             )
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(user.id)
        .bind(&user.username)
        .bind(fold(&user.username))
        .bind(&user.email)
        .bind(fold(&user.email))
        .bind(&user.full_name)
        .bind(user.role)
        .bind(password_hash)
        .bind(user.created_at)
        .bind(user.updated_at)
        .bind(user.revision)
        .execute(c).await.map(drop))
    .on_constraints([
        ("users_username_lower_key", Error::AlreadyExists("username is taken")),
        ("users_email_lower_key", Error::AlreadyExists("email is taken")),
    ])
}

/// Keeps what may change about a person.
pub async fn update(tx: &mut Tx, account: &Account) -> Result<()> {
    let Account { user, password_hash } = account;
    on!(tx, c => sqlx::query(
            "update users
             set full_name = $2, role = $3, password_hash = $4, updated_at = $5, revision = $6
             where id = $1",
        )
        .bind(user.id)
        .bind(&user.full_name)
        .bind(user.role)
        .bind(password_hash)
        .bind(user.updated_at)
        .bind(user.revision)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// Replaces `old`, unless the password was changed meanwhile.
pub async fn rehash(tx: &mut Tx, id: UserId, old: &PasswordHash, new: &PasswordHash) -> Result<()> {
    on!(tx, c => sqlx::query(
            "update users
             set password_hash = $3
             where id = $1 and password_hash = $2",
        )
        .bind(id)
        .bind(old)
        .bind(new)
        .execute(c).await.map(drop))?;
    Ok(())
}

pub async fn find(db: &mut Conn, id: UserId) -> Result<Option<User>> {
    Ok(on!(db, c => sqlx::query_as(select!("", "where id = $1"))
        .bind(id)
        .fetch_optional(c).await)?)
}

/// The account of the person whom `login` names: a username or an e-mail address. No username is an address.
pub async fn find_account(db: &mut Conn, login: &str) -> Result<Option<Account>> {
    Ok(on!(db, c => sqlx::query_as(select!(
            ", password_hash",
            "where username_lower = $1 or email_lower = $1"
        ))
        .bind(fold(login))
        .fetch_optional(c).await)?)
}

/// Whether there is anybody.
pub async fn any(db: &mut Conn) -> Result<bool> {
    Ok(on!(db, c => sqlx::query_scalar("select exists (select 1 from users)")
        .fetch_one(c).await)?)
}

/// Keeps everybody else from adding a person until `tx` ends.
pub async fn lock_all(tx: &mut Tx) -> Result<()> {
    match tx.engine() {
        // Its transactions write one at a time anyway.
        Engine::Sqlite(_) => {}
        Engine::Postgres(c) => {
            sqlx::query("lock table users in share row exclusive mode").execute(c).await?;
        }
    }
    Ok(())
}

/// By username, without regard to case.
pub async fn list(db: &mut Conn, role: Option<Role>, page: &Page<String>) -> Result<Vec<User>> {
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(select!("", "where true"));
        if let Some(role) = role {
            query.push(" and role = ").push_bind(role);
        }
        if let Some(after) = &page.after {
            query.push(" and username_lower > ").push_bind(after);
        }
        query.push(" order by username_lower limit ").push_bind(page.limit());
        query.build_query_as().fetch_all(c).await
    })?)
}

/// Those who changed since `since`, and are not new.
pub async fn changed(db: &mut Conn, since: Timestamp) -> Result<Vec<User>> {
    Ok(on!(db, c => sqlx::query_as(select!("", "where updated_at >= $1 and revision > 1"))
        .bind(since)
        .fetch_all(c).await)?)
}
