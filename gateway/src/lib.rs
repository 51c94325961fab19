//! The HTTP-JSON edge: what a client of the REST surface talks to.
//!
//! Nothing here knows a resource. The routes, the shapes of bodies and the statuses of success come from the options in
//! the `.proto` files, so a new method is reachable the moment it is declared. One request goes
//!
//! 1. through [`Gateway`], which gives it an id, finds its route (`routes`) and logs it,
//! 2. through `transcode`, which builds the request message out of path, query and body (`request`), calls the
//!    service that owns the method (`upstream`) and turns the answer into JSON (`response`, `stream`, `writer`),
//! 3. and comes out as JSON or, whatever went wrong and wherever, as a `problem`.
//!
//! Calls in gRPC and gRPC-Web pass by all that on their way to the same services (`grpc`).

mod accept;
mod address;
mod asset;
mod body;
#[cfg(test)]
mod chance;
mod condition;
mod config;
mod cors;
mod encoding;
mod field;
#[cfg(test)]
mod fuzz;
mod gateway;
mod grpc;
mod impatient;
mod items;
mod json;
mod keys;
mod location;
mod openapi;
mod pages;
mod problem;
mod proxies;
mod query;
mod request;
mod response;
mod routes;
mod rule;
mod server;
mod status;
mod stream;
mod swagger;
mod template;
mod ticket;
mod transcode;
mod under_way;
mod upstream;
mod writer;

pub use config::Config;
pub use cors::Origins;
pub use gateway::Gateway;
pub use proxies::Proxies;
pub use server::{PROTOCOLS, run};

use anyhow::Context;
use kit::peer::{Peers, Place};
use prost_reflect::DescriptorPool;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use routes::Routes;

/// The gateway without a socket, as it would serve the public surface: for tests and for whoever has a listener of
/// their own.
///
/// # Errors
///
/// A `google.api.http` option that the gateway cannot serve.
pub fn service(peers: &Peers) -> anyhow::Result<Gateway> {
    Gateway::new(proto::DESCRIPTORS, peers, Config::default(), CancellationToken::new())
}

/// The OpenAPI document of the public surface, as `/openapi.json` answers it: for whoever makes a client without running
/// anything.
///
/// # Errors
///
/// A `google.api.http` option that the gateway cannot serve, or one that has no form in OpenAPI.
pub fn document() -> anyhow::Result<Value> {
    let (pool, routes) = surface()?;
    openapi::document(&pool, routes.resources.iter().map(AsRef::as_ref))
}

/// The routes of the public surface, with nobody behind them.
fn surface() -> anyhow::Result<(DescriptorPool, Routes)> {
    let pool =
        DescriptorPool::decode(proto::DESCRIPTORS).context("the descriptors cannot be read")?;
    let nobody = Place::default();
    let peers = Peers {
        auth: nobody.peer(),
        equipment: nobody.peer(),
        maintenance: nobody.peer(),
        telemetry: nobody.peer(),
    };
    let routes = Routes::new(&pool, &peers)?;
    Ok((pool, routes))
}
