//! The state of all databases at one instant, while others write: every write that was acknowledged before is in it, and
//! where one service's row names another's, both are.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use kit::{
    Timestamp,
    db::{Config, FolderLock},
};
use sqlx::{
    ConnectOptions, Connection, Error, PgConnection, SqliteConnection, postgres::PgConnectOptions,
    sqlite::SqliteConnectOptions,
};
use tokio::time::{Instant, sleep};

use super::{
    Contents, SCHEMAS,
    place::{Files, Place},
};

/// How long the suite's writers may be kept waiting at a time, and the pause between two tries.
const HOLD: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(100);
/// For how long it is tried.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often a writer's lock is asked for: between two of its transactions is little time.
const ASK_EVERY: Duration = Duration::from_millis(1);

/// Whether others may write meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// The suite, and whatever else.
    Others,
    Nobody,
}

/// All databases as they were at one instant.
pub struct Snapshot {
    connections: Connections,
    /// The instant.
    pub at: Timestamp,
    _folder: Option<FolderLock>,
}

enum Connections {
    Files(Files),
    Server(Box<PgConnection>),
}

impl Snapshot {
    /// Takes it, of the databases that there are.
    pub async fn take(config: &Config, beside: Beside) -> anyhow::Result<Self> {
        let clock = kit::Clock::system();
        if let Some(url) = config.server() {
            let mut connection = connect(url, "flightline").await?;
            sqlx::raw_sql("begin isolation level repeatable read, read only; select 1")
                .execute(&mut connection)
                .await?;
            let connections = Connections::Server(Box::new(connection));
            return Ok(Self { connections, at: clock.now(), _folder: None });
        }
        let folder = match beside {
            Beside::Others => FolderLock::shared(&config.data_dir)?,
            Beside::Nobody => FolderLock::alone(&config.data_dir)?,
        };
        let mut writers = Files::new();
        for schema in SCHEMAS {
            let file = config.file(schema.service);
            if file.try_exists()? {
                let options = SqliteConnectOptions::new().busy_timeout(Duration::ZERO);
                let opened = options.filename(&file).connect().await;
                let opened = opened.with_context(|| format!("can't open {}", file.display()))?;
                writers.insert(schema.service, opened);
            }
        }
        let folder_name = config.data_dir.display();
        ensure!(!writers.is_empty(), "{folder_name} holds no data of Flightline");
        let (files, at) = one_instant(config, &mut writers, || clock.now()).await?;
        Ok(Self { connections: Connections::Files(files), at, _folder: Some(folder) })
    }

    /// Where it is read from.
    pub fn place(&mut self) -> Place<'_> {
        match &mut self.connections {
            Connections::Files(files) => Place::Files(files),
            Connections::Server(connection) => Place::Server(connection),
        }
    }

    /// What there is to copy.
    ///
    /// # Errors
    ///
    /// There is nothing, or it is of a newer version.
    pub async fn contents(&mut self) -> anyhow::Result<Contents> {
        let on_server = matches!(self.connections, Connections::Server(_));
        let mut services = Vec::new();
        for schema in SCHEMAS {
            let Some(service) = self.place().survey(schema).await? else { continue };
            for version in &service.versions {
                let (name, is_known) = (schema.service, schema.knows(on_server, *version));
                ensure!(is_known, "the database of {name} is of a newer version (step {version})");
            }
            services.push(service);
        }
        ensure!(!services.is_empty(), "there is no data of Flightline");
        Ok(Contents { services })
    }
}

/// Connects to a server for work that may take long.
pub async fn connect(url: &str, name: &str) -> anyhow::Result<PgConnection> {
    let options: PgConnectOptions = url.parse().context("DATABASE_URL is not a PostgreSQL URL")?;
    let options = options.application_name(name).options([
        ("statement_timeout", "0"),
        ("lock_timeout", "0"),
        ("idle_in_transaction_session_timeout", "0"),
    ]);
    options.connect().await.context("can't reach the database server")
}

/// Begins to read all databases while nothing is written to any of them. No service holds its own database while it waits
/// for another's, so all can be held for a moment.
async fn one_instant(
    config: &Config,
    writers: &mut Files,
    now: impl Fn() -> Timestamp,
) -> anyhow::Result<(Files, Timestamp)> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        if hold_all(writers).await? {
            let mut files = Files::new();
            for service in writers.keys() {
                files.insert(*service, reader(config, service).await?);
            }
            let at = now();
            release_all(writers).await?;
            for (_, writer) in std::mem::take(writers) {
                writer.close().await?;
            }
            return Ok((files, at));
        }
        release_all(writers).await?;
        if give_up < Instant::now() {
            bail!("the databases are never at rest for a moment: try again when less is written");
        }
        sleep(PAUSE).await;
    }
}

/// Keeps others from writing to any of the databases; answers whether that went as quickly as it should.
async fn hold_all(writers: &mut Files) -> anyhow::Result<bool> {
    // The one that is written to most comes first, and so waits for nobody else.
    let mut first = None;
    for (_, writer) in writers.iter_mut().rev() {
        let give_up = first.map_or(PATIENCE, |first: Instant| HOLD.saturating_sub(first.elapsed()));
        if !hold(writer, Instant::now() + give_up).await? {
            return Ok(false);
        }
        first.get_or_insert_with(Instant::now);
    }
    Ok(true)
}

async fn hold(writer: &mut SqliteConnection, give_up: Instant) -> anyhow::Result<bool> {
    loop {
        match sqlx::raw_sql("begin immediate").execute(&mut *writer).await {
            Ok(_) => return Ok(true),
            Err(Error::Database(error)) if is_busy(error.code().as_deref()) => {}
            Err(error) => return Err(error.into()),
        }
        if give_up < Instant::now() {
            return Ok(false);
        }
        sleep(ASK_EVERY).await;
    }
}

/// Whether SQLite's code says that somebody else writes; its higher bits say why.
fn is_busy(code: Option<&str>) -> bool {
    const BUSY: i64 = 5;
    code.and_then(|code| code.parse::<i64>().ok()).is_some_and(|code| code & 0xff == BUSY)
}

async fn release_all(writers: &mut Files) -> anyhow::Result<()> {
    for writer in writers.values_mut() {
        if writer.is_in_transaction() {
            sqlx::raw_sql("rollback").execute(writer).await?;
        }
    }
    Ok(())
}

/// Reads the database as it is now, whatever is written later.
async fn reader(config: &Config, service: &str) -> anyhow::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(config.file(service)).read_only(true);
    let mut reader = options.connect().await?;
    sqlx::raw_sql("begin; select count(*) from sqlite_schema").execute(&mut reader).await?;
    Ok(reader)
}
