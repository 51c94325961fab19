//! A server that waits for the disk, as a user's does: for benchmarks and for tests that kill.

use std::{env, fs, io, path::PathBuf};

use uuid::Uuid;

use super::{
    free_port,
    programs::{Programs, output, run, user_id},
};

/// As on a small machine; what is not said is PostgreSQL's default, so every commit waits for the disk.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_buffers = 512MB
max_wal_size = 4GB
dynamic_shared_memory_type = mmap
";

/// A server of one's own, stopped and removed when dropped.
pub struct Postgres {
    /// Where it listens.
    pub url: String,
    directory: PathBuf,
    programs: Programs,
}

impl Postgres {
    /// Starts it.
    ///
    /// # Panics
    ///
    /// It doesn't start.
    #[must_use]
    pub fn start() -> Self {
        let programs = Programs::find(user_id() == 0);
        let name = format!("flightline-postgres-{}", Uuid::now_v7().simple());
        let directory = env::temp_dir().join(name);
        let data = directory.join("data");
        run(programs.make_directory().arg(&directory));
        run(programs
            .command("initdb")
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"])
            .arg("--pgdata")
            .arg(&data));
        let settings = data.join("postgresql.conf");
        let defaults = fs::read_to_string(&settings).unwrap();
        fs::write(&settings, defaults + SETTINGS).unwrap();

        let port = free_port();
        run(programs
            .command("pg_ctl")
            .args(["start", "--wait", "--silent", "--timeout=60"])
            .arg("--pgdata")
            .arg(&data)
            .arg("--log")
            .arg(directory.join("log"))
            .arg(format!("--options=-p {port}")));
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable");
        Self { url, directory, programs }
    }

    /// The server's main process.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub fn process(&self) -> io::Result<u32> {
        let file = fs::read_to_string(self.directory.join("data/postmaster.pid"))?;
        let id = file.lines().next().and_then(|line| line.parse().ok());
        id.ok_or_else(|| io::Error::other("no process"))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut stop = self.programs.command("pg_ctl");
        output(stop.args(["stop", "--mode=fast", "-D"]).arg(self.directory.join("data")));
        // Whatever it could not remove, the system's tidying of temporary files does.
        let _ = fs::remove_dir_all(&self.directory);
    }
}
