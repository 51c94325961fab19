//! `flightline move`: all data from the embedded databases to a server.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use kit::db::Config;
use sqlx::Connection;

use crate::data::{
    Contents, SCHEMAS, Sink, Source,
    fill::{compare, fill, is_empty},
    place::Place,
    pour, progress,
    report::{say, tell},
    snapshot::{self, Beside, Snapshot},
};

/// Move all data from the embedded databases to a database server
///
/// The suite must be stopped. Every row is read again on the server and compared before anything is kept there. The embedded
/// databases stay as they are. Run again after it was cut off, it starts over; after it was done, it compares once more,
/// unless they are of an older version than the server.
#[derive(clap::Args)]
pub struct Move {
    /// The server, as in `postgres://user:password@host/database`. Other users of this machine can see arguments, so set
    /// the variable
    #[arg(
        long,
        value_name = "URL",
        env = "DATABASE_URL",
        hide_env_values = true,
        value_parser = kit::db::url
    )]
    to: String,

    /// Folder of the embedded databases
    #[arg(long, env = "FLIGHTLINE_DATA_DIR", default_value = "./data")]
    data_dir: PathBuf,
}

impl Move {
    /// Does it.
    ///
    /// # Errors
    ///
    /// The suite runs, or the server holds other data. Nothing has changed then.
    pub async fn run(self) -> anyhow::Result<()> {
        let Self { to, data_dir } = self;
        let from = Config { data_dir, database_url: None, database_connections: 1 };
        let server = Config { database_url: Some(to.clone()), ..from.clone() };
        ensure!(server.server().is_some(), "--to is empty");
        let mut snapshot = Snapshot::take(&from, Beside::Nobody).await?;
        let mut contents = snapshot.contents().await?;

        if is_new(&to).await? {
            fill(&server, &mut Source::Place(snapshot.place()), &mut contents).await?;
            tell(&contents);
            say("moved, and compared row by row. Start the suite with DATABASE_URL from now on");
        } else {
            check_versions(&to, &contents).await?;
            read(&mut snapshot, &mut contents).await?;
            compare_again(&to, &contents)
                .await
                .context("the server holds other data, which stays as it is")?;
            tell(&contents);
            say("moved before: the server holds the same");
        }
        Ok(())
    }
}

async fn is_new(url: &str) -> anyhow::Result<bool> {
    let mut connection = snapshot::connect(url, "flightline").await?;
    let is_new = is_empty(&mut connection).await?;
    connection.close().await?;
    Ok(is_new)
}

/// Makes sure that what is on the server can be compared with what is here: rows are of the version that wrote them last.
async fn check_versions(url: &str, contents: &Contents) -> anyhow::Result<()> {
    let mut connection = snapshot::connect(url, "flightline").await?;
    let mut place = Place::Server(&mut connection);
    for here in &contents.services {
        let there = place.survey(here.schema).await?;
        ensure!(
            there.is_none_or(|there| there.versions == here.versions),
            "{} is of another version on the server, which can't be compared with this one, and stays as it is",
            here.schema.service
        );
    }
    connection.close().await?;
    Ok(())
}

/// Finds out what the rows of all tables come to.
async fn read(snapshot: &mut Snapshot, contents: &mut Contents) -> anyhow::Result<()> {
    let bar = progress("reading", contents.rows());
    for service in &mut contents.services {
        for stock in &mut service.tables {
            let mut source = Source::Place(snapshot.place());
            let name = service.schema.service;
            let tally = pour(&mut source, &mut Sink::Nowhere, name, &stock.table, &bar).await?;
            stock.tally = Some(tally);
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Compares what is on the server with what was read here.
async fn compare_again(url: &str, contents: &Contents) -> anyhow::Result<()> {
    let mut connection = snapshot::connect(url, "flightline").await?;
    let mut place = Place::Server(&mut connection);
    for schema in SCHEMAS {
        let there = place.survey(schema).await?;
        let here = contents.services.iter().find(|here| here.schema.service == schema.service);
        let name = schema.service;
        let tables = |service: &crate::data::Service| {
            let tables = service
                .tables
                .iter()
                .map(|stock| (stock.table.name.clone(), stock.table.columns.clone(), stock.rows));
            tables.collect::<Vec<_>>()
        };
        let is_alike = here.map(tables) == there.as_ref().map(tables);
        ensure!(is_alike, "{name} holds other tables or another number of rows");
    }
    compare(&mut place, contents).await?;
    connection.close().await?;
    Ok(())
}
