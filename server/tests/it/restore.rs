//! Where embedded databases are not restored, and where again.

use std::{fs, path::PathBuf};

use tempfile::TempDir;
use testkit::{Engine, World};

use super::{
    backup::name,
    fleet::{Fleet, command, command_on, refused, succeeded},
};

/// A fleet at work, with a machine, and a backup of it in a folder.
struct BackedUp {
    world: World,
    folder: TempDir,
    fleet: Fleet,
    machine: String,
}

impl BackedUp {
    async fn new() -> Self {
        let (world, folder) = (World::new(Engine::Sqlite).await, tempfile::tempdir().unwrap());
        let fleet = Fleet::start(&world.db).await;
        let machine = fleet.machine().await;
        succeeded(&command(&world, &["backup", &name(&folder)]).await);
        Self { world, folder, fleet, machine }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_restore_was_cut_off_nothing_starts_until_it_is_run_again() {
    let BackedUp { world, folder, fleet, machine } = BackedUp::new().await;
    fleet.stop().await;

    let elsewhere = World::new(Engine::Sqlite).await;
    elsewhere.db.make_folder().unwrap();
    fs::create_dir(elsewhere.db.data_dir.join("restoring")).unwrap();
    // Some of the databases had their place already.
    fs::copy(world.db.file("auth"), elsewhere.db.file("auth")).unwrap();

    refused(&command(&elsewhere, &["migrate"]).await, "was cut off: run it again");
    refused(&command(&elsewhere, &["backup", &name(&folder)]).await, "is there already");
    succeeded(&command(&elsewhere, &["restore", &name(&folder)]).await);
    assert!(Fleet::start(&elsewhere.db).await.has_equipment(&machine).await);
}

/// The file beside the equipment's database that holds what was written last.
fn write_ahead_log(world: &World) -> PathBuf {
    world.db.file("equipment").with_extension("db-wal")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_database_that_is_gone_has_left_is_not_played_into_what_is_restored() {
    let BackedUp { world, folder, fleet, machine } = BackedUp::new().await;
    // As a process leaves it that is killed.
    let left = fs::read(write_ahead_log(&world)).unwrap();
    assert!(!left.is_empty());
    fleet.stop().await;
    let elsewhere = World::new(Engine::Sqlite).await;
    elsewhere.db.make_folder().unwrap();
    fs::write(write_ahead_log(&elsewhere), &left).unwrap();

    let restore = ["restore", &name(&folder)];
    refused(&command(&elsewhere, &restore).await, "equipment.db-wal belongs to a database");

    assert_eq!(fs::read(write_ahead_log(&elsewhere)).unwrap(), left, "it is not ours to remove");
    // But what a restore that was cut off left is removed, with all of it.
    fs::create_dir(elsewhere.db.data_dir.join("restoring")).unwrap();
    succeeded(&command(&elsewhere, &restore).await);
    assert!(!write_ahead_log(&elsewhere).exists());
    assert!(Fleet::start(&elsewhere.db).await.has_equipment(&machine).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_restored_beneath_a_suite_that_runs() {
    let (world, folder) = (World::new(Engine::Sqlite).await, tempfile::tempdir().unwrap());
    let fleet = Fleet::start(&world.db).await;
    succeeded(&command(&world, &["backup", &name(&folder)]).await);

    let db = kit::db::Config { data_dir: world.db.data_dir.clone(), ..world.db.clone() };
    refused(&command_on(&db, &["restore", &name(&folder)]).await, "stop it first");
    fleet.stop().await;
}
