//! The tables that are copied, and how.
//!
//! Each is found in the database's own catalogue, and its rows are copied as they are. Some are not what they are but where
//! they are: places in the change log hold the transactions of the server that wrote them. They are copied as ranks: the
//! first entry of the log is 1, the next 2, and a consumer's place is the number of entries behind it. In the copy the ranks are the
//! entries' numbers, and on a server all entries are those of the transaction that made the copy.

use super::form::Kind;

/// A table as both engines have it.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    /// In the order of their names: the engines may have them in another.
    pub columns: Vec<Column>,
    /// The last number that it gave to a row, if it numbers them.
    pub sequence: Option<i64>,
}

/// A column that is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
}

/// The change log's tables: its entries, the places of those who read it, and what sets it apart from other logs.
const CHANGES: &str = "changes";
const CURSORS: &str = "cursors";
const LOG: &str = "log";
/// Where the writing transaction stands in them, on a server.
pub const TRANSACTION: &str = "transaction_id";

/// The statement that gives the change log another identity, which is `$1`, than any log had before.
pub const SET_APART: &str = "update log set era = $1 where id = 1";

/// What the embedded engine's search keeps of the tasks; it comes with them.
const SEARCHED: &str = "task_titles";

/// Whether the table is copied.
pub fn is_copied(name: &str) -> bool {
    ![LOG, SEARCHED, "_sqlx_migrations"].contains(&name)
}

/// Whether the column is copied.
pub fn is_copied_column(table: &str, column: &str) -> bool {
    !(is_of_log(table) && column == TRANSACTION)
}

fn is_of_log(table: &str) -> bool {
    table == CHANGES || table == CURSORS
}

impl Table {
    /// Whether its rows are places in the change log.
    pub fn is_cursors(&self) -> bool {
        self.name == CURSORS
    }

    /// The last number that was given in a copy.
    pub fn last_number(&self, rows: u64) -> Option<i64> {
        if self.name == CHANGES { i64::try_from(rows).ok() } else { self.sequence }
    }

    /// The columns' names, as a list.
    pub fn names(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|column| quoted(&column.name)).collect();
        names.join(", ")
    }
}

/// How the column of an embedded table is read.
pub fn in_file(table: &str, column: &Column) -> String {
    match (table, column.name.as_str()) {
        (CHANGES, "sequence") => "row_number() over (order by sequence)".to_owned(),
        (CURSORS, "sequence") => "(select count(*) from changes
            where changes.sequence <= cursors.sequence)"
            .to_owned(),
        _ => quoted(&column.name),
    }
}

/// The same on a server.
pub fn on_server(schema: &str, table: &str, column: &Column) -> String {
    let name = quoted(&column.name);
    match (table, column.name.as_str(), column.kind) {
        (CHANGES, "sequence", _) => {
            "row_number() over (order by transaction_id, sequence)".to_owned()
        }
        (CURSORS, "sequence", _) => format!(
            "(select count(*) from {}.changes
              where (changes.transaction_id, changes.sequence)
                 <= (cursors.transaction_id, cursors.sequence))",
            quoted(schema)
        ),
        (_, _, Kind::Integer) => format!("{name}::bigint"),
        // There is no negative zero on the embedded engine, so there is none in a copy.
        (_, _, Kind::Float) => format!("{name} + 0"),
        _ => name,
    }
}

/// A name in a statement.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
