//! Databases of either engine, that rows are read from and written to.

use std::collections::BTreeMap;

use anyhow::Context;
use kit::db::Schema;
use sqlx::{PgConnection, SqliteConnection};
use tokio::sync::mpsc;

use super::{Rows, Service, Stock, files, form::Batch, server, table::Table};

/// The embedded databases, by service.
pub type Files = BTreeMap<&'static str, SqliteConnection>;

/// All databases.
pub enum Place<'p> {
    Files(&'p mut Files),
    Server(&'p mut PgConnection),
}

/// The connection to one service's embedded database.
pub fn file<'f>(files: &'f mut Files, service: &str) -> anyhow::Result<&'f mut SqliteConnection> {
    files.get_mut(service).with_context(|| format!("{service} has no database there"))
}

impl Place<'_> {
    /// The same, for somebody else for a while.
    pub fn lend(&mut self) -> Place<'_> {
        match self {
            Self::Files(files) => Place::Files(files),
            Self::Server(connection) => Place::Server(connection),
        }
    }

    /// What the service's database holds: none, if it has none.
    pub async fn survey(&mut self, schema: &'static Schema) -> anyhow::Result<Option<Service>> {
        let service = schema.service;
        let (versions, tables) = match self {
            Self::Files(files) if !files.contains_key(service) => return Ok(None),
            Self::Files(files) => {
                let connection = file(files, service)?;
                (files::versions(connection).await?, files::tables(connection).await?)
            }
            Self::Server(connection) => (
                server::versions(connection, service).await?,
                server::tables(connection, service).await?,
            ),
        };
        if versions.is_empty() {
            return Ok(None);
        }
        let mut stocks = Vec::new();
        for table in tables {
            let rows = match self {
                Self::Files(files) => files::count(file(files, service)?, &table).await?,
                Self::Server(connection) => server::count(connection, service, &table).await?,
            };
            stocks.push(Stock { table, rows: u64::try_from(rows)?, tally: None });
        }
        Ok(Some(Service { schema, versions, tables: stocks }))
    }

    /// Sends all rows of a table out.
    pub async fn read(
        &mut self,
        service: &str,
        table: &Table,
        out: &mpsc::Sender<Batch>,
    ) -> anyhow::Result<()> {
        match self {
            Self::Files(files) => files::read(file(files, service)?, table, out).await,
            Self::Server(connection) => server::read(connection, service, table, out).await,
        }
    }

    /// Adds rows to a table.
    pub async fn write(
        &mut self,
        service: &str,
        table: &Table,
        rows: &mut Rows<'_>,
    ) -> anyhow::Result<()> {
        match self {
            Self::Files(files) => files::write(file(files, service)?, table, rows).await,
            Self::Server(connection) => server::write(connection, service, table, rows).await,
        }
    }
}
