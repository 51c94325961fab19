use kit::{
    Error, Page, Result, Timestamp,
    access::Role,
    db::{Conn, Engine, Tx, changed as affected},
    error::OnConstraint,
    on,
    search::{contains, fold},
};
use sqlx::QueryBuilder;

use crate::domain::{
    password::PasswordHash,
    user::{Account, User, UserId},
};

/// Whom to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub role: Option<Role>,
    /// In the username, the e-mail address or the name, in whatever case.
    pub text: Option<String>,
    pub show_deleted: bool,
}

/// What only one person may have.
const TAKEN: [(&str, Error); 2] = [
    ("users_username_lower_key", Error::Taken { field: "username", message: "username is taken" }),
    ("users_email_lower_key", Error::Taken { field: "email", message: "email is taken" }),
];

/// Somebody has the username.
pub fn username_taken() -> Error {
    let [(_, taken), _] = TAKEN;
    taken
}

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
    let Account { user, password_hash, password_revision } = account;
    on!(tx, c => sqlx::query(
            "insert into users (
                 id, username, username_lower, email, email_lower, full_name, full_name_lower,
                 role, password_hash, password_revision, created_at, updated_at, revision
             )
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(user.id)
        .bind(&user.username)
        .bind(fold(&user.username))
        .bind(&user.email)
        .bind(fold(&user.email))
        .bind(&user.full_name)
        .bind(fold(&user.full_name))
        .bind(user.role)
        .bind(password_hash)
        .bind(password_revision)
        .bind(user.created_at)
        .bind(user.updated_at)
        .bind(user.revision)
        .execute(c).await.map(drop))
    .on_constraints(TAKEN)
}

/// Keeps what may change about a person. Who is gone has no e-mail address; their id stands in for it. They have no password either.
pub async fn update(tx: &mut Tx, user: &User) -> Result<()> {
    let gone = user.deleted_at.map(|_| user.id.to_string());
    on!(tx, c => sqlx::query(
            "update users
             set username = $2, username_lower = $3, email = $4, email_lower = $5,
                 full_name = $6, full_name_lower = $7, role = $8, updated_at = $9, revision = $10,
                 deleted_at = $11,
                 password_hash = case when $12 then '' else password_hash end
             where id = $1",
        )
        .bind(user.id)
        .bind(&user.username)
        .bind(fold(&user.username))
        .bind(&user.email)
        .bind(gone.unwrap_or_else(|| fold(&user.email)))
        .bind(&user.full_name)
        .bind(fold(&user.full_name))
        .bind(user.role)
        .bind(user.updated_at)
        .bind(user.revision)
        .bind(user.deleted_at)
        .bind(user.deleted_at.is_some())
        .execute(c).await.map(drop))
    .on_constraints(TAKEN)
}

/// Keeps a new password, if it replaces the one that `revision` counts.
pub async fn set_password(
    tx: &mut Tx,
    id: UserId,
    revision: i64,
    hash: &PasswordHash,
) -> Result<()> {
    let rows = on!(tx, c => sqlx::query(
            "update users
             set password_hash = $3, password_revision = password_revision + 1
             where id = $1 and password_revision = $2 and deleted_at is null",
        )
        .bind(id)
        .bind(revision)
        .bind(hash)
        .execute(c).await.map(|done| done.rows_affected()))?;
    affected(rows, || Error::Stale("the password was changed meanwhile"))
}

/// Keeps the password that `revision` counts from changing until `tx` ends; answers whether it is still the one.
pub async fn hold_password(tx: &mut Tx, id: UserId, revision: i64) -> Result<bool> {
    let held: Option<i64> = match tx.engine() {
        // Its transactions write one at a time anyway.
        Engine::Sqlite(c) => {
            sqlx::query_scalar(
                "select revision
             from users
             where id = $1 and password_revision = $2 and deleted_at is null",
            )
            .bind(id)
            .bind(revision)
            .fetch_optional(c)
            .await
        }
        Engine::Postgres(c) => {
            sqlx::query_scalar(
                "select revision
             from users
             where id = $1 and password_revision = $2 and deleted_at is null
             for no key update",
            )
            .bind(id)
            .bind(revision)
            .fetch_optional(c)
            .await
        }
    }?;
    Ok(held.is_some())
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

/// Finds a person and keeps everybody else from changing them until `tx` ends; others may do the same at once.
pub async fn hold(tx: &mut Tx, id: UserId) -> Result<Option<User>> {
    let held = match tx.engine() {
        // Its transactions write one at a time anyway.
        Engine::Sqlite(c) => {
            sqlx::query_as(select!("", "where id = $1")).bind(id).fetch_optional(c).await
        }
        Engine::Postgres(c) => {
            sqlx::query_as(select!("", "where id = $1 for share")).bind(id).fetch_optional(c).await
        }
    }?;
    Ok(held)
}

/// The account of the person whom `login` names: a username or an e-mail address. No username is an address.
pub async fn find_login(db: &mut Conn, login: &str) -> Result<Option<Account>> {
    Ok(on!(db, c => sqlx::query_as(select!(
            ", password_hash, password_revision",
            "where (username_lower = $1 or email_lower = $1) and deleted_at is null"
        ))
        .bind(fold(login))
        .fetch_optional(c).await)?)
}

pub async fn find_account(db: &mut Conn, id: UserId) -> Result<Option<Account>> {
    Ok(on!(db, c => sqlx::query_as(select!(
            ", password_hash, password_revision",
            "where id = $1 and deleted_at is null"
        ))
        .bind(id)
        .fetch_optional(c).await)?)
}

/// Whether there is an admin beside `id`.
pub async fn other_admin(db: &mut Conn, id: UserId) -> Result<bool> {
    Ok(on!(db, c => sqlx::query_scalar(
            "select exists (
                 select 1 from users where role = $2 and id <> $1 and deleted_at is null
             )",
        )
        .bind(id)
        .bind(Role::Admin)
        .fetch_one(c).await)?)
}

/// Whether there is anybody.
pub async fn any(db: &mut Conn) -> Result<bool> {
    Ok(on!(db, c => sqlx::query_scalar("select exists (select 1 from users)")
        .fetch_one(c).await)?)
}

/// Keeps everybody else from adding or changing a person until `tx` ends.
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
pub async fn list(db: &mut Conn, filter: &Filter, page: &Page<String>) -> Result<Vec<User>> {
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(select!("", "where true"));
        if !filter.show_deleted {
            query.push(" and deleted_at is null");
        }
        if let Some(role) = filter.role {
            query.push(" and role = ").push_bind(role);
        }
        if let Some(text) = &filter.text {
            let pattern = contains(text);
            query.push(" and (username_lower like ").push_bind(pattern.clone());
            query.push(r" escape '\' or email_lower like ").push_bind(pattern.clone());
            query.push(r" escape '\' or full_name_lower like ").push_bind(pattern);
            query.push(r" escape '\')");
        }
        if let Some(after) = &page.after {
            query.push(" and username_lower > ").push_bind(after);
        }
        query.push(" order by username_lower limit ").push_bind(page.limit());
        query.build_query_as().fetch_all(c).await
    })?)
}

/// Those who changed since `since`, and are not new.
pub async fn changed_since(db: &mut Conn, since: Timestamp) -> Result<Vec<User>> {
    Ok(on!(db, c => sqlx::query_as(select!("", "where updated_at >= $1 and revision > 1"))
        .bind(since)
        .fetch_all(c).await)?)
}
