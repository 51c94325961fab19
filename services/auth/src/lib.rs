//! The auth service: people, their sessions, and the keys that prove who calls.
//!
//! A call enters through `rpc`, is decided by `domain` and is kept by `store`. Passwords are hashed in `hashing`, which
//! bounds what that may cost. Accounts that come from the command line are made in `account`.

mod account;
mod config;
mod domain;
mod hashing;
mod observe;
mod rpc;
mod setup;
mod store;

use std::{sync::Arc, time::Duration};

pub use account::{FirstAdmin, NewAdmin, UserSetup, create_admin, set_up_user};
use anyhow::ensure;
pub use config::{Config, Registration};
use domain::guess::Addresses;
pub use domain::secret::Secret;
use kit::{Db, Suite, db::Schema, sqlx::migrate::Migrator};
use proto::auth::v1::{
    auth_service_server::AuthServiceServer, key_service_server::KeyServiceServer,
    session_service_server::SessionServiceServer, user_service_server::UserServiceServer,
};
pub use rpc::watch::news;
use tonic::service::RoutesBuilder;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// The tables that this service owns.
pub static SCHEMA: Schema =
    Schema { service: "auth", sqlite: &[&MIGRATIONS], postgres: &[&MIGRATIONS], told: &[] };

/// Starts the service: opens its database, makes keys and the first admin if there are none, and adds its methods to
/// `routes`. `secret` is what the parts of the deployment prove themselves with.
///
/// Answers the first admin when this start made them.
///
/// # Errors
///
/// The database can't be opened, or the first admin's username or password breaks a rule.
pub async fn start(
    config: &Config,
    secret: &str,
    db: &kit::db::Config,
    suite: &Suite,
    routes: &mut RoutesBuilder,
) -> anyhow::Result<Option<FirstAdmin>> {
    ensure!(!secret.is_empty(), "the secret of the services is empty");
    let db = SCHEMA.open(db).await?;
    rpc::watch::tell_here(&db, &suite.sessions, &suite.clock);
    let hashing = hashing::Hashing::new().await?;
    let term = Duration::from_hours(24) * config.signing_key_days;
    let keys = setup::keys(&db, &suite.clock, term).await?;
    let first_admin = account::create_first_admin(&db, &suite.clock, config, &hashing).await?;
    suite.look_after(&db);
    observe::start();
    forget(&db, suite, Duration::from_hours(24) * config.audit_days);

    let service = Arc::new(rpc::Service {
        db,
        suite: suite.clone(),
        hashing,
        signers: keys.signers,
        chain_key: keys.chain_key,
        secret: secret.into(),
        registration: config.registration,
        addresses: Addresses::of_guesses(),
        secrets: Addresses::of_secrets(),
        registrations: Addresses::of_registrations(),
    });
    routes.add_service(AuthServiceServer::from_arc(Arc::clone(&service)));
    routes.add_service(KeyServiceServer::from_arc(Arc::clone(&service)));
    routes.add_service(SessionServiceServer::from_arc(Arc::clone(&service)));
    routes.add_service(UserServiceServer::from_arc(service));
    Ok(first_admin)
}

/// Rows that one small transaction changes.
const ROWS: i64 = 1000;

/// Ends, hourly, the sessions that nobody may go on with, and drops those and the guesses that are long over, and what is
/// older than `trail` in the audit trail.
fn forget(db: &Db, suite: &Suite, trail: Duration) {
    let clock = suite.clock.clone();
    suite
        .hourly(db, "end sessions", move |tx| Box::pin(rpc::session::sweep(tx, clock.now(), ROWS)));
    let clock = suite.clock.clone();
    suite.hourly(db, "forget guesses", move |tx| {
        let before = clock.now().minus(domain::guess::MEMORY);
        Box::pin(store::guess::forget(tx, before, ROWS))
    });
    let clock = suite.clock.clone();
    suite.hourly(db, "forget audit events", move |tx| {
        let before = clock.now().minus(trail);
        Box::pin(store::audit::forget(tx, before, ROWS))
    });
}
