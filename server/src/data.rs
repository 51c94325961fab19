//! All that the suite keeps, as rows that are alike on both engines. One way of copying serves three commands: `backup`
//! (from databases into a folder), `restore` (from a folder into databases) and `move` (from databases into others).
//!
//! | module | what it gives |
//! | --- | --- |
//! | [`form`] | a row as bytes, and what many rows come to |
//! | [`table`] | the tables that are copied, and how |
//! | [`place`], [`files`], [`server`] | databases of either engine, that rows are read from and written to |
//! | [`snapshot`] | the state of all databases at one instant |
//! | [`archive`] | a folder of rows with its checksums |
//! | [`fill`] | empty databases that come to hold all of a source |
//! | [`report`] | what whoever gave the command is told |

pub mod archive;
pub mod files;
pub mod fill;
pub mod form;
pub mod place;
pub mod report;
pub mod server;
pub mod snapshot;
pub mod table;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use kit::db::Schema;
use tokio::sync::mpsc;

use self::{
    archive::Archive,
    form::{Batch, Tally},
    place::Place,
    table::Table,
};

/// The tables of every service.
pub static SCHEMAS: [&Schema; 4] =
    [&auth::SCHEMA, &equipment::SCHEMA, &maintenance::SCHEMA, &telemetry::SCHEMA];

/// What is copied: every table of every service that has a database there.
pub struct Contents {
    /// In the order of [`SCHEMAS`].
    pub services: Vec<Service>,
}

/// One service's part of it.
pub struct Service {
    pub schema: &'static Schema,
    /// The steps that its database has taken.
    pub versions: Vec<i64>,
    pub tables: Vec<Stock>,
}

/// A table, and what is in it.
pub struct Stock {
    pub table: Table,
    /// How many rows, as far as is known before they are read.
    pub rows: u64,
    /// What they come to, if they were read.
    pub tally: Option<Tally>,
}

impl Contents {
    /// The rows of all tables.
    pub fn rows(&self) -> u64 {
        self.services.iter().flat_map(|service| &service.tables).map(|stock| stock.rows).sum()
    }
}

impl Service {
    /// The rows of all its tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|stock| stock.rows).sum()
    }
}

/// Where rows come from.
pub enum Source<'s> {
    Place(Place<'s>),
    Archive(&'s Archive),
}

impl Source<'_> {
    async fn read(
        &mut self,
        service: &str,
        table: &Table,
        out: &mpsc::Sender<Batch>,
    ) -> anyhow::Result<()> {
        match self {
            Self::Place(place) => place.read(service, table, out).await,
            Self::Archive(archive) => archive.read(service, table, out).await,
        }
    }
}

/// Where they go to.
pub enum Sink<'s> {
    Place(Place<'s>),
    Archive(&'s mut archive::Writer),
    /// They are counted and summed up alone.
    Nowhere,
}

impl Sink<'_> {
    async fn write(
        &mut self,
        service: &str,
        table: &Table,
        rows: &mut Rows<'_>,
    ) -> anyhow::Result<()> {
        match self {
            Self::Place(place) => place.write(service, table, rows).await,
            Self::Archive(writer) => writer.write(service, table, rows).await,
            Self::Nowhere => {
                while rows.next().await.is_some() {}
                Ok(())
            }
        }
    }
}

/// Rows on their way; they are counted and summed up as they pass.
pub struct Rows<'b> {
    batches: mpsc::Receiver<Batch>,
    tally: Tally,
    bar: &'b ProgressBar,
}

impl Rows<'_> {
    /// The next rows; none at the end.
    pub async fn next(&mut self) -> Option<Batch> {
        let batch = self.batches.recv().await?;
        self.tally.add(&batch);
        self.bar.inc(batch.rows);
        Some(batch)
    }
}

/// Batches that were read and not yet written.
const AHEAD: usize = 4;

/// Has all rows of a table pass from `source` to `sink`; answers what they come to.
pub async fn pour(
    source: &mut Source<'_>,
    sink: &mut Sink<'_>,
    service: &str,
    table: &Table,
    bar: &ProgressBar,
) -> anyhow::Result<Tally> {
    bar.set_message(format!("{service}.{}", table.name));
    let (sender, batches) = mpsc::channel(AHEAD);
    let mut rows = Rows { batches, tally: Tally::default(), bar };
    let read = async {
        // It ends with this, and so do the rows.
        let sender = sender;
        source.read(service, table, &sender).await
    };
    tokio::try_join!(read, sink.write(service, table, &mut rows))
        .with_context(|| format!("{service}.{}", table.name))?;
    Ok(rows.tally)
}

/// Shown on standard error if that is a terminal.
pub fn progress(what: &str, rows: u64) -> ProgressBar {
    let template = format!("{what} {{msg:28}} {{wide_bar}} {{percent}}% {{per_sec}} {{eta}}");
    let style = ProgressStyle::with_template(&template);
    ProgressBar::new(rows).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
