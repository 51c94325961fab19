//! Rows of an embedded database.

use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use futures_util::TryStreamExt;
use sqlx::{
    AssertSqlSafe, Row, Sqlite, SqliteConnection, TypeInfo, ValueRef,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};
use tokio::sync::mpsc;

use super::{
    Rows,
    form::{self, Batch, Kind},
    table::{self, Column, Table, quoted},
};

/// The most values in one statement, and the most rows.
const VALUES: usize = 8000;
const ROWS: usize = 500;

/// The steps that the database has taken.
pub async fn versions(c: &mut SqliteConnection) -> anyhow::Result<Vec<i64>> {
    let is_there: bool = sqlx::query_scalar(
        "select count(*) > 0 from sqlite_schema where name = '_sqlx_migrations'",
    )
    .fetch_one(&mut *c)
    .await?;
    if !is_there {
        return Ok(Vec::new());
    }
    let versions = "select version from _sqlx_migrations where success order by version";
    Ok(sqlx::query_scalar(versions).fetch_all(c).await?)
}

/// The tables that are copied.
pub async fn tables(c: &mut SqliteConnection) -> anyhow::Result<Vec<Table>> {
    let names: Vec<String> = sqlx::query_scalar(
        // Virtual tables and what they keep are of another type.
        "select name
         from pragma_table_list
         where schema = 'main' and type = 'table' and name not like 'sqlite~_%' escape '~'
         order by name",
    )
    .fetch_all(&mut *c)
    .await?;
    let mut tables = Vec::new();
    for name in names.into_iter().filter(|name| table::is_copied(name)) {
        let columns: Vec<(String, String)> =
            sqlx::query_as("select name, lower(type) from pragma_table_info($1) order by name")
                .bind(&name)
                .fetch_all(&mut *c)
                .await?;
        let columns =
            columns.into_iter().filter(|(column, _)| table::is_copied_column(&name, column));
        let columns = columns.map(|(column, kind)| self::column(&name, column, &kind));
        let columns = columns.collect::<anyhow::Result<_>>()?;
        let sequence = sqlx::query_scalar("select seq from sqlite_sequence where name = $1")
            .bind(&name)
            .fetch_optional(&mut *c)
            .await?;
        tables.push(Table { name, columns, sequence });
    }
    Ok(tables)
}

fn column(table: &str, name: String, kind: &str) -> anyhow::Result<Column> {
    let kind = match kind {
        "uuid" => Kind::Uuid,
        "text" => Kind::Text,
        "integer" | "bigint" | "int" => Kind::Integer,
        "real" | "double precision" | "double" => Kind::Float,
        "boolean" => Kind::Boolean,
        "blob" => Kind::Bytes,
        _ => bail!("{table}.{name} has a type that can't be copied: {kind}"),
    };
    Ok(Column { name, kind })
}

/// How many rows a table has.
pub async fn count(c: &mut SqliteConnection, table: &Table) -> anyhow::Result<i64> {
    let count = format!("select count(*) from {}", quoted(&table.name));
    Ok(sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(c).await?)
}

/// Sends all rows of a table out.
pub async fn read(
    c: &mut SqliteConnection,
    table: &Table,
    out: &mpsc::Sender<Batch>,
) -> anyhow::Result<()> {
    let values: Vec<_> =
        table.columns.iter().map(|column| table::in_file(&table.name, column)).collect();
    let select = format!("select {} from {}", values.join(", "), quoted(&table.name));
    let mut rows = sqlx::query(AssertSqlSafe(select)).fetch(c);
    let mut batch = Batch::default();
    while let Some(row) = rows.try_next().await? {
        batch.row(table.columns.len())?;
        for (index, column) in table.columns.iter().enumerate() {
            put(&mut batch, &row, index, column.kind).with_context(|| column.name.clone())?;
        }
        if let Some(full) = batch.full() {
            out.send(full).await?;
        }
    }
    Ok(out.send(batch).await?)
}

fn put(batch: &mut Batch, row: &SqliteRow, index: usize, kind: Kind) -> anyhow::Result<()> {
    let value = row.try_get_raw(index)?;
    if value.is_null() {
        return batch.field(None);
    }
    // A column takes values of any type here.
    let found = value.type_info().name().to_owned();
    let expected = match kind {
        Kind::Integer | Kind::Boolean => "INTEGER",
        Kind::Float => "REAL",
        Kind::Text => "TEXT",
        Kind::Uuid | Kind::Bytes => "BLOB",
    };
    ensure!(found == expected, "{found} where {expected} belongs");
    match kind {
        Kind::Integer => batch.field(Some(&row.try_get_unchecked::<i64, _>(index)?.to_be_bytes())),
        Kind::Boolean => {
            batch.field(Some(&[u8::from(row.try_get_unchecked::<i64, _>(index)? != 0)]))
        }
        Kind::Float => batch.field(Some(&row.try_get_unchecked::<f64, _>(index)?.to_be_bytes())),
        Kind::Text => batch.field(Some(row.try_get_unchecked::<&str, _>(index)?.as_bytes())),
        Kind::Bytes => batch.field(Some(row.try_get_unchecked::<&[u8], _>(index)?)),
        Kind::Uuid => {
            let bytes = row.try_get_unchecked::<&[u8], _>(index)?;
            ensure!(bytes.len() == 16, "a UUID of {} bytes", bytes.len());
            batch.field(Some(bytes))
        }
    }
}

/// Adds rows to a table.
pub async fn write(
    c: &mut SqliteConnection,
    table: &Table,
    rows: &mut Rows<'_>,
) -> anyhow::Result<()> {
    let at_once = (VALUES / table.columns.len().max(1)).clamp(1, ROWS);
    let many = insert(table, at_once);
    sqlx::raw_sql("begin").execute(&mut *c).await?;
    while let Some(batch) = rows.next().await {
        let all: Vec<&[u8]> = batch.split().collect();
        for some in all.chunks(at_once) {
            let text = if some.len() == at_once { many.clone() } else { insert(table, some.len()) };
            let mut query = sqlx::query(AssertSqlSafe(text)).persistent(some.len() == at_once);
            for row in some {
                for (field, column) in form::fields(row).zip(&table.columns) {
                    query = bound(query, field, column.kind)?;
                }
            }
            query.execute(&mut *c).await?;
        }
    }
    sqlx::raw_sql("commit").execute(c).await?;
    Ok(())
}

/// Inserts so many rows. Named parameters would be looked up one by one.
fn insert(table: &Table, rows: usize) -> Arc<str> {
    let (mut names, mut row) = (table.names(), vec!["?"; table.columns.len()].join(", "));
    if table.is_cursors() {
        // An embedded log has no transactions.
        names = format!("{names}, {}", table::TRANSACTION);
        row.push_str(", 0");
    }
    let values = vec![format!("({row})"); rows].join(", ");
    format!("insert into {} ({names}) values {values}", quoted(&table.name)).into()
}

type Insert<'q> = Query<'q, Sqlite, SqliteArguments>;

fn bound<'q>(query: Insert<'q>, field: Option<&[u8]>, kind: Kind) -> anyhow::Result<Insert<'q>> {
    let Some(field) = field else { return Ok(query.bind(None::<i64>)) };
    Ok(match kind {
        Kind::Integer => query.bind(form::integer(field)?),
        Kind::Boolean => query.bind(field == [1]),
        Kind::Float => query.bind(f64::from_bits(form::integer(field)?.cast_unsigned())),
        Kind::Text => query.bind(std::str::from_utf8(field)?),
        Kind::Uuid | Kind::Bytes => query.bind(field),
    })
}

/// Removes what the steps of the schema laid into tables that are copied.
pub async fn clear(c: &mut SqliteConnection, tables: &[Table]) -> anyhow::Result<()> {
    for table in tables {
        let delete = format!("delete from {}", quoted(&table.name));
        sqlx::query(AssertSqlSafe(delete)).execute(&mut *c).await?;
    }
    Ok(())
}

/// Finds rows that refer to none.
pub async fn check_references(c: &mut SqliteConnection) -> anyhow::Result<()> {
    let found: Option<(String, String)> =
        sqlx::query_as("select \"table\", parent from pragma_foreign_key_check limit 1")
            .fetch_optional(c)
            .await?;
    if let Some((table, parent)) = found {
        bail!("a row of {table} refers to a row of {parent} that isn't there");
    }
    Ok(())
}

/// Has a table go on numbering its rows after `last`.
pub async fn continue_after(
    c: &mut SqliteConnection,
    table: &str,
    last: i64,
) -> anyhow::Result<()> {
    let set = sqlx::query("update sqlite_sequence set seq = max(seq, $1) where name = $2")
        .bind(last)
        .bind(table)
        .execute(&mut *c)
        .await?;
    let is_numbered = "select count(*) > 0 from sqlite_schema
                       where name = $1 and lower(sql) like '%autoincrement%'";
    if set.rows_affected() == 0
        && sqlx::query_scalar(is_numbered).bind(table).fetch_one(&mut *c).await?
    {
        sqlx::query("insert into sqlite_sequence (name, seq) values ($1, $2)")
            .bind(table)
            .bind(last)
            .execute(c)
            .await?;
    }
    Ok(())
}

/// Gives the change log an identity of its own, and has the numbers that watchers hold go on at `era`.
pub async fn set_apart(c: &mut SqliteConnection, told: &[&str], era: i64) -> anyhow::Result<()> {
    sqlx::query(table::SET_APART).bind(era).execute(&mut *c).await?;
    for table in told {
        continue_after(c, table, era).await?;
    }
    Ok(())
}
