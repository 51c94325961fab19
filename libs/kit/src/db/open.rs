//! Opening a service's database and bringing its schema up to date.

use std::{
    fmt,
    fs::{self, OpenOptions, Permissions},
    io,
    net::IpAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context;
use sqlx::{
    ConnectOptions, Connection, Executor, PgPool, SqlitePool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tracing::log::LevelFilter;

use super::{Conn, Db, Pools, folder::FolderLock, pulse, schema, update};
use crate::seal::Seal;

/// How long a caller waits for a connection: less than its deadline, more than a healthy moment of waiting.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
const READERS: u32 = 4;
/// A connection to a server lives if it was used so short a time ago. Another is asked: those of a server that was started
/// anew are replaced before a call fails on them, and a second guard ends a transaction that sqlx has forgotten (the first is
/// that no `begin` is ever cancelled). A `rollback` alone makes the server warn, each time, that there is nothing to roll back.
const FRESH: Duration = Duration::from_millis(100);

/// Where the databases are.
#[derive(Clone, clap::Args)]
// Every part's settings are called `Config`; clap would take the name for one and the same group.
#[group(skip)]
pub struct Config {
    /// Folder of the embedded databases, one file a service. Not used with a database server.
    #[arg(long, env = "FLIGHTLINE_DATA_DIR", default_value = "./data")]
    pub data_dir: PathBuf,

    /// PostgreSQL server (`postgres://…`); every service keeps to its own schema. None: embedded databases.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_parser = url)]
    pub database_url: Option<String>,

    /// Most connections that each service holds open to the database server.
    #[arg(
        long,
        env = "FLIGHTLINE_DATABASE_CONNECTIONS",
        default_value_t = 8,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub database_connections: u32,
}

/// Takes the address of a server that is spoken with; or nothing, which is none.
///
/// # Errors
///
/// It is another's.
pub fn url(text: &str) -> Result<String, &'static str> {
    let is_ours = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
    if is_ours || text.is_empty() {
        Ok(text.to_owned())
    } else {
        Err("must begin with postgres://: there is no other server")
    }
}

impl Config {
    /// The database server, if there is one; a variable that is set to nothing is not set.
    pub fn server(&self) -> Option<&str> {
        self.database_url.as_deref().filter(|url| !url.is_empty())
    }

    /// Whether nobody else can pose as the database server: it proves itself, or is on this machine; or there is none.
    ///
    /// # Errors
    ///
    /// The URL is none of PostgreSQL's.
    pub fn is_sure_of_server(&self) -> anyhow::Result<bool> {
        let Some(url) = self.server() else { return Ok(true) };
        let options = server(url)?;
        let host = options.get_host().trim_start_matches('[').trim_end_matches(']');
        let is_here = options.get_socket().is_some()
            || host.starts_with('/')
            || host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let proves_itself =
            matches!(options.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull);
        Ok(is_here || proves_itself)
    }

    /// Makes the folder of the embedded databases, if there is none.
    ///
    /// # Errors
    ///
    /// It can't be made.
    pub fn make_folder(&self) -> anyhow::Result<()> {
        // Hashes of passwords and signing keys lie here: nobody else may look.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.data_dir)
            .with_context(|| format!("can't make the data folder {}", self.data_dir.display()))
    }

    /// The embedded database of `service`.
    pub fn file(&self, service: &str) -> PathBuf {
        self.data_dir.join(format!("{service}.db"))
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        let engine = if self.server().is_some() { "PostgreSQL" } else { "SQLite" };
        let Self { data_dir, database_connections, .. } = self;
        f.debug_struct("Config")
            .field("engine", &engine)
            .field("data_dir", data_dir)
            .field("database_connections", database_connections)
            .finish()
    }
}

impl Db {
    /// Opens the database of `service`, brought up to date with `migrations` (numbered from 100; lower numbers are this
    /// library's own tables).
    ///
    /// # Errors
    ///
    /// The database can't be reached or holds a schema that this version doesn't know.
    pub async fn open(
        config: &Config,
        service: &'static str,
        migrations: &Migrator,
    ) -> anyhow::Result<Self> {
        let ((pools, pulse), folder) = if let Some(url) = config.server() {
            (postgres(config, url, service, migrations).await?, None)
        } else {
            let folder = use_folder(config)?;
            (sqlite(config, service, migrations).await?, Some(folder))
        };
        let folder = Arc::new(Mutex::new(folder));
        let seal = Seal::of(&mut pools.writer().await?)
            .await
            .context("can't read the key to page tokens")?;
        Ok(Self { name: service, pools, pulse, commits: Arc::default(), seal, folder })
    }

    /// Whether `service` has a database there. Makes none.
    ///
    /// # Errors
    ///
    /// The database server can't be reached.
    pub async fn exists(config: &Config, service: &str) -> anyhow::Result<bool> {
        let Some(url) = config.server() else {
            return Ok(config.file(service).try_exists()?);
        };
        let mut connection = server(url)?.connect().await.context(NO_SERVER)?;
        let found = sqlx::query_scalar("select to_regclass($1) is not null")
            .bind(format!("{service}.changes"))
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        Ok(found)
    }
}

impl Pools {
    /// A connection that may write, outside any transaction.
    async fn writer(&self) -> sqlx::Result<Conn> {
        #[expect(clippy::disallowed_methods, reason = "before anybody else writes")]
        Ok(match self {
            Self::Sqlite { write, .. } => write.acquire().await?.into(),
            Self::Postgres { shared, .. } => shared.acquire().await?.into(),
        })
    }
}

const NO_URL: &str = "DATABASE_URL is not a PostgreSQL URL";
pub(super) const NO_SERVER: &str = "can't reach the database server";

/// How the server at `url` is reached.
pub(super) fn server(url: &str) -> anyhow::Result<PgConnectOptions> {
    url.parse().context(NO_URL)
}

fn use_folder(config: &Config) -> anyhow::Result<FolderLock> {
    config.make_folder()?;
    FolderLock::shared(&config.data_dir)
}

/// Makes `file`, if there is none, for its owner's eyes alone, also in a folder that others may look into. What SQLite lays
/// beside it has its rights.
///
/// # Errors
///
/// It can't be made.
pub fn keep_private(file: &Path) -> io::Result<()> {
    // One that is there is not opened: to close it would end the locks that others of this process have on it.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made.map(drop),
    }
    if fs::metadata(file)?.permissions().mode() & 0o077 != 0
        && let Err(error) = fs::set_permissions(file, Permissions::from_mode(0o600))
    {
        tracing::warn!(file = %file.display(), %error, "others may read the database");
    }
    Ok(())
}

async fn sqlite(
    config: &Config,
    service: &str,
    migrations: &Migrator,
) -> anyhow::Result<(Pools, pulse::Options)> {
    let file = config.file(service);
    let options = SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // Every acknowledged write is on the disk; NORMAL may lose the last ones with the power.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        // The rows of a large page come over at once: its two threads needn't wake each other in between.
        .row_buffer_size(1000)
        .log_statements(LevelFilter::Trace);

    let pool = |connections| {
        SqlitePoolOptions::new()
            .min_connections(1)
            .max_connections(connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            // SQLite rolls back by itself when the disk is full, and sqlx doesn't notice: without this, the one writer
            // refuses every transaction until it is restarted.
            .before_acquire(|connection, _| {
                Box::pin(async move { Ok(!connection.is_in_transaction()) })
            })
    };
    let open = || format!("can't open the database {}", file.display());
    keep_private(&file).with_context(open)?;
    update_file(options.clone(), migrations).await.with_context(open)?;
    let write: SqlitePool = pool(1).connect_with(options.clone()).await.with_context(open)?;
    // A reader can open only a file that is there.
    let options = options.read_only(true);
    let read = pool(READERS).connect_with(options.clone()).await.with_context(open)?;
    Ok((Pools::Sqlite { write, read }, pulse::Options::Sqlite(options)))
}

/// Takes the steps that the file hasn't taken, all or none: another process that starts meanwhile waits, and finds them taken.
async fn update_file(options: SqliteConnectOptions, migrations: &Migrator) -> anyhow::Result<()> {
    // A migration may take longer than a request may.
    let mut connection = options.busy_timeout(Duration::from_mins(10)).connect().await?;
    let mut transaction = connection.begin_with("begin immediate").await?;
    schema::all_in_file(migrations).run(&mut *transaction).await?;
    transaction.commit().await?;
    connection.close().await?;
    Ok(())
}

async fn postgres(
    config: &Config,
    url: &str,
    service: &'static str,
    migrations: &Migrator,
) -> anyhow::Result<(Pools, pulse::Options)> {
    let options =
        server(url)?.application_name(service).log_statements(LevelFilter::Trace).options([
            ("search_path", service),
            ("statement_timeout", "5s"),
            ("lock_timeout", "2s"),
            ("idle_in_transaction_session_timeout", "10s"),
            ("synchronous_commit", "on"),
            // Of disks that don't turn. By its own default PostgreSQL would rather walk through what others have than jump to a
            // list's last rows by their index.
            ("random_page_cost", "1.1"),
        ]);

    let mut connection = options.connect().await.context(NO_SERVER)?;
    update::on_server(&mut connection, service, migrations)
        .await
        .context("can't update the schema")?;
    connection.close().await?;

    let pool = |connections| {
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(|connection, metadata| {
                Box::pin(async move {
                    if metadata.idle_for >= FRESH {
                        connection.execute("begin; rollback").await?;
                    }
                    Ok(true)
                })
            })
    };
    let shared: PgPool = pool(config.database_connections).connect_with(options.clone()).await?;
    let reserved = pool(1).connect_lazy_with(options.clone());
    Ok((Pools::Postgres { shared, reserved }, pulse::Options::Postgres(options)))
}
