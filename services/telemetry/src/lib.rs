//! The telemetry service: readings that machines send, the rules that they are held against, and the alerts that follow.
//!
//! A call enters through `rpc`, is decided by `domain` and is kept by `store`. Readings go through `ingest`, which writes
//! and judges them in one transaction; `register` knows the equipment; `dispatch` turns alerts into tasks.

#[doc(hidden)]
pub mod bare;
mod change;
mod config;
mod dispatch;
mod domain;
mod ingest;
#[cfg(test)]
mod model;
mod observe;
mod recent;
mod register;
mod rpc;
mod store;
mod tidy;

use std::sync::Arc;

pub use config::Config;
use kit::{Suite, db::Schema, sqlx::migrate::Migrator, stack::Turns};
use proto::telemetry::v1::{
    alert_service_server::AlertServiceServer, rule_service_server::RuleServiceServer,
    telemetry_service_server::TelemetryServiceServer,
};
use tokio::sync::Semaphore;
use tonic::service::{LayerExt, RoutesBuilder};

use crate::recent::{Limits, Recent};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// The tables that this service owns. The engines differ in how they keep samples. Who watches readings holds a number
/// of the journal.
pub static SCHEMA: Schema =
    Schema { service: "telemetry", sqlite: &[&SQLITE], postgres: &[&POSTGRES], told: &["journal"] };

/// The largest message: a batch of 10,000 readings of several metrics.
const MESSAGE_BYTES: usize = 16 * 1024 * 1024;
/// What takes such messages, one by one.
const BATCHES: &str = "/flightline.telemetry.v1.TelemetryService/BatchCreateReadings";

/// Starts the service: opens its database and adds its methods to `routes`.
///
/// # Errors
///
/// The database can't be opened.
pub async fn start(
    config: &Config,
    db: &kit::db::Config,
    suite: &Suite,
    routes: &mut RoutesBuilder,
) -> anyhow::Result<()> {
    let db = SCHEMA.open(db).await?;
    suite.look_after(&db);
    let register = register::follow(suite);
    let recent = Arc::new(Recent::new(Limits::default()));
    ingest::pack_samples(&db, recent.chunk()).await?;
    recent.catch_up(&mut db.read().await?).await?;
    let retention = Arc::new(config.retention());
    let ingest = ingest::start(&db, suite, Arc::clone(&register), &recent, Arc::clone(&retention));
    tidy::start(&db, suite, recent.share(), Arc::clone(&retention));
    dispatch::start(&db, suite);
    let ingest = Arc::new(ingest);
    observe::start(&db, suite, Arc::clone(&ingest));

    let service = Arc::new(rpc::Service {
        db,
        suite: suite.clone(),
        register,
        ingest,
        recent,
        retention,
        tests: Arc::new(Semaphore::new(rpc::TESTS)),
    });
    let readings = TelemetryServiceServer::from_arc(Arc::clone(&service))
        .max_decoding_message_size(MESSAGE_BYTES);
    routes
        .add_service(Turns::new(BATCHES, MESSAGE_BYTES).named_layer(readings))
        .add_service(RuleServiceServer::from_arc(Arc::clone(&service)))
        .add_service(AlertServiceServer::from_arc(service));
    Ok(())
}
