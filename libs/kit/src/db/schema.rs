//! What a service's database holds, and how it comes to hold it.

use anyhow::{Context, bail, ensure};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, SqliteConnection,
    migrate::{Migration, Migrator},
    sqlite::SqliteConnectOptions,
};

use super::{Config, Db, open};

/// Names the lock of [`take_turn`] among all of the database.
const TURN: i64 = 7_166_823;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// The tables of one service.
pub struct Schema {
    /// Whose they are: the name of the embedded file, and of the schema on a server.
    pub service: &'static str,
    /// How they come about on the embedded engine, in one or more parts; numbers below 100 are this library's.
    pub sqlite: &'static [&'static Migrator],
    /// The same on a server, under the same numbers.
    pub postgres: &'static [&'static Migrator],
    /// Tables whose rows watchers are told of by their numbers. In a copy the numbers go on at a place that nobody has heard
    /// of: who resumes from the original is told all that is new, whatever came there after the copy was made.
    pub told: &'static [&'static str],
}

/// A step that a database has yet to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number.
    pub version: i64,
    /// What it brings.
    pub name: String,
}

impl Schema {
    /// Opens the database, brought up to date.
    ///
    /// # Errors
    ///
    /// It can't be reached or holds a schema that this version doesn't know.
    pub async fn open(&self, config: &Config) -> anyhow::Result<Db> {
        let ours = if config.server().is_some() { self.postgres } else { self.sqlite };
        Db::open(config, self.service, &joined(ours)).await
    }

    /// The numbers of the steps that the database has taken; none, if there is no database. Makes none.
    ///
    /// # Errors
    ///
    /// It can't be reached, or has taken a step that this version doesn't know.
    pub async fn taken(&self, config: &Config) -> anyhow::Result<Vec<i64>> {
        let taken = match config.server() {
            Some(url) => {
                let mut connection = open::server(url)?.connect().await.context(open::NO_SERVER)?;
                let taken = taken_on_postgres(&mut connection, self.service).await?;
                connection.close().await?;
                taken
            }
            None => taken_in_file(config, self.service).await?,
        };
        self.check(config.server().is_some(), taken)
    }

    /// The steps that the database has yet to take. Takes none.
    ///
    /// # Errors
    ///
    /// As [above](Self::taken).
    pub async fn pending(&self, config: &Config) -> anyhow::Result<Vec<Step>> {
        let taken = self.taken(config).await?;
        let all = self.steps(config.server().is_some());
        let pending = all.iter().filter(|step| !taken.contains(&step.version));
        let step = |step: &Migration| Step {
            version: step.version,
            name: step.description.clone().into_owned(),
        };
        Ok(pending.map(step).collect())
    }

    /// Whether this version knows the step of that number.
    pub fn knows(&self, on_server: bool, version: i64) -> bool {
        self.steps(on_server).version_exists(version)
    }

    /// Takes, on an embedded database, those of the steps that `wanted` wants and that weren't taken.
    ///
    /// # Errors
    ///
    /// A step fails.
    pub async fn build_file(
        &self,
        connection: &mut SqliteConnection,
        wanted: impl Fn(i64) -> bool,
    ) -> anyhow::Result<()> {
        some(&self.steps(false), wanted).run(connection).await?;
        Ok(())
    }

    /// The same on a server, on a connection whose `search_path` is the service's schema.
    ///
    /// # Errors
    ///
    /// A step fails.
    pub async fn build_on_server(
        &self,
        connection: &mut PgConnection,
        wanted: impl Fn(i64) -> bool,
    ) -> anyhow::Result<()> {
        some(&self.steps(true), wanted).run(&mut *connection).await?;
        compare_by_bytes(connection).await?;
        Ok(())
    }

    fn steps(&self, on_server: bool) -> Migrator {
        if on_server {
            all_on_server(&joined(self.postgres))
        } else {
            all_in_file(&joined(self.sqlite))
        }
    }

    /// Holds the steps that were taken against those that there are.
    fn check(&self, on_server: bool, taken: Vec<(i64, Vec<u8>)>) -> anyhow::Result<Vec<i64>> {
        let (service, steps) = (self.service, self.steps(on_server));
        for (version, checksum) in &taken {
            let Some(step) = steps.iter().find(|step| step.version == *version) else {
                bail!("the database of {service} is of a newer version (step {version})");
            };
            let is_same = step.checksum.as_ref() == checksum.as_slice();
            ensure!(is_same, "step {version} of the database of {service} was another one");
        }
        Ok(taken.into_iter().map(|(version, _)| version).collect())
    }
}

/// The steps of all parts, in the order of their numbers.
fn joined(parts: &[&Migrator]) -> Migrator {
    let mut all: Vec<Migration> = parts.iter().flat_map(|part| part.iter()).cloned().collect();
    all.sort_by_key(|step| step.version);
    Migrator::with_migrations(all)
}

/// This library's steps and a service's, in one history.
pub(super) fn all_in_file(service: &Migrator) -> Migrator {
    Migrator::with_migrations(SQLITE.iter().chain(service.iter()).cloned().collect())
}

/// The same on a server.
pub(super) fn all_on_server(service: &Migrator) -> Migrator {
    Migrator::with_migrations(POSTGRES.iter().chain(service.iter()).cloned().collect())
}

fn some(steps: &Migrator, wanted: impl Fn(i64) -> bool) -> Migrator {
    let mut some = Migrator::with_migrations(
        steps.iter().filter(|step| wanted(step.version)).cloned().collect(),
    );
    // What was taken and isn't wanted now stays.
    some.set_ignore_missing(true);
    some
}

async fn taken_in_file(config: &Config, service: &str) -> anyhow::Result<Vec<(i64, Vec<u8>)>> {
    let file = config.file(service);
    if !file.try_exists()? {
        return Ok(Vec::new());
    }
    let mut connection = SqliteConnectOptions::new()
        .filename(&file)
        .read_only(true)
        .connect()
        .await
        .with_context(|| format!("can't open the database {}", file.display()))?;
    let is_there: bool = sqlx::query_scalar(
        "select count(*) > 0 from sqlite_schema where name = '_sqlx_migrations'",
    )
    .fetch_one(&mut connection)
    .await?;
    let mut taken = Vec::new();
    if is_there {
        taken = sqlx::query_as(
            "select version, checksum from _sqlx_migrations where success order by version",
        )
        .fetch_all(&mut connection)
        .await?;
    }
    connection.close().await?;
    Ok(taken)
}

async fn taken_on_postgres(
    connection: &mut PgConnection,
    service: &str,
) -> anyhow::Result<Vec<(i64, Vec<u8>)>> {
    let table = format!("{service}._sqlx_migrations");
    let is_there: bool = sqlx::query_scalar("select to_regclass($1) is not null")
        .bind(&table)
        .fetch_one(&mut *connection)
        .await?;
    if !is_there {
        return Ok(Vec::new());
    }
    let query = format!("select version, checksum from {table} where success order by version");
    Ok(sqlx::query_as(AssertSqlSafe(query)).fetch_all(connection).await?)
}

/// Waits until nobody else changes which tables there are on the server, and keeps others from it until the transaction ends.
///
/// # Errors
///
/// The server can't be reached, or the connection waits no longer.
pub async fn take_turn(transaction: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("select pg_advisory_xact_lock($1)").bind(TURN).execute(transaction).await.map(drop)
}

/// Has every column of text ordered by its bytes, whatever the database's language: lists are in one order on both engines,
/// and an index serves a column's every comparison. Only columns that are new since the last start are altered.
pub(super) async fn compare_by_bytes(connection: &mut PgConnection) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    take_turn(&mut transaction).await?;
    transaction
        .execute(
            r#"do $$
               declare place record;
               begin
                   for place in
                       select attrelid::regclass as relation, attname
                       from pg_attribute
                       join pg_class on pg_class.oid = attrelid
                       join pg_collation on pg_collation.oid = attcollation
                       where relnamespace = current_schema()::regnamespace
                         and relkind in ('r', 'p')
                         and atttypid = 'text'::regtype
                         and attinhcount = 0
                         and not attisdropped
                         and collname <> 'C'
                   loop
                       execute format(
                           'alter table %s alter column %I type text collate "C"',
                           place.relation, place.attname
                       );
                   end loop;
               end $$"#,
        )
        .await?;
    transaction.commit().await
}
