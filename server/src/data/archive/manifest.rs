//! What the folder says of itself: `manifest.json`.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::data::{
    Contents, SCHEMAS, Service, Stock,
    form::{Kind, Tally},
    table::{Column, Table},
};

/// The form of the folder. A number that isn't known isn't read.
const FORMAT: u32 = 1;

/// What it is of and what it holds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    /// The version of Flightline that made it.
    pub version: String,
    /// The engine that it was made of. It can be restored into either.
    pub engine: String,
    /// The instant that it shows, RFC 3339.
    pub taken_at: String,
    services: Vec<ServicePart>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ServicePart {
    name: String,
    /// The steps that its schema had taken.
    schema_steps: Vec<i64>,
    tables: Vec<TablePart>,
}

/// A table and its file.
#[derive(Debug, Serialize, Deserialize)]
pub struct TablePart {
    name: String,
    columns: Vec<ColumnPart>,
    rows: u64,
    /// The sum of the checksums of its rows, in whatever order.
    content: String,
    /// The last number that it gave to a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sequence: Option<i64>,
    pub bytes: u64,
    pub sha256: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct ColumnPart {
    name: String,
    r#type: Kind,
}

/// A file that was written.
pub struct Written {
    pub bytes: u64,
    pub sha256: String,
}

impl Manifest {
    /// Of what was written into `files`.
    pub fn new(
        engine: &str,
        taken_at: String,
        contents: &Contents,
        files: &BTreeMap<String, Written>,
    ) -> anyhow::Result<Self> {
        let parts = contents.services.iter().map(|service| ServicePart::new(service, files));
        Ok(Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            engine: engine.to_owned(),
            taken_at,
            services: parts.collect::<anyhow::Result<_>>()?,
        })
    }

    /// Whether this version can read it.
    pub fn is_known(&self) -> bool {
        self.format == FORMAT
    }

    /// The files of the tables.
    pub fn files(&self) -> impl Iterator<Item = (String, &TablePart)> {
        self.services.iter().flat_map(|service| {
            service.tables.iter().map(|table| (file_name(&service.name, &table.name), table))
        })
    }

    /// What it holds.
    ///
    /// # Errors
    ///
    /// It holds what this version doesn't know.
    pub fn contents(&self) -> anyhow::Result<Contents> {
        let services = self.services.iter().map(ServicePart::service);
        Ok(Contents { services: services.collect::<anyhow::Result<_>>()? })
    }
}

/// Where the rows of a table are.
pub fn file_name(service: &str, table: &str) -> String {
    format!("{service}/{table}.copy")
}

impl ServicePart {
    fn new(service: &Service, files: &BTreeMap<String, Written>) -> anyhow::Result<Self> {
        let name = service.schema.service.to_owned();
        let table = |stock: &Stock| {
            let written = files.get(&file_name(&name, &stock.table.name));
            let written =
                written.with_context(|| format!("{} was not written", stock.table.name))?;
            anyhow::Ok(TablePart::new(stock, written))
        };
        let tables = service.tables.iter().map(table).collect::<anyhow::Result<_>>()?;
        Ok(Self { name, schema_steps: service.versions.clone(), tables })
    }

    fn service(&self) -> anyhow::Result<Service> {
        let schema = SCHEMAS.into_iter().find(|schema| schema.service == self.name);
        let schema = schema.with_context(|| format!("there is no service {}", self.name))?;
        let tables = self.tables.iter().map(TablePart::stock).collect::<anyhow::Result<_>>()?;
        Ok(Service { schema, versions: self.schema_steps.clone(), tables })
    }
}

impl TablePart {
    fn new(stock: &Stock, written: &Written) -> Self {
        let (table, tally) = (&stock.table, stock.tally.unwrap_or_default());
        let column =
            |column: &Column| ColumnPart { name: column.name.clone(), r#type: column.kind };
        Self {
            name: table.name.clone(),
            columns: table.columns.iter().map(column).collect(),
            rows: tally.rows,
            content: tally.content(),
            sequence: table.last_number(tally.rows),
            bytes: written.bytes,
            sha256: written.sha256.clone(),
        }
    }

    fn stock(&self) -> anyhow::Result<Stock> {
        let column =
            |column: &ColumnPart| Column { name: column.name.clone(), kind: column.r#type };
        let columns = self.columns.iter().map(column).collect();
        let table = Table { name: self.name.clone(), columns, sequence: self.sequence };
        let tally = Tally::parse(self.rows, &self.content)?;
        Ok(Stock { table, rows: self.rows, tally: Some(tally) })
    }
}
