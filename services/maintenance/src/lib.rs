//! The maintenance service: work to be done, what is said of it, and work that was done.
//!
//! A call enters through `rpc`, is decided by `domain` and is kept by `store`. The register of equipment is the
//! equipment service's: it is asked before a transaction begins, never inside one.

mod domain;
pub mod fill;
mod rpc;
mod store;

use std::sync::Arc;

use kit::{Suite, db::Schema, sqlx::migrate::Migrator};
use proto::maintenance::v1::{
    maintenance_service_server::MaintenanceServiceServer, task_service_server::TaskServiceServer,
};
use tonic::service::RoutesBuilder;

/// The engines differ in how they search titles.
static BOTH: Migrator = sqlx::migrate!();
static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// The tables that this service owns.
pub static SCHEMA: Schema = Schema {
    service: "maintenance",
    sqlite: &[&BOTH, &SQLITE],
    postgres: &[&BOTH, &POSTGRES],
    told: &[],
};

/// Starts the service: opens its database and adds its methods to `routes`.
///
/// # Errors
///
/// The database can't be opened.
pub async fn start(
    db: &kit::db::Config,
    suite: &Suite,
    routes: &mut RoutesBuilder,
) -> anyhow::Result<()> {
    let db = SCHEMA.open(db).await?;
    suite.look_after(&db);
    let service = Arc::new(rpc::Service { db, suite: suite.clone() });
    routes.add_service(TaskServiceServer::from_arc(Arc::clone(&service)));
    routes.add_service(MaintenanceServiceServer::from_arc(service));
    Ok(())
}
