//! Idempotency keys: the contract says which methods take one, and each of them is sent again and again.

use std::sync::atomic::{AtomicU32, Ordering};

use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    rest::{Answer, Rest, text},
    site::{PASSWORD, Site},
};

/// The methods that take a key, with the verb and the path of their first route.
fn methods() -> Vec<(String, Method, String)> {
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
    let methods: Vec<_> =
        pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()).collect();
    let keyed =
        methods.iter().filter(|method| method.input().get_field_by_name("request_id").is_some());
    keyed
        .map(|method| {
            let (verb, path) = route(&pool, method);
            (method.full_name().to_owned(), verb, path)
        })
        .collect()
}

fn route(pool: &DescriptorPool, method: &MethodDescriptor) -> (Method, String) {
    let extension = pool.get_extension_by_name("google.api.http").unwrap();
    let options = method.options();
    let rule = options.get_extension(&extension);
    let rule: &DynamicMessage = rule.as_message().unwrap();
    for (field, verb) in [("post", Method::POST), ("patch", Method::PATCH)] {
        if rule.has_field_by_name(field) {
            let path = rule.get_field_by_name(field).unwrap();
            return (verb, path.as_str().unwrap().to_owned());
        }
    }
    panic!("{}: a method with a key is a POST or a PATCH", method.full_name());
}

/// How a method is called.
struct Case {
    /// Of the thing in its path, if there is one.
    id: String,
    body: Value,
    /// Another that it would take as well.
    other: Value,
    /// Lists that grow by its effects: their paths and the names of what they hold.
    effects: Vec<(String, &'static str)>,
    /// By how much they grow.
    grows: usize,
}

impl Case {
    /// A method that adds one thing to a list.
    fn of_list(body: Value, other: Value, path: impl Into<String>, list: &'static str) -> Self {
        Self { id: String::new(), body, other, effects: vec![(path.into(), list)], grows: 1 }
    }

    /// A step of the task `id`, which is told in its events.
    fn of_task(id: String, body: Value, other: Value) -> Self {
        let effects = vec![
            (format!("/api/tasks/{id}/events"), "events"),
            (format!("/api/maintenance?task_id={id}"), "records"),
        ];
        Self { id, body, other, effects, grows: 1 }
    }

    /// A step that completes the task, which is recorded, too.
    fn of_completion(id: String, body: Value, other: Value) -> Self {
        Self { grows: 2, ..Self::of_task(id, body, other) }
    }
}

/// What a method needs to be called once more.
///
/// To add a method: make what it needs, and tell where its effect is seen.
async fn case(site: &Site, admin: &Rest, method: &str) -> Case {
    // What is found by the one is found by the other, too.
    let (name, other) = (&site.name(&unused("name")), |name: &str| format!("{name}-other"));
    match method.trim_start_matches("flightline.") {
        "auth.v1.AuthService.Register" => {
            // Who registers is nobody yet: with another name, it would be another's key.
            let user = |password| person(name, password);
            let other = user("another good password");
            Case::of_list(user(PASSWORD), other, format!("/api/users?q={name}"), "users")
        }
        "auth.v1.UserService.CreateUser" => {
            let user = |name: &str| person(name, PASSWORD);
            Case::of_list(user(name), user(&other(name)), format!("/api/users?q={name}"), "users")
        }
        "equipment.v1.EquipmentService.CreateEquipment" => Case::of_list(
            json!({ "name": name }),
            json!({ "name": other(name) }),
            format!("/api/equipment?q={name}"),
            "equipment",
        ),
        "maintenance.v1.TaskService.CreateTask" => Case::of_list(
            json!({ "title": name }),
            json!({ "title": other(name) }),
            format!("/api/tasks?title={name}"),
            "tasks",
        ),
        "maintenance.v1.TaskService.CreateComment" => {
            let (id, text) = (task(admin).await, |text: &str| json!({ "text": text }));
            let comments = format!("/api/tasks/{id}/comments");
            Case { id, ..Case::of_list(text("One"), text("Two"), comments, "comments") }
        }
        "maintenance.v1.TaskService.ClaimTask" => {
            Case::of_task(task(admin).await, json!({}), json!({ "etag": "1" }))
        }
        "maintenance.v1.TaskService.ReleaseTask" => {
            let id = task(admin).await;
            admin.post(&format!("/api/tasks/{id}/claim"), &json!({})).await.ok();
            Case::of_task(id, json!({}), json!({ "etag": "2" }))
        }
        "maintenance.v1.TaskService.AssignTask" => {
            let ana = site.technician(&unused("ana")).await;
            let ana = text(&ana.get("/api/users/me").await.ok(), "id");
            let chief = text(&admin.get("/api/users/me").await.ok(), "id");
            let assignee = |id| json!({ "assignee_id": id });
            Case::of_task(task(admin).await, assignee(ana), assignee(chief))
        }
        "maintenance.v1.TaskService.CompleteTask" => {
            let work = |work: &str| json!({ "work_done": work });
            Case::of_completion(task(admin).await, work("Oiled it."), work("Greased it."))
        }
        "maintenance.v1.TaskService.ReopenTask" => {
            let id = task(admin).await;
            admin.post(&format!("/api/tasks/{id}/complete"), &json!({})).await.ok();
            Case::of_task(id, json!({}), json!({ "etag": "2" }))
        }
        "maintenance.v1.TaskService.SetTaskStatus" => {
            let status = |status: &str| json!({ "status": status });
            Case::of_completion(task(admin).await, status("COMPLETED"), status("CANCELLED"))
        }
        "maintenance.v1.MaintenanceService.RecordMaintenance" => {
            let equipment = machine(admin).await;
            let record = |work: &str| json!({ "equipment_id": equipment, "work_done": work });
            let records = format!("/api/maintenance?equipment_id={equipment}");
            Case::of_list(record("Oiled it."), record("Greased it."), records, "records")
        }
        "telemetry.v1.TelemetryService.CreateReading" => {
            let equipment = machine(admin).await;
            // Without a time, each would have one of its own.
            let reading =
                |value: f64| json!({ "equipment_id": equipment, "metrics": { "a": value } });
            let readings = format!("/api/data?equipment_id={equipment}");
            Case::of_list(reading(1.0), reading(2.0), readings, "readings")
        }
        "telemetry.v1.RuleService.CreateRule" => {
            let equipment = machine(admin).await;
            let rule = |threshold: f64| {
                json!({
                    "name": "Hot", "equipment_id": equipment, "metric": "a", "condition": "ABOVE",
                    "threshold": threshold
                })
            };
            Case::of_list(
                rule(1.0),
                rule(2.0),
                format!("/api/rules?equipment_id={equipment}"),
                "rules",
            )
        }
        "telemetry.v1.AlertService.CreateAlert" => {
            let equipment = machine(admin).await;
            let alert = |message: &str| json!({ "equipment_id": equipment, "message": message });
            let alerts = format!("/api/alerts?equipment_id={equipment}");
            Case::of_list(alert("Smoke"), alert("Fire"), alerts, "alerts")
        }
        _ => panic!("{method}: say here how it is called, and where its effect is seen"),
    }
}

fn person(name: &str, password: &str) -> Value {
    json!({ "username": name, "email": format!("{name}@example.org"), "password": password })
}

/// A word that was never used before.
fn unused(word: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{word}{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

async fn machine(admin: &Rest) -> String {
    text(&admin.post("/api/equipment", &json!({ "name": "Pump" })).await.created(), "id")
}

/// A task with equipment: its completion is recorded.
async fn task(admin: &Rest) -> String {
    let task = json!({ "title": "Task", "equipment_id": machine(admin).await });
    text(&admin.post("/api/tasks", &task).await.created(), "id")
}

async fn count(admin: &Rest, effects: &[(String, &str)]) -> usize {
    let mut count = 0;
    for (path, list) in effects {
        count += admin.get(path).await.ok()[list].as_array().unwrap().len();
    }
    count
}

/// Calls a method with one key: three times, one after the other or all at once; then with another body.
async fn check(
    site: &Site,
    admin: &Rest,
    (name, verb, path): &(String, Method, String),
    at_once: bool,
) {
    let case = case(site, admin, name).await;
    let path = path.replace("{id}", &case.id).replace("{task_id}", &case.id);
    let key = site.name(&unused("key"));
    let headers = [("idempotency-key", key.as_str())];
    let send = |body| admin.send(verb.clone(), &path, Some(body), &headers);

    let before = count(admin, &case.effects).await;
    let answers: [Answer; 3] = if at_once {
        tokio::join!(send(&case.body), send(&case.body), send(&case.body)).into()
    } else {
        [send(&case.body).await, send(&case.body).await, send(&case.body).await]
    };
    let after = count(admin, &case.effects).await;
    let reused = send(&case.other).await;

    let [first, ..] = &answers;
    for answer in &answers {
        assert!(answer.status.is_success() && answer.body == first.body, "{name}: {answers:#?}");
    }
    let created = answers.iter().filter(|answer| answer.status == StatusCode::CREATED).count();
    assert!(created <= 1, "{name}: {answers:#?}");
    assert_eq!(after - before, case.grows, "{name}: effects");
    let problem = reused.with(StatusCode::CONFLICT);
    assert_eq!(problem["reason"], "IDEMPOTENCY_KEY_REUSED", "{name}");
    assert_eq!(count(admin, &case.effects).await, after, "{name}: effects of another request");
}

crate::everywhere! {
    async fn what_is_sent_three_times_with_one_key_has_one_effect_and_one_answer(site: Site) {
        let admin = site.admin().await;
        let methods = methods();
        assert!(methods.len() > 10, "{methods:?}");
        for method in &methods {
            for at_once in [false, true] {
                check(&site, &admin, method, at_once).await;
            }
        }
    }
}
