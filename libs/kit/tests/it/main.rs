//! The library's own storage, on both engines.
#![expect(clippy::unwrap_used, reason = "what a test doesn't expect should stop it")]

mod acquire;
mod away;
mod cancel;
mod changes;
mod collation;
mod full_disk;
mod once;
mod open;
mod pulse;
mod seal;
mod ticket;

use kit::{Db, db, sqlx::migrate::Migrator};

/// A database with this library's tables alone.
async fn open(config: &db::Config) -> Db {
    Db::open(config, "kit", &Migrator::with_migrations(Vec::new())).await.unwrap()
}
