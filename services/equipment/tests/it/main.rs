//! The equipment service, seen through its API.
#![expect(clippy::unwrap_used, reason = "what a test doesn't expect should stop it")]

mod access;
mod equipment;
mod token;
mod watch;

use proto::equipment::v1::{Equipment, equipment_service_client::EquipmentServiceClient};
use testkit::{Bearer, Server, User, World};
use tonic::{
    service::{Routes, interceptor::InterceptedService},
    transport::Channel,
};

type Client = EquipmentServiceClient<InterceptedService<Channel, Bearer>>;

/// The service under test.
async fn start(world: &World) -> Server {
    let mut routes = Routes::builder();
    ::equipment::start(&world.db, &world.suite, &mut routes).await.unwrap();
    world.serve(routes.routes(), &world.places.equipment).await
}

fn by(server: &Server, user: &User) -> Client {
    EquipmentServiceClient::new(server.by(user))
}

fn pump(name: &str) -> Equipment {
    Equipment { name: name.into(), r#type: "pump".into(), ..Default::default() }
}
