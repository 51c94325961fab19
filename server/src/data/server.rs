//! Rows of a database server.

use std::borrow::Cow;

use anyhow::{bail, ensure};
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::sync::mpsc;

use super::{
    Rows,
    form::{self, BEGIN, Batch, Cutter, END, Kind},
    table::{self, Column, Table, quoted},
};

/// The steps that the database of a service has taken.
pub async fn versions(c: &mut PgConnection, service: &str) -> anyhow::Result<Vec<i64>> {
    let table = format!("{}._sqlx_migrations", quoted(service));
    let is_there: bool = sqlx::query_scalar("select to_regclass($1) is not null")
        .bind(&table)
        .fetch_one(&mut *c)
        .await?;
    if !is_there {
        return Ok(Vec::new());
    }
    let versions = format!("select version from {table} where success order by version");
    Ok(sqlx::query_scalar(AssertSqlSafe(versions)).fetch_all(c).await?)
}

/// The tables that are copied.
pub async fn tables(c: &mut PgConnection, service: &str) -> anyhow::Result<Vec<Table>> {
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        r#"select relname::text, attname::text, format_type(atttypid, null)
           from pg_class
           join pg_attribute on attrelid = pg_class.oid
           where relnamespace = (select oid from pg_namespace where nspname = $1)
             and relkind in ('r', 'p') and not relispartition
             and attnum > 0 and not attisdropped
           order by relname::text collate "C", attname::text collate "C""#,
    )
    .bind(service)
    .fetch_all(&mut *c)
    .await?;
    let mut tables: Vec<Table> = Vec::new();
    for (name, column, kind) in rows {
        if !table::is_copied(&name) || !table::is_copied_column(&name, &column) {
            continue;
        }
        let column = self::column(&name, column, &kind)?;
        match tables.last_mut() {
            Some(table) if table.name == name => table.columns.push(column),
            _ => tables.push(Table { name, columns: vec![column], sequence: None }),
        }
    }
    for (table, _, sequence) in sequences(c, service).await? {
        if let Some(table) = tables.iter_mut().find(|other| other.name == table) {
            // Not yet called, it stands at the number to come.
            let last = format!("select last_value - (not is_called)::integer from {sequence}");
            table.sequence =
                sqlx::query_scalar(AssertSqlSafe(last)).fetch_optional(&mut *c).await?;
        }
    }
    Ok(tables)
}

fn column(table: &str, name: String, kind: &str) -> anyhow::Result<Column> {
    let kind = match kind {
        "uuid" => Kind::Uuid,
        "text" => Kind::Text,
        "smallint" | "integer" | "bigint" => Kind::Integer,
        "double precision" => Kind::Float,
        "boolean" => Kind::Boolean,
        "bytea" => Kind::Bytes,
        _ => bail!("{table}.{name} has a type that can't be copied: {kind}"),
    };
    Ok(Column { name, kind })
}

/// Tables that number their rows, in which column, and by which sequence.
async fn sequences(
    c: &mut PgConnection,
    service: &str,
) -> sqlx::Result<Vec<(String, String, String)>> {
    sqlx::query_as(
        "select relname::text, attname::text,
                pg_get_serial_sequence(format('%I.%I', $1, relname), attname)
         from pg_class
         join pg_attribute on attrelid = pg_class.oid
         where relnamespace = (select oid from pg_namespace where nspname = $1)
           and attidentity <> '' and not attisdropped",
    )
    .bind(service)
    .fetch_all(c)
    .await
}

/// How many rows a table has.
pub async fn count(c: &mut PgConnection, service: &str, table: &Table) -> anyhow::Result<i64> {
    let count = format!("select count(*) from {}", place(service, table));
    Ok(sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(c).await?)
}

/// Sends all rows of a table out.
pub async fn read(
    c: &mut PgConnection,
    service: &str,
    table: &Table,
    out: &mpsc::Sender<Batch>,
) -> anyhow::Result<()> {
    let values = table.columns.iter().map(|column| table::on_server(service, &table.name, column));
    let values = values.collect::<Vec<_>>().join(", ");
    let place = place(service, table);
    let copy = format!("copy (select {values} from {place}) to stdout (format binary)");
    let mut pieces = c.copy_out_raw(&copy).await?;
    let mut cutter = Cutter::default();
    while let Some(piece) = pieces.try_next().await? {
        cutter.push(&piece)?;
        if let Some(batch) = cutter.full() {
            out.send(batch).await?;
        }
    }
    Ok(out.send(cutter.last()?).await?)
}

/// Adds rows to a table.
pub async fn write(
    c: &mut PgConnection,
    service: &str,
    table: &Table,
    rows: &mut Rows<'_>,
) -> anyhow::Result<()> {
    let widths = widths(c, service, table).await?;
    let (place, names) = (place(service, table), table.names());
    let copy = format!("copy {place} ({names}) from stdin (format binary)");
    let mut copy = c.copy_in_raw(&copy).await?;
    copy.send(&BEGIN[..]).await?;
    let mut sent = 0;
    while let Some(batch) = rows.next().await {
        copy.send(&*narrowed(&batch, &widths)?).await?;
        sent += batch.rows;
    }
    copy.send(&END[..]).await?;
    let taken = copy.finish().await?;
    ensure!(taken == sent, "the server took {taken} of {sent} rows");
    Ok(())
}

/// The bytes of the table's integers; none for what isn't one.
async fn widths(
    c: &mut PgConnection,
    service: &str,
    table: &Table,
) -> anyhow::Result<Vec<Option<usize>>> {
    let mut widths = Vec::new();
    for column in &table.columns {
        let width: i16 = sqlx::query_scalar(
            "select attlen from pg_attribute where attrelid = $1::regclass and attname = $2",
        )
        .bind(place(service, table))
        .bind(&column.name)
        .fetch_one(&mut *c)
        .await?;
        let is_integer = column.kind == Kind::Integer;
        widths.push(is_integer.then(|| usize::try_from(width)).transpose()?);
    }
    Ok(widths)
}

/// The rows with integers as wide as the table has them.
fn narrowed<'b>(batch: &'b Batch, widths: &[Option<usize>]) -> anyhow::Result<Cow<'b, [u8]>> {
    if widths.iter().all(|width| width.is_none_or(|width| width == 8)) {
        return Ok(Cow::Borrowed(&batch.bytes));
    }
    let mut narrowed = Batch::default();
    for row in batch.split() {
        narrowed.row(widths.len())?;
        for (field, width) in form::fields(row).zip(widths) {
            match (field, width) {
                (Some(field), Some(4)) => {
                    narrowed.field(Some(&i32::try_from(form::integer(field)?)?.to_be_bytes()))?;
                }
                (Some(field), Some(2)) => {
                    narrowed.field(Some(&i16::try_from(form::integer(field)?)?.to_be_bytes()))?;
                }
                (field, _) => narrowed.field(field)?,
            }
        }
    }
    Ok(Cow::Owned(narrowed.bytes))
}

/// References between the tables of a service, which rows in whatever order would break.
pub struct References(Vec<(String, String, String)>);

/// Readies the tables for rows: removes what the steps of the schema laid there, and takes the references away for a while.
/// The service's schema is the `search_path`.
pub async fn open_up(
    c: &mut PgConnection,
    service: &str,
    tables: &[Table],
) -> anyhow::Result<References> {
    let references: Vec<(String, String, String)> = sqlx::query_as(
        "select conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid)
         from pg_constraint
         where contype = 'f' and connamespace = current_schema()::regnamespace
         order by 1, 2",
    )
    .fetch_all(&mut *c)
    .await?;
    for (table, name, _) in &references {
        run(c, format!("alter table {table} drop constraint {name}")).await?;
    }
    for table in tables {
        run(c, format!("delete from {}", place(service, table))).await?;
    }
    // What is read next in the copied log was written by this very transaction.
    run(
        c,
        "alter table cursors alter column transaction_id
         set default (pg_current_xact_id()::text::bigint)"
            .to_owned(),
    )
    .await?;
    Ok(References(references))
}

/// Puts the references back; a row that refers to none is found now.
pub async fn close_up(c: &mut PgConnection, references: References) -> anyhow::Result<()> {
    run(c, "alter table cursors alter column transaction_id drop default".to_owned()).await?;
    for (table, name, definition) in references.0 {
        run(c, format!("alter table {table} add constraint {name} {definition}")).await?;
    }
    Ok(())
}

async fn run(c: &mut PgConnection, statement: String) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(c).await.map(drop)
}

/// Has a table go on numbering its rows after `last`, if it numbers them.
pub async fn continue_after(
    c: &mut PgConnection,
    service: &str,
    table: &str,
    last: i64,
) -> anyhow::Result<()> {
    for (name, column, sequence) in sequences(c, service).await? {
        if name != table {
            continue;
        }
        let set = format!(
            "select setval($1::regclass, greatest(max({}), $2)) from {}.{} having greatest(max({}), $2) > 0",
            quoted(&column),
            quoted(service),
            quoted(table),
            quoted(&column),
        );
        sqlx::query(AssertSqlSafe(set)).bind(sequence).bind(last).execute(&mut *c).await?;
    }
    Ok(())
}

/// Gives the change log an identity of its own, and has the numbers that watchers hold go on at `era`.
pub async fn set_apart(
    c: &mut PgConnection,
    service: &str,
    told: &[&str],
    era: i64,
) -> anyhow::Result<()> {
    sqlx::query(table::SET_APART).bind(era).execute(&mut *c).await?;
    for table in told {
        continue_after(c, service, table, era).await?;
    }
    Ok(())
}

/// The name of a service's table, as SQL has it.
pub fn place(service: &str, table: &Table) -> String {
    format!("{}.{}", quoted(service), quoted(&table.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_as_wide_as_the_table_has_them_or_refused() {
        let row = |numbers: [i64; 3]| {
            let mut batch = Batch::default();
            batch.row(4).unwrap();
            for number in numbers {
                batch.field(Some(&number.to_be_bytes())).unwrap();
            }
            batch.field(Some(b"text of 8")).unwrap();
            batch
        };
        let widths = [Some(8), Some(4), Some(2), None];

        let batch = row([1 << 40, -7, 12]);
        let narrowed = narrowed(&batch, &widths).unwrap();

        let fields: Vec<_> = form::fields(&narrowed).map(Option::unwrap).collect();
        assert_eq!(fields[0], (1_i64 << 40).to_be_bytes());
        assert_eq!(fields[1], (-7_i32).to_be_bytes());
        assert_eq!(fields[2], 12_i16.to_be_bytes());
        assert_eq!(fields[3], b"text of 8");
        assert!(super::narrowed(&row([0, 1 << 40, 0]), &widths).is_err());
    }
}
