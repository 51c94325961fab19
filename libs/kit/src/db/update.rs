//! A service's schema on a server, brought to this version.

use std::time::Duration;

use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection, error::DatabaseError, migrate::Migrator,
};
use tokio::time::sleep;

use super::{schema, take_turn};

/// How long an update lets others go first.
const GIVEN_WAY: Duration = Duration::from_secs(2);

/// Takes the steps that the schema hasn't taken, and makes it if there is none; several replicas may start at once. A step that
/// changes a table waits for whoever reads it, for hours if that is a backup, and everybody who comes later waits for the step:
/// so it gives way again and again, and they have their turn.
pub(super) async fn on_server(
    connection: &mut PgConnection,
    service: &'static str,
    migrations: &Migrator,
) -> anyhow::Result<()> {
    // A migration may take longer than a request may, but not wait for as long.
    connection.execute("set statement_timeout = 0; set lock_timeout = '500ms'").await?;
    let migrations = schema::all_on_server(migrations);
    loop {
        match try_update(connection, service, &migrations).await {
            Err(error) if is_held_up(&error) => {
                tracing::warn!(service, "the schema is in use, as by a backup: its update waits");
                sleep(GIVEN_WAY).await;
            }
            done => return done,
        }
    }
}

async fn try_update(
    connection: &mut PgConnection,
    service: &'static str,
    migrations: &Migrator,
) -> anyhow::Result<()> {
    create_schema(connection, service).await?;
    migrations.run(&mut *connection).await?;
    Ok(schema::compare_by_bytes(connection).await?)
}

/// Whether somebody else held for too long what was waited for.
fn is_held_up(error: &anyhow::Error) -> bool {
    const LOCK_NOT_AVAILABLE: &str = "55P03";
    let of_server = |cause: &sqlx::Error| {
        let code = cause.as_database_error().and_then(DatabaseError::code);
        code.is_some_and(|code| code == LOCK_NOT_AVAILABLE)
    };
    error.chain().filter_map(|cause| cause.downcast_ref()).any(of_server)
}

async fn create_schema(connection: &mut PgConnection, service: &'static str) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    take_turn(&mut transaction).await?;
    let create = AssertSqlSafe(format!("create schema if not exists {service}"));
    sqlx::raw_sql(create).execute(&mut *transaction).await?;
    transaction.commit().await
}
