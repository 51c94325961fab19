use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

use futures_util::future;
use testkit::{Engine, World};

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
