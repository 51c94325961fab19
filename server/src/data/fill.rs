//! Empty databases that come to hold all of a source, or stay as they were: what was written is read again and compared
//! before anything is kept.

mod folder;

use anyhow::{Context, ensure};
use indicatif::ProgressBar;
use kit::{
    Clock,
    db::{Config, take_turn},
};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use self::folder::Folder;
use super::{
    Contents, SCHEMAS, Service, Sink, Source, Stock, files,
    place::{Files, Place, file},
    pour, progress, server, snapshot,
    table::Table,
};

/// Fills the databases of `config`, which must be empty, with all of `source`; notes in `contents` what its rows came to.
///
/// # Errors
///
/// There is data already, the source is of a newer version, or what was written is not what was read. Nothing is kept then.
pub async fn fill(
    config: &Config,
    source: &mut Source<'_>,
    contents: &mut Contents,
) -> anyhow::Result<()> {
    let on_server = config.server().is_some();
    for service in &contents.services {
        let (name, schema) = (service.schema.service, service.schema);
        let unknown = service.versions.iter().find(|version| !schema.knows(on_server, **version));
        ensure!(
            unknown.is_none(),
            "the data of {name} is of a newer version of Flightline (step {})",
            unknown.copied().unwrap_or_default()
        );
    }
    match config.server() {
        Some(url) => fill_server(url, source, contents).await,
        None => fill_files(config, source, contents).await,
    }
}

/// Whether the databases on the server hold nothing.
pub async fn is_empty(connection: &mut PgConnection) -> anyhow::Result<bool> {
    let services = SCHEMAS.map(|schema| schema.service.to_owned());
    let tables: i64 = sqlx::query_scalar(
        "select count(*)
         from pg_class
         join pg_namespace on pg_namespace.oid = relnamespace
         where nspname = any($1) and relkind in ('r', 'p')",
    )
    .bind(&services[..])
    .fetch_one(connection)
    .await?;
    Ok(tables == 0)
}

/// Compares what is in `place` with what `contents` came to.
///
/// # Errors
///
/// A table is not the same.
pub async fn compare(place: &mut Place<'_>, contents: &Contents) -> anyhow::Result<()> {
    let bar = progress("comparing", contents.rows());
    for service in &contents.services {
        let name = service.schema.service;
        for Stock { table, tally, .. } in &service.tables {
            let mut source = Source::Place(place.lend());
            let found = pour(&mut source, &mut Sink::Nowhere, name, table, &bar).await?;
            let expected = tally.unwrap_or_default();
            ensure!(
                found == expected,
                "{name}.{} holds {} rows with the checksum {}, not {} with {}",
                table.name,
                found.rows,
                found.content(),
                expected.rows,
                expected.content()
            );
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Writes all rows, and holds them against what they are said to come to.
async fn load(
    source: &mut Source<'_>,
    place: &mut Place<'_>,
    contents: &mut Contents,
) -> anyhow::Result<()> {
    let bar: ProgressBar = progress("writing", contents.rows());
    for service in &mut contents.services {
        let name = service.schema.service;
        for stock in &mut service.tables {
            let mut sink = Sink::Place(place.lend());
            let tally = pour(source, &mut sink, name, &stock.table, &bar).await?;
            let is_expected = stock.tally.is_none_or(|expected| expected == tally);
            ensure!(is_expected, "{name}.{} is not what it is said to be", stock.table.name);
            stock.tally = Some(tally);
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Checks that the tables are those of the source.
fn check_tables(service: &Service, found: &[Table]) -> anyhow::Result<()> {
    let names = |table: &Table| (table.name.clone(), table.columns.clone());
    let found: Vec<_> = found.iter().map(names).collect();
    let expected: Vec<_> = service.tables.iter().map(|stock| names(&stock.table)).collect();
    let differs = expected
        .iter()
        .find(|table| !found.contains(table))
        .or_else(|| found.iter().find(|table| !expected.contains(table)));
    let name = service.schema.service;
    ensure!(differs.is_none(), "{name}: the table {} is not alike here and there", {
        differs.map(|(table, _)| table.as_str()).unwrap_or_default()
    });
    Ok(())
}

/// What no copy had before, and no watcher's token names: the moment.
fn era() -> i64 {
    Clock::system().now().micros()
}

async fn fill_files(
    config: &Config,
    source: &mut Source<'_>,
    contents: &mut Contents,
) -> anyhow::Result<()> {
    let folder = Folder::prepare(config)?;
    let mut files = Files::new();
    for service in &contents.services {
        let options = SqliteConnectOptions::new()
            .filename(folder.make(service.schema.service)?)
            .foreign_keys(false)
            // Until it has its place, nobody misses what a crash takes; then all of it is on the disk.
            .journal_mode(SqliteJournalMode::Memory)
            .synchronous(SqliteSynchronous::Off);
        let mut connection = options.connect().await?;
        let versions = &service.versions;
        let step = |version| versions.contains(&version);
        service.schema.build_file(&mut connection, step).await?;
        let tables = files::tables(&mut connection).await?;
        check_tables(service, &tables)?;
        files::clear(&mut connection, &tables).await?;
        files.insert(service.schema.service, connection);
    }

    load(source, &mut Place::Files(&mut files), contents).await?;
    compare(&mut Place::Files(&mut files), contents).await?;

    let era = era();
    for service in &contents.services {
        let connection = file(&mut files, service.schema.service)?;
        files::check_references(connection).await?;
        for Stock { table, rows, .. } in &service.tables {
            if let Some(last) = table.last_number(*rows) {
                files::continue_after(connection, &table.name, last).await?;
            }
        }
        service.schema.build_file(connection, |_| true).await?;
        files::set_apart(connection, service.schema.told, era).await?;
    }
    for (_, connection) in files {
        connection.close().await?;
    }
    folder.put_in_place()
}

async fn fill_server(
    url: &str,
    source: &mut Source<'_>,
    contents: &mut Contents,
) -> anyhow::Result<()> {
    let mut connection = snapshot::connect(url, "flightline").await?;
    // One transaction: all of it is there or nothing.
    let mut tx = connection.begin().await?;
    // Whoever starts on the database meanwhile waits, as for a migration.
    take_turn(&mut tx).await?;
    ensure!(is_empty(&mut tx).await?, "the database holds data of Flightline already");
    let mut references = Vec::new();
    for service in &contents.services {
        let name = service.schema.service;
        let create = AssertSqlSafe(format!("create schema if not exists {name}"));
        sqlx::raw_sql(create).execute(&mut *tx).await.with_context(|| format!("schema {name}"))?;
        enter(&mut tx, name).await?;
        let versions = &service.versions;
        let step = |version| versions.contains(&version);
        service.schema.build_on_server(&mut tx, step).await?;
        let tables = server::tables(&mut tx, name).await?;
        check_tables(service, &tables)?;
        references.push(server::open_up(&mut tx, name, &tables).await?);
    }

    load(source, &mut Place::Server(&mut tx), contents).await?;
    compare(&mut Place::Server(&mut tx), contents).await?;

    let era = era();
    for (service, references) in contents.services.iter().zip(references) {
        let name = service.schema.service;
        enter(&mut tx, name).await?;
        server::close_up(&mut tx, references).await?;
        for Stock { table, rows, .. } in &service.tables {
            let last = table.last_number(*rows).unwrap_or_default();
            server::continue_after(&mut tx, name, &table.name, last).await?;
        }
        service.schema.build_on_server(&mut tx, |_| true).await?;
        server::set_apart(&mut tx, name, service.schema.told, era).await?;
    }
    tx.commit().await?;
    // All of it is there now, whatever comes of this.
    if let Err(error) = analyze(connection, contents).await {
        tracing::warn!(%error, "the tables are there, and queries may be slow until the server has looked at them");
    }
    Ok(())
}

/// Has the server look at the new tables: nobody has yet, and autovacuum may take a minute. To look at the server's own is for
/// its superuser.
async fn analyze(mut connection: PgConnection, contents: &Contents) -> sqlx::Result<()> {
    let tables = contents.services.iter().flat_map(|service| {
        service.tables.iter().map(|stock| server::place(service.schema.service, &stock.table))
    });
    let analyze = format!("analyze {}", tables.collect::<Vec<_>>().join(", "));
    sqlx::raw_sql(AssertSqlSafe(analyze)).execute(&mut connection).await?;
    connection.close().await
}

/// Makes a service's schema the one that names without another are in.
async fn enter(connection: &mut PgConnection, service: &str) -> sqlx::Result<()> {
    let set = AssertSqlSafe(format!("set local search_path to {service}"));
    sqlx::raw_sql(set).execute(connection).await.map(drop)
}
