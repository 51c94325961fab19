//! The library's own storage, on both engines.
#![expect(clippy::unwrap_used, reason = "what a test doesn't expect should stop it")]

mod cancel;
mod changes;
mod collation;
mod full_disk;
mod once;
mod seal;
mod ticket;

use kit::{Db, sqlx::migrate::Migrator};
use testkit::World;

/// A database with this library's tables alone.
async fn open(world: &World) -> Db {
    Db::open(&world.db, "kit", &Migrator::with_migrations(Vec::new())).await.unwrap()
}
