//! The equipment service, seen through its API.
#![expect(clippy::unwrap_used, reason = "what a test doesn't expect should stop it")]

mod access;
mod equipment;
mod pages;
mod plan;
mod status_interval;
mod token;
mod watch;

use prost_types::FieldMask;
use proto::equipment::v1::{
    CreateEquipmentRequest, DeleteEquipmentRequest, Equipment, GetEquipmentRequest,
    ListEquipmentRequest, UpdateEquipmentRequest, equipment_service_client::EquipmentServiceClient,
};
use testkit::{Bearer, Server, User, World};
use tonic::{
    Code,
    service::{Routes, interceptor::InterceptedService},
    transport::Channel,
};
use tonic_types::StatusExt;

type Client = EquipmentServiceClient<InterceptedService<Channel, Bearer>>;

/// Nothing has this id.
const NO_ID: &str = "018f0000-0000-7000-8000-000000000000";

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

async fn create(client: &mut Client, equipment: Equipment) -> Result<Equipment, tonic::Status> {
    let request = CreateEquipmentRequest { equipment: Some(equipment), ..Default::default() };
    Ok(client.create_equipment(request).await?.into_inner())
}

async fn get(client: &mut Client, id: &str) -> Result<Equipment, tonic::Status> {
    Ok(client.get_equipment(GetEquipmentRequest { id: id.into() }).await?.into_inner())
}

async fn names(client: &mut Client, request: ListEquipmentRequest) -> (Vec<String>, String) {
    let page = client.list_equipment(request).await.unwrap().into_inner();
    let names = page.equipment.into_iter().map(|equipment| equipment.name).collect();
    (names, page.next_page_token)
}

/// Changes the fields in `paths`, or all if there are none.
async fn update(
    client: &mut Client,
    equipment: Equipment,
    paths: &[&str],
) -> Result<Equipment, tonic::Status> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let update_mask = Some(FieldMask { paths });
    let request = UpdateEquipmentRequest { equipment: Some(equipment), update_mask };
    Ok(client.update_equipment(request).await?.into_inner())
}

async fn delete(client: &mut Client, equipment: &Equipment) -> Result<(), tonic::Status> {
    let request = DeleteEquipmentRequest { id: equipment.id.clone(), ..Default::default() };
    client.delete_equipment(request).await.map(tonic::Response::into_inner)
}

/// The field that the request was refused for.
fn field(error: &tonic::Status) -> String {
    assert_eq!(error.code(), Code::InvalidArgument, "{error:?}");
    error.get_details_bad_request().unwrap().field_violations.remove(0).field
}

/// Why it was refused.
fn refusal(error: &tonic::Status) -> String {
    assert_eq!(error.code(), Code::FailedPrecondition, "{error:?}");
    error.get_details_error_info().unwrap().reason
}
