use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

use futures_util::future;
use kit::{
    db::take_turn,
    sqlx::{self, Connection, Executor, PgConnection},
};
use testkit::{Engine, World, eventually};

use crate::collation;

testkit::both! {
    async fn processes_that_start_at_once_make_one_database(world: World) {
        let opened = future::join_all((0..8).map(|_| crate::open(&world.db))).await;

        for db in opened {
            db.close().await;
        }
    }
}

/// Whose eyes `path` is for.
fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_is_its_owners_alone_in_a_folder_that_others_may_read() {
    let world = World::new(Engine::Sqlite).await;
    let folder = &world.db.data_dir;
    fs::create_dir_all(folder).unwrap();
    fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();

    // A new one, and one that an earlier version left readable.
    for _ in 0..2 {
        let db = crate::open(&world.db).await;
        let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let files: Vec<_> = files.filter(|file| file.to_string_lossy().contains(".db")).collect();
        assert!(!files.is_empty());
        for file in &files {
            assert_eq!(mode(file), 0o600, "{}", file.display());
        }
        db.close().await;
        let file = files.iter().find(|file| file.extension().is_some_and(|end| end == "db"));
        fs::set_permissions(file.unwrap(), Permissions::from_mode(0o644)).unwrap();
    }
}

const WORDS: &str = "create table words (word text not null primary key)";
const OTHERS: &str = "alter table words add column other text not null default ''";

async fn connect(world: &World) -> PgConnection {
    PgConnection::connect(world.db.server().unwrap()).await.unwrap()
}

/// Waits until somebody in this database waits for a lock, or nobody does.
async fn waits(connection: &mut PgConnection, waits: bool) {
    let connection = tokio::sync::Mutex::new(connection);
    eventually("somebody waits or nobody does", || async {
        let mut connection = connection.lock().await;
        let waiting: i64 = sqlx::query_scalar(
            "select count(*)
             from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock'",
        )
        .fetch_one(&mut **connection)
        .await
        .unwrap();
        ((0 < waiting) == waits).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_waits_for_a_backup_and_keeps_nobody_else_waiting() {
    let world = World::new(Engine::Postgres).await;
    collation::open(&world, &[WORDS]).await.close().await;
    let (mut backup, mut caller) = (connect(&world).await, connect(&world).await);
    let mut reading = backup.begin().await.unwrap();
    reading.execute("select word from words.words").await.unwrap();

    let migration = async { collation::open(&world, &[WORDS, OTHERS]).await.close().await };
    let others = async {
        waits(&mut caller, true).await;
        // It would wait for as long as the backup goes on.
        caller.execute("set statement_timeout = '20s'").await.unwrap();
        caller.execute("select word from words.words").await.unwrap();
        reading.commit().await.unwrap();
    };
    future::join(migration, others).await;

    caller.execute("select other from words.words").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_for_its_turn_however_long_a_restore_takes() {
    let world = World::new(Engine::Postgres).await;
    let (mut restore, mut watcher) = (connect(&world).await, connect(&world).await);
    let mut restoring = restore.begin().await.unwrap();
    take_turn(&mut restoring).await.unwrap();

    let start = async { collation::open(&world, &[WORDS]).await.close().await };
    let restored = async {
        for is_waiting in [true, false, true] {
            waits(&mut watcher, is_waiting).await;
        }
        restoring.commit().await.unwrap();
    };
    future::join(start, restored).await;
}
