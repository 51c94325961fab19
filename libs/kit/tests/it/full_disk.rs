//! A full disk heals without a restart.

use std::{path::Path, process::Command};

use kit::{
    Db, Error,
    changes::{self, Position},
    sqlx::migrate::Migrator,
};
use testkit::eventually;

/// A file system of four megabytes, which takes root to mount.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let disk = Self(tempfile::tempdir().unwrap());
        disk.run(&["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs"]);
        disk
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs a command on the folder, as root or through sudo.
    fn run(&self, command: &[&str]) {
        let done = Command::new(command[0]).args(&command[1..]).arg(self.path()).output();
        if done.is_ok_and(|output| output.status.success()) {
            return;
        }
        let done = Command::new("sudo").arg("-n").args(command).arg(self.path()).output();
        assert!(done.is_ok_and(|output| output.status.success()), "`{}` needs root", command[0]);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.run(&["umount", "--lazy"]);
    }
}

async fn write(db: &Db, name: &str) -> kit::Result<()> {
    let mut tx = db.begin("write").await?;
    changes::set_cursor(&mut tx, &name.repeat(500), Position::default()).await?;
    tx.commit().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_when_there_is_room_again() {
    let disk = SmallDisk::mount();
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![0; 2 * 1024 * 1024]).unwrap();
    let config = kit::db::Config {
        data_dir: disk.path().to_owned(),
        database_url: None,
        database_connections: 1,
    };
    let db = Db::open(&config, "kit", &Migrator::with_migrations(Vec::new())).await.unwrap();

    let mut acknowledged = 0;
    let full = loop {
        match write(&db, &format!("{acknowledged:04}")).await {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, Error::Unavailable("storage is full")), "{full}");
    for _ in 0..20 {
        assert!(matches!(write(&db, "none").await, Err(Error::Unavailable("storage is full"))));
    }
    let first = "0000".repeat(500);
    let read = changes::cursor(&mut db.read().await.unwrap(), &first).await.unwrap();
    assert!(read.is_some(), "reads go on");

    std::fs::remove_file(ballast).unwrap();
    eventually("a write goes through", async || write(&db, "more").await.ok()).await;

    let mut read = db.read().await.unwrap();
    for number in 0..acknowledged {
        let name = format!("{number:04}").repeat(500);
        assert!(changes::cursor(&mut read, &name).await.unwrap().is_some(), "{number} is lost");
    }
}
