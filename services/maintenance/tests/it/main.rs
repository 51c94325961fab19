//! The maintenance service, seen through its API, with the real register of equipment beside it.
#![expect(clippy::unwrap_used, reason = "what a test doesn't expect should stop it")]

mod access;
mod change;
mod comment;
mod equipment;
mod fill;
mod maintenance;
mod pages;
mod plan;
mod service_life;
mod task;
mod task_event;
mod timeline;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use kit::{access::Role, peer::Place};
use proto::{
    auth::v1::{CreateUserRequest, user, user_service_client::UserServiceClient},
    equipment::v1::{
        CreateEquipmentRequest, Equipment, equipment::Status,
        equipment_service_client::EquipmentServiceClient,
    },
    maintenance::v1::{
        CreateTaskRequest, ListMaintenanceRequest, ListTaskEventsRequest, MaintenanceRecord, Task,
        maintenance_service_client::MaintenanceServiceClient, task_event::Kind,
        task_service_client::TaskServiceClient,
    },
};
use testkit::{Bearer, Server, User, World};
use tonic::{
    Code,
    body::Body,
    service::{Routes, interceptor::InterceptedService},
    transport::Channel,
};
use tonic_types::StatusExt;
use tower::{ServiceExt, service_fn};

type Tasks = TaskServiceClient<InterceptedService<Channel, Bearer>>;
type Records = MaintenanceServiceClient<InterceptedService<Channel, Bearer>>;

/// What nothing has.
const NO_ID: &str = "018f0000-0000-7000-8000-000000000000";

/// The service under test and its neighbour.
struct Suite {
    maintenance: Server,
    equipment: Server,
}

async fn start(world: &World) -> Suite {
    let place = &world.places.equipment;
    Suite { equipment: start_equipment(world, place).await, maintenance: start_alone(world).await }
}

/// Without the neighbour.
async fn start_alone(world: &World) -> Server {
    let mut routes = Routes::builder();
    ::maintenance::start(&world.db, &world.suite, &mut routes).await.unwrap();
    world.serve(routes.routes(), &world.places.maintenance).await
}

async fn start_equipment(world: &World, place: &Place) -> Server {
    let mut routes = Routes::builder();
    ::equipment::start(&world.db, &world.suite, &mut routes).await.unwrap();
    world.serve(routes.routes(), place).await
}

/// The neighbour that knows alerts.
async fn start_telemetry(world: &World, place: &Place) -> Server {
    let mut routes = Routes::builder();
    telemetry::start(&telemetry::Config::default(), &world.db, &world.suite, &mut routes)
        .await
        .unwrap();
    world.serve(routes.routes(), place).await
}

/// Fills `place` with the service that fills `real`, which goes away when told to.
fn fragile(place: &Place, real: &Place) -> Arc<AtomicBool> {
    let (peer, away) = (real.peer(), Arc::new(AtomicBool::new(false)));
    let gone = Arc::clone(&away);
    place.fill(service_fn(move |request: http::Request<Body>| {
        let (peer, gone) = (peer.clone(), gone.load(Ordering::SeqCst));
        async move {
            Ok::<_, Infallible>(if gone {
                tonic::Status::unavailable("gone").into_http()
            } else {
                peer.oneshot(request).await.unwrap()
            })
        }
    }));
    away
}

/// The neighbour that knows people: tasks are given to whom it knows.
async fn start_auth(world: &World) -> Server {
    let config = auth::Config {
        admin_username: "first".into(),
        admin_password: Some(testkit::PASSWORD.into()),
        registration: auth::Registration::Open,
        signing_key_days: 30,
        audit_days: 365,
    };
    let mut routes = Routes::builder();
    auth::start(&config, "secret", &world.db, &world.suite, &mut routes).await.unwrap();
    world.serve(routes.routes(), &world.places.auth).await
}

/// Somebody with an account.
async fn person(world: &World, auth: &Server, name: &str, role: Role) -> User {
    let mut admin = UserServiceClient::new(auth.by(&world.user(Role::Admin)));
    let person = proto::auth::v1::User {
        username: name.into(),
        email: format!("{name}@example.org"),
        password: Some(testkit::OTHER_PASSWORD.into()),
        role: user::Role::from_str_name(role.name()).unwrap().into(),
        ..Default::default()
    };
    let request = CreateUserRequest { user: Some(person), ..Default::default() };
    let id = admin.create_user(request).await.unwrap().into_inner().id;
    let token = world.issuer.sign(&world.issuer.claims(&id, role));
    User { id, token }
}

/// The id of a new piece of equipment.
async fn equipment(world: &World, register: &Server, status: Status) -> String {
    let mut admin = EquipmentServiceClient::new(register.by(&world.user(Role::Admin)));
    let status = status.into();
    let equipment = Equipment { name: "Pump".into(), status, ..Default::default() };
    let request = CreateEquipmentRequest { equipment: Some(equipment), ..Default::default() };
    admin.create_equipment(request).await.unwrap().into_inner().id
}

async fn pump(world: &World, suite: &Suite) -> String {
    equipment(world, &suite.equipment, Status::Operational).await
}

fn tasks(suite: &Suite, user: &User) -> Tasks {
    TaskServiceClient::new(suite.maintenance.by(user))
}

fn records(suite: &Suite, user: &User) -> Records {
    MaintenanceServiceClient::new(suite.maintenance.by(user))
}

fn titled(title: &str) -> Task {
    Task { title: title.into(), ..Default::default() }
}

async fn create(client: &mut Tasks, task: Task) -> Result<Task, tonic::Status> {
    let request = CreateTaskRequest { task: Some(task), ..Default::default() };
    Ok(client.create_task(request).await?.into_inner())
}

/// A new task for that equipment, by somebody else than the caller.
async fn task_for(world: &World, suite: &Suite, equipment_id: &str) -> Task {
    let mut admin = tasks(suite, &world.user(Role::Admin));
    let equipment_id = Some(equipment_id.to_owned());
    create(&mut admin, Task { equipment_id, ..titled("Leaks") }).await.unwrap()
}

/// All records there are.
async fn all_records(world: &World, suite: &Suite) -> Vec<MaintenanceRecord> {
    let mut viewer = records(suite, &world.user(Role::Viewer));
    let answer = viewer.list_maintenance(ListMaintenanceRequest::default()).await;
    answer.unwrap().into_inner().records
}

/// What happened to a task: the kinds, and who did it.
async fn events(world: &World, suite: &Suite, task_id: &str) -> Vec<(Kind, String, String)> {
    let mut viewer = tasks(suite, &world.user(Role::Viewer));
    let request = ListTaskEventsRequest { task_id: task_id.into(), ..Default::default() };
    let events = viewer.list_task_events(request).await.unwrap().into_inner().events;
    events.into_iter().map(|event| (event.kind(), event.actor_id, event.detail)).collect()
}

/// The field that the request was refused for.
fn field(error: &tonic::Status) -> String {
    assert_eq!(error.code(), Code::InvalidArgument, "{error:?}");
    error.get_details_bad_request().unwrap().field_violations.remove(0).field
}

/// Why it was refused, and who holds the task.
fn refusal(error: &tonic::Status) -> (String, Option<String>) {
    assert_eq!(error.code(), Code::FailedPrecondition, "{error:?}");
    let mut info = error.get_details_error_info().unwrap();
    (info.reason, info.metadata.remove("holder_id"))
}
