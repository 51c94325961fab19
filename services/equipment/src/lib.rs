//! The equipment service: the register of what is maintained.
//!
//! A call enters through `rpc`, is decided by `domain` and is kept by `store`.

mod domain;
mod rpc;
mod store;

use kit::{Suite, db::Schema, sqlx::migrate::Migrator};
use proto::equipment::v1::equipment_service_server::EquipmentServiceServer;
use tonic::service::RoutesBuilder;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// The tables that this service owns.
pub static SCHEMA: Schema =
    Schema { service: "equipment", sqlite: &[&MIGRATIONS], postgres: &[&MIGRATIONS], told: &[] };

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
    let service = rpc::Service { db, suite: suite.clone() };
    routes.add_service(EquipmentServiceServer::new(service));
    Ok(())
}
