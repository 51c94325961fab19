//! SQL, and nothing else. Functions take a connection, so that the caller picks the transaction.

pub mod comment;
pub mod maintenance;
pub mod service_life;
pub mod task;
pub mod task_event;

use kit::{
    Result,
    db::{Engine, Tx},
};

/// A filter by `column`, up to its value. SQLite, which keeps no statistics, takes the index of the last column that it is
/// shown; it is shown those that `lead` to few rows, and looks at the others row by row. To PostgreSQL both forms are one.
fn equals(column: &str, leads: bool) -> String {
    if leads {
        format!(" and {column} = ")
    } else {
        format!(" and case when true then {column} end = ")
    }
}

/// Rows of one statement: the engines take so many values, of the widest table.
const TOGETHER: usize = 500;

/// Has PostgreSQL look at what was written, by which it plans; it would take a minute to do so by itself.
pub async fn analyze(tx: &mut Tx) -> Result<()> {
    match tx.engine() {
        Engine::Sqlite(_) => {}
        Engine::Postgres(c) => {
            sqlx::query("analyze tasks, task_events, maintenance_records, comments")
                .execute(c)
                .await?;
        }
    }
    Ok(())
}
