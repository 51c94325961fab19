//! What some roles may do with their own things alone: each method that says so is called in the suite at work, for a
//! thing of the caller's own and for one of somebody else in the same role.

use proto::{
    METHODS,
    telemetry::v1::{
        Reading, StreamReadingsRequest, telemetry_service_client::TelemetryServiceClient,
    },
};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::time::sleep;
use tonic::{Request, transport::Channel};
use uuid::Uuid;

use crate::{
    rest::{Rest, text},
    site::{PASSWORD, Site},
};

/// Somebody who calls: a person, or a machine with its key.
#[derive(Clone)]
struct Caller {
    rest: Rest,
    role: &'static str,
    /// The user's or the key's.
    id: String,
    /// A person's.
    username: String,
    /// The equipment that a machine's key is bound to.
    equipment_id: String,
}

impl Caller {
    async fn person(chief: &Rest, role: &'static str, username: &str) -> Self {
        let email = format!("{username}@example.org");
        let user = json!({
            "username": username, "email": email, "password": PASSWORD, "role": role
        });
        let id = text(&chief.post("/api/users", &user).await.created(), "id");
        let rest = chief.login(username, PASSWORD).await;
        Self { rest, role, id, username: username.to_owned(), equipment_id: String::new() }
    }

    async fn machine(chief: &Rest, name: &str) -> Self {
        let equipment = chief.post("/api/equipment", &json!({ "name": name })).await.created();
        let equipment_id = text(&equipment, "id");
        let key = json!({ "name": name, "equipment_ids": [equipment_id] });
        let key = chief.post("/api/keys", &key).await.with(StatusCode::CREATED);
        let rest = chief.with_token(&text(&key, "secret"));
        let id = text(&key, "id");
        Self { rest, role: "DEVICE", id, username: String::new(), equipment_id }
    }

    /// Another session of this person's, and its id.
    async fn session(&self) -> (Rest, String) {
        let rest = self.rest.login(&self.username, PASSWORD).await;
        let sessions = rest.get("/api/users/me/sessions").await.ok();
        let mut sessions = sessions["sessions"].as_array().unwrap().iter();
        let current = sessions.find(|session| session["current"] == true).unwrap();
        (rest, text(current, "id"))
    }

    fn is(&self, other: &Self) -> bool {
        self.id == other.id
    }

    /// What a call without a body is answered.
    async fn send(&self, method: Method, path: &str) -> StatusCode {
        self.rest.send(method, path, None, &[]).await.status
    }
}

/// Calls the method at `path` as `caller` for a thing of `owner`. Answers how it went, and how it must go if it's refused.
///
/// To add a method: make the thing as its owner, call, and tell what is answered to whoever the thing is not: `403`, or what
/// the contract says instead.
async fn call(
    site: &Site,
    chief: &Rest,
    path: &str,
    caller: &Caller,
    owner: &Caller,
) -> (StatusCode, StatusCode) {
    let rest = &caller.rest;
    let user = format!("/api/users/{}", owner.id);
    match path.trim_start_matches("/flightline.") {
        "auth.v1.AuthService/EndSession" => {
            let path = format!("/api/users/me/sessions/{}", owner.session().await.1);
            // Whose session has that id is nobody else's business.
            (caller.send(Method::DELETE, &path).await, StatusCode::NOT_FOUND)
        }
        "auth.v1.AuthService/ListSessions" => {
            let (_, session) = owner.session().await;
            let listed = rest.get("/api/users/me/sessions?page_size=1000").await.ok();
            let sessions = listed["sessions"].as_array().unwrap();
            (found(sessions.iter().any(|listed| listed["id"] == session)), StatusCode::NOT_FOUND)
        }
        "auth.v1.AuthService/Logout" => {
            let (leaving, _) = caller.session().await;
            let theirs = if caller.is(owner) { &leaving } else { &owner.rest };
            let out = leaving.send(Method::POST, "/api/logout", None, &[]).await;
            out.with(StatusCode::NO_CONTENT);
            sleep(site.grace()).await;
            let status = theirs.get("/api/users/me").await.status;
            (found(status == StatusCode::UNAUTHORIZED), StatusCode::NOT_FOUND)
        }
        "auth.v1.UserService/UpdateUser" => {
            let name = json!({ "full_name": "Somebody" });
            let answer = rest.send(Method::PATCH, &user, Some(&name), &[]).await;
            (answer.status, StatusCode::FORBIDDEN)
        }
        "auth.v1.UserService/DeleteUser" => {
            let leaver = Caller::person(chief, owner.role, &unused_name()).await;
            let caller = if caller.is(owner) { &leaver } else { caller };
            let path = format!("/api/users/{}", leaver.id);
            (caller.send(Method::DELETE, &path).await, StatusCode::FORBIDDEN)
        }
        "auth.v1.UserService/ChangePassword" => {
            let change = json!({ "current_password": PASSWORD, "new_password": PASSWORD });
            (rest.post(&format!("{user}/password"), &change).await.status, StatusCode::FORBIDDEN)
        }
        "maintenance.v1.MaintenanceService/UpdateMaintenance" => {
            let (path, work) = (record(chief, owner).await, json!({ "work_done": "Oiled it." }));
            let answer = rest.send(Method::PATCH, &path, Some(&work), &[]).await;
            (answer.status, StatusCode::FORBIDDEN)
        }
        "maintenance.v1.MaintenanceService/DeleteMaintenance" => {
            let path = record(chief, owner).await;
            (caller.send(Method::DELETE, &path).await, StatusCode::FORBIDDEN)
        }
        "maintenance.v1.TaskService/UpdateTask" => {
            let title = json!({ "title": "Another" });
            let answer = rest.send(Method::PATCH, &task(owner).await, Some(&title), &[]).await;
            (answer.status, StatusCode::FORBIDDEN)
        }
        "maintenance.v1.TaskService/DeleteTask" => {
            (caller.send(Method::DELETE, &task(owner).await).await, StatusCode::FORBIDDEN)
        }
        "maintenance.v1.TaskService/ReopenTask" => {
            let task = task(owner).await;
            owner.rest.post(&format!("{task}/complete"), &json!({})).await.ok();
            let status = rest.post(&format!("{task}/incomplete"), &json!({})).await.status;
            (status, StatusCode::FORBIDDEN)
        }
        "maintenance.v1.TaskService/SetTaskStatus" => {
            let task = task(owner).await;
            owner.rest.post(&format!("{task}/claim"), &json!({})).await.ok();
            let (path, status) = (format!("{task}/status"), json!({ "status": "ON_HOLD" }));
            let answer = rest.send(Method::PATCH, &path, Some(&status), &[]).await;
            (answer.status, StatusCode::FORBIDDEN)
        }
        "telemetry.v1.TelemetryService/CreateReading" => (
            rest.post("/api/data", &reading(chief, owner).await).await.status,
            StatusCode::FORBIDDEN,
        ),
        "telemetry.v1.TelemetryService/BatchCreateReadings" => {
            let batch = json!({ "readings": [reading(chief, owner).await] });
            let answer = rest.post("/api/data/batch", &batch).await.ok();
            // Each reading of a batch is refused by itself.
            (found(answer["accepted"] == 1), StatusCode::NOT_FOUND)
        }
        "telemetry.v1.TelemetryService/StreamReadings" => {
            let equipment_id = text(&reading(chief, owner).await, "equipment_id");
            (found(streamed(site, rest, equipment_id).await == 1), StatusCode::NOT_FOUND)
        }
        _ => panic!("{path}: say here what of one's own it is called for"),
    }
}

/// How many readings of a stream were kept: it carries one, of that equipment.
async fn streamed(site: &Site, sender: &Rest, equipment_id: String) -> i32 {
    let telemetry = Channel::from_shared(site.grpc.last().unwrap().clone()).unwrap();
    let mut client = TelemetryServiceClient::new(telemetry.connect().await.unwrap());
    let metrics = [("temperature".to_owned(), 1.0)].into();
    let readings = vec![Reading { equipment_id, metrics, ..Reading::default() }];
    let mut request = Request::new(tokio_stream::once(StreamReadingsRequest { readings }));
    let bearer = format!("Bearer {}", sender.token()).parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    let mut answers = client.stream_readings(request).await.unwrap().into_inner();
    answers.message().await.unwrap().unwrap().accepted
}

/// The status for a method that has none of its own for another's thing: whether it reached the thing.
fn found(reached: bool) -> StatusCode {
    if reached { StatusCode::OK } else { StatusCode::NOT_FOUND }
}

/// A username that nobody has.
fn unused_name() -> String {
    format!("leaver-{}", Uuid::now_v7())
}

/// The path of a task that `owner` made.
async fn task(owner: &Caller) -> String {
    let task = owner.rest.post("/api/tasks", &json!({ "title": "Task" })).await.created();
    format!("/api/tasks/{}", text(&task, "id"))
}

/// The path of a record of work that `owner` did.
async fn record(chief: &Rest, owner: &Caller) -> String {
    let equipment = chief.post("/api/equipment", &json!({ "name": "Pump" })).await.created();
    let record = json!({ "equipment_id": equipment["id"] });
    let record = owner.rest.post("/api/maintenance", &record).await.created();
    format!("/api/maintenance/{}", text(&record, "id"))
}

/// A reading of a machine's own equipment, or of any.
async fn reading(chief: &Rest, owner: &Caller) -> serde_json::Value {
    let mut equipment_id = owner.equipment_id.clone();
    if equipment_id.is_empty() {
        let equipment = chief.post("/api/equipment", &json!({ "name": "Pump" })).await.created();
        equipment_id = text(&equipment, "id");
    }
    json!({ "equipment_id": equipment_id, "metrics": { "temperature": 1 } })
}

crate::everywhere! {
    async fn what_people_may_do_with_their_own_things_they_may_not_with_others(site: Site) {
        let chief = &site.admin().await;
        let mut callers = Vec::new();
        for role in ["ADMIN", "TECHNICIAN", "VIEWER"] {
            for name in ["ana", "ben"] {
                let username = site.name(&format!("{name}.{}", role.to_lowercase()));
                callers.push(Caller::person(chief, role, &username).await);
            }
        }
        callers.push(Caller::machine(chief, "Pump 1").await);
        callers.push(Caller::machine(chief, "Pump 2").await);

        for method in METHODS.iter().filter(|method| !method.own.is_empty()) {
            // A service logs in nowhere; its own tests knock in its role.
            for role in method.door().filter(|role| *role != "SERVICE") {
                let of_role: Vec<_> = callers.iter().filter(|caller| caller.role == role).collect();
                let [ana, ben] = of_role[..] else { panic!("{role}: two of them") };

                let (own, _) = call(&site, chief, method.path, ana, ana).await;
                let (others, refusal) = call(&site, chief, method.path, ana, ben).await;

                assert!(own.is_success(), "{} as {role}, one's own: {own}", method.path);
                let may = method.roles.contains(&role);
                let as_agreed = if may { others.is_success() } else { others == refusal };
                assert!(as_agreed, "{} as {role}, another's: {others}", method.path);
            }
        }
    }
}
