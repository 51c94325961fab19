//! A server for the tests: the first test that needs one starts it, all tests that run meanwhile
//! share it, and it is stopped and removed when no test has run for a while.
//!
//! A test runs in a process of its own, so what they share lies in files, under
//! `flightline-test-postgres-<uid>` in the directory for temporary files:
//!
//! | file | what it is |
//! | --- | --- |
//! | `users.lock` | locked shared by every test process for its life; whoever has it alone may remove everything |
//! | `start.lock` | locked while a process looks for the server or starts it |
//! | `supervisor.lock` | locked by the supervisor for its life |
//! | `idle` | laid by the supervisor when nobody is left, removed by the next to come |
//! | `url` | where the server listens, as `psql` takes it |
//! | `server-<uuid>/` | `data` and `log` of the server |
//! | `databases/<name>` | locked by the process whose database it is |
//!
//! A process that is killed lets go of its locks, so nothing needs to be tidied by hand.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;
use std::{env, io};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Error};
use uuid::Uuid;

use self::programs::{Programs, output, run, user_id};

mod durable;
mod programs;

pub use durable::Postgres;

/// Nothing here outlives the tests, so nothing waits for the disk. Autovacuum would only hold up
/// `create database`, which needs its template for itself.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 400
shared_buffers = 128MB
dynamic_shared_memory_type = mmap
fsync = off
full_page_writes = off
synchronous_commit = off
autovacuum = off
";

const USERS: &str = "users.lock";
const SUPERVISOR: &str = include_str!("postgres/supervisor.sh");

/// Makes an empty database that no other test sees, and gives its URL.
///
/// `FLIGHTLINE_TEST_POSTGRES_URL` names a server to use instead of one of our own; the databases
/// that the tests make there stay.
pub async fn fresh_database() -> String {
    let server = server();
    let options: PgConnectOptions = server.url.parse().expect("the server's URL can be read");
    let mut connection = connect(&options).await;

    let name = format!("test_{}", Uuid::now_v7().simple());
    if let Some(home) = &server.home {
        claim(home, &name);
        sweep(home, &mut connection).await;
    }
    sqlx::query(AssertSqlSafe(format!("create database {name}")))
        .execute(&mut connection)
        .await
        .expect("a database can be made");
    connection.close().await.expect("the connection can be closed");

    options.database(&name).to_url_lossy().to_string()
}

/// Connects, and waits while the server recovers from the crash of one of its processes.
async fn connect(options: &PgConnectOptions) -> PgConnection {
    const CANNOT_CONNECT_NOW: &str = "57P03";
    for _ in 0..600 {
        match options.connect().await {
            Err(Error::Database(error)) if error.code().as_deref() == Some(CANNOT_CONNECT_NOW) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            connection => return connection.expect("the test server takes connections"),
        }
    }
    panic!("the test server has been recovering for half a minute");
}

struct Server {
    url: String,
    /// Where its files are, if it is one of our own.
    home: Option<PathBuf>,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| configured().unwrap_or_else(shared))
}

fn configured() -> Option<Server> {
    #[expect(clippy::disallowed_methods, reason = "a test has no Config to read it from")]
    let url = env::var("FLIGHTLINE_TEST_POSTGRES_URL").ok()?;
    Some(Server { url, home: None })
}

/// Finds the server that the tests share, or starts it.
fn shared() -> Server {
    let user = user_id();
    let home = env::temp_dir().join(format!("flightline-test-postgres-{user}"));
    let programs = Programs::find(user == 0);

    join(&home, user).expect("the test server's directory can be used");
    let starting = lock_file(&home.join("start.lock")).expect("start.lock can be opened");
    starting.lock().expect("start.lock can be locked");
    supervise(&home, &programs);
    let url = match fs::read_to_string(home.join("url")) {
        Ok(url) if answers(&url) => url,
        _ => start(&home, &programs),
    };
    drop(starting);

    Server { url, home: Some(home) }
}

/// Counts this process among the users, until it ends.
fn join(home: &Path, user: u32) -> io::Result<()> {
    loop {
        let users = match open_users(home, user) {
            // The supervisor has just removed the directory.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            users => users?,
        };
        users.lock_shared()?;

        // While we waited for the lock, the supervisor may have removed the file behind it.
        let there = fs::metadata(home.join(USERS)).map(|metadata| metadata.ino()).ok();
        if there == Some(users.metadata()?.ino()) {
            keep(users);
            // The server's user has to get through, whatever our umask is.
            fs::set_permissions(home, fs::Permissions::from_mode(0o755))?;
            return remove_if_there(fs::remove_file(home.join("idle")));
        }
    }
}

fn open_users(home: &Path, user: u32) -> io::Result<File> {
    if let Err(error) = fs::create_dir(home)
        && error.kind() != ErrorKind::AlreadyExists
    {
        return Err(error);
    }
    let found = fs::symlink_metadata(home)?;
    if !found.is_dir() || found.uid() != user {
        return Err(io::Error::other(format!("{} is another user's", home.display())));
    }
    lock_file(&home.join(USERS))
}

/// Starts a supervisor if none is at work. That comes before the server is started, so that a
/// server has one even if this process is killed halfway.
fn supervise(home: &Path, programs: &Programs) {
    let lock = lock_file(&home.join("supervisor.lock")).expect("supervisor.lock can be opened");
    if let Err(TryLockError::WouldBlock) = lock.try_lock() {
        return;
    }
    drop(lock);

    let pg_ctl = programs.command("pg_ctl");
    let mut supervisor = Command::new("setsid");
    supervisor.args(["--fork", "sh", "-c", SUPERVISOR, "supervisor"]).arg(home);
    supervisor.arg(pg_ctl.get_program()).args(pg_ctl.get_args());
    // A test runner waits for whoever holds its test's output.
    supervisor.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = supervisor.status().expect("setsid can be run (apt-get install util-linux)");
    assert!(status.success(), "the test server's supervisor doesn't start: {status}");
}

/// Starts a server on a new directory and gives its URL.
fn start(home: &Path, programs: &Programs) -> String {
    discard_servers(home, programs).expect("what an earlier server left can be removed");

    let directory = home.join(format!("server-{}", Uuid::now_v7().simple()));
    let data = directory.join("data");
    let log = directory.join("log");
    run(programs.make_directory().arg(&directory));
    run(programs
        .command("initdb")
        .args(["--auth=trust", "--username=postgres", "--no-sync"])
        // As on a user's server: text has a language's order, unless we say otherwise.
        .args(["--locale-provider=icu", "--icu-locale=en-US", "--locale=C"])
        .args(["--encoding=UTF8", "--pgdata"])
        .arg(&data));
    OpenOptions::new()
        .append(true)
        .open(data.join("postgresql.conf"))
        .and_then(|mut settings| settings.write_all(SETTINGS.as_bytes()))
        .expect("the settings can be written");

    // Another process may take the port before the server does.
    for _ in 0..5 {
        let port = free_port();
        let mut pg_ctl = programs.command("pg_ctl");
        pg_ctl.args(["start", "--wait", "--silent", "--timeout=60"]);
        pg_ctl.arg("--pgdata").arg(&data).arg("--log").arg(&log);
        if output(pg_ctl.arg(format!("--options=-p {port}"))).status.success() {
            let url = format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable");
            fs::write(home.join("url"), &url).expect("the server's URL can be written");
            return url;
        }
    }
    panic!("PostgreSQL doesn't start:\n{}", fs::read_to_string(&log).unwrap_or_default());
}

/// Stops what an earlier server left running, if anything, and removes its files.
fn discard_servers(home: &Path, programs: &Programs) -> io::Result<()> {
    for entry in fs::read_dir(home)? {
        let directory = entry?.path();
        if directory.join("data").is_dir() {
            let mut pg_ctl = programs.command("pg_ctl");
            // It fails if the server is dead, which is what we want.
            output(pg_ctl.args(["stop", "--mode=immediate", "-D"]).arg(directory.join("data")));
            // An orphan of a killed server may still write there: it may stay until all goes.
            let _ = fs::remove_dir_all(&directory);
        }
    }
    remove_if_there(fs::remove_dir_all(home.join("databases")))
}

/// Marks a database as ours, until this process ends.
fn claim(home: &Path, name: &str) {
    let databases = home.join("databases");
    let claimed = fs::create_dir_all(&databases)
        .and_then(|()| lock_file(&databases.join(name)))
        .and_then(|file| file.lock().map(|()| keep(file)));
    claimed.expect("a database can be marked as ours");
}

/// Drops a few databases of processes that have ended, so that a long run needs no more room
/// than a short one.
async fn sweep(home: &Path, connection: &mut PgConnection) {
    let Ok(entries) = fs::read_dir(home.join("databases")) else { return };
    let mut dropped = 0;
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let Ok(file) = OpenOptions::new().write(true).open(&path) else { continue };
        if file.try_lock().is_err() {
            continue;
        }
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let drop = AssertSqlSafe(format!("drop database if exists {name} with (force)"));
        // What can't be dropped now goes with the server.
        let _ = sqlx::query(drop).execute(&mut *connection).await;
        let _ = fs::remove_file(&path);
        dropped += 1;
        if dropped == 2 {
            return;
        }
    }
}

/// Whether a server of the right kind listens there: it answers a request for TLS by one letter.
fn answers(url: &str) -> bool {
    const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
    let ask = || -> io::Result<u8> {
        let options: PgConnectOptions = url.parse().map_err(io::Error::other)?;
        let address = SocketAddr::from(([127, 0, 0, 1], options.get_port()));
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(&TLS_REQUEST)?;
        let mut answer = [0];
        stream.read_exact(&mut answer)?;
        Ok(answer[0])
    };
    matches!(ask(), Ok(b'N' | b'S'))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    listener.local_addr().expect("a listener has an address").port()
}

fn lock_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Keeps a locked file open until this process ends, by whatever end.
fn keep(file: File) {
    static KEPT: Mutex<Vec<File>> = Mutex::new(Vec::new());
    KEPT.lock().expect("nothing panics while it has this lock").push(file);
}

fn remove_if_there(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_fresh_database_is_empty_and_of_its_own() {
        for url in [fresh_database().await, fresh_database().await] {
            let mut connection = PgConnection::connect(&url).await.unwrap();

            // A second time in one database, this would fail.
            sqlx::query("create table here (it integer)").execute(&mut connection).await.unwrap();
        }
    }

    #[test]
    fn a_port_on_which_nothing_or_something_else_listens_is_no_server() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
        let other = std::thread::spawn(move || drop(listener.accept()));

        assert!(!answers(&url), "something else");
        other.join().unwrap();
        assert!(!answers(&url), "nothing");
    }
}
