//! The OpenAPI document.

use std::collections::BTreeSet;

use http::{Request, StatusCode};
use http_body_util::Full;
use prost_reflect::{DescriptorPool, Value as Proto};
use serde_json::{Map, Value, json};

use crate::world::World;

async fn document(world: &World) -> Value {
    let answer = world.get("/openapi.json").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.json()
}

pub async fn public() -> Value {
    document(&World::public(|_| json!({}))).await
}

async fn trial() -> Value {
    document(&World::trial(|_| json!({}))).await
}

/// Every operation with its path and verb.
pub fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let mut operations = Vec::new();
    for (path, verbs) in object(&document["paths"]) {
        for (verb, operation) in object(verbs) {
            operations.push((path.clone(), verb.clone(), operation));
        }
    }
    operations
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("{value} is no object"))
}

fn names(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().map(|name| name.as_str().unwrap()).collect()
}

/// The parameter called `name` of an operation.
fn parameter<'a>(operation: &'a Value, name: &str) -> Option<&'a Value> {
    operation["parameters"].as_array()?.iter().find(|parameter| parameter["name"] == name)
}

/// Calls `visit` with every value below `value`.
fn walk(value: &Value, visit: &mut impl FnMut(&Value)) {
    visit(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        Value::Object(fields) => fields.values().for_each(|field| walk(field, visit)),
        _ => {}
    }
}

/// The path without the messages that its variables are in.
fn shown(path: &str) -> String {
    let segments = path.split('/').map(|segment| match segment.rsplit_once('.') {
        Some((_, name)) if segment.starts_with('{') => format!("{{{name}"),
        _ => segment.to_owned(),
    });
    segments.collect::<Vec<_>>().join("/")
}

/// The verb and path of every `google.api.http` rule, with the name of its method.
fn rules() -> Vec<(String, String, String)> {
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
    let http = pool.get_extension_by_name("google.api.http").unwrap();
    let mut rules = Vec::new();
    for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let options = method.options();
        let rule = options.get_extension(&http);
        let rule = rule.as_message().unwrap();
        let more = rule.get_field_by_name("additional_bindings").unwrap();
        let more = more.as_list().unwrap().iter().filter_map(Proto::as_message);
        for rule in std::iter::once(rule).chain(more) {
            for (field, value) in rule.fields() {
                let is_verb = ["get", "put", "post", "delete", "patch"].contains(&field.name());
                if let Some(path) = value.as_str().filter(|_| is_verb) {
                    let verb = field.name().to_owned();
                    rules.push((verb, path.to_owned(), method.name().to_owned()));
                }
            }
        }
    }
    rules
}

#[tokio::test]
async fn every_route_is_there_once_and_without_a_slash_at_the_end() {
    let document = public().await;
    let operations = operations(&document);
    let rules = rules();

    assert_eq!(operations.len(), rules.len());
    for (verb, path, method) in rules {
        let path = shown(&path);
        let operation = operations.iter().find(|(at, by, _)| *at == path && *by == verb);
        let (_, _, operation) = operation.unwrap_or_else(|| panic!("no {verb} {path}"));
        let id = operation["operationId"].as_str().unwrap();
        assert!(id == method || id.starts_with(&format!("{method}_")), "{id} is {method}");
    }
    assert!(object(&document["paths"]).keys().all(|path| !path.ends_with('/')));
}

#[tokio::test]
async fn every_operation_says_what_it_does_and_for_whom() {
    let document = public().await;
    let mut ids = BTreeSet::new();

    for (path, verb, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id.to_owned()), "{id} is not unique");
        assert!(!operation["summary"].as_str().unwrap().is_empty(), "{verb} {path}");
        let description = operation["description"].as_str().unwrap();
        let is_public = operation["security"] == json!([]);
        let callers = if is_public { "For everybody" } else { "For `" };
        assert!(description.contains(callers), "{verb} {path}: {description}");
        let tags = document["tags"].as_array().unwrap();
        let tag = tags.iter().find(|tag| tag["name"] == operation["tags"][0]).unwrap();
        assert!(!tag["description"].as_str().unwrap().is_empty());
        let statuses = object(&operation["responses"]);
        assert!(statuses.contains_key("400") && statuses.contains_key("500"), "{verb} {path}");
    }
    assert!(ids.contains("CreateToken") && ids.contains("UpdateUser_put_technicians"), "{ids:?}");
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    for document in [public().await, trial().await] {
        walk(&document, &mut |value| {
            if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
                let target = document.pointer(reference.trim_start_matches('#'));
                assert!(target.is_some_and(|target| !target.is_null()), "{reference}");
            }
        });
    }
}

#[tokio::test]
async fn what_the_client_gives_and_what_it_gets_are_two_schemas() {
    let document = public().await;
    let schemas = &document["components"]["schemas"];

    assert_eq!(names(&schemas["TaskInput"]["required"]), ["title"]);
    assert_eq!(schemas["TaskInput"]["additionalProperties"], false);
    assert_eq!(schemas["TaskInput"]["properties"]["id"]["readOnly"], true);
    assert_eq!(schemas["TaskInput"]["properties"]["title"]["maxLength"], 200);
    let due = json!(["string", "null"]);
    assert_eq!(schemas["TaskInput"]["properties"]["due_date"]["type"], due);
    assert_eq!(schemas["TaskInput"]["properties"]["due_date"]["format"], "date");

    let answered = names(&schemas["Task"]["required"]);
    assert!(answered.contains(&"description") && answered.contains(&"created_at"));
    assert!(!answered.contains(&"due_date") && !answered.contains(&"completed_at"));
    assert_eq!(schemas["Task"].get("additionalProperties"), None);

    assert!(schemas["UserPatch"].get("required").is_none());
    assert!(schemas["UserPatch"]["properties"].get("password").is_none());
    assert_eq!(schemas["UserInput"]["properties"]["password"]["writeOnly"], true);
    assert!(schemas["User"]["properties"].get("password").is_none());
    assert_eq!(names(&schemas["UserInput"]["required"]), ["username", "email", "password"]);
}

#[tokio::test]
async fn a_put_may_leave_out_what_cannot_change() {
    let document = public().await;
    let schemas = &document["components"]["schemas"];

    assert_eq!(names(&schemas["AlertInput"]["required"]), ["equipment_id", "message"]);
    assert_eq!(names(&schemas["AlertPut"]["required"]), ["message"]);
    let alert = &document["paths"]["/api/alerts/{id}"]["put"]["requestBody"]["content"];
    let shown = &alert["application/json"]["schema"]["$ref"];
    assert_eq!(shown, "#/components/schemas/AlertPut");
    assert!(schemas["UserPut"]["properties"].get("password").is_none());
    // A task is given by PUT as it is by POST.
    let task = &document["paths"]["/api/tasks/{id}"]["put"]["requestBody"]["content"];
    assert_eq!(task["application/json"]["schema"]["$ref"], "#/components/schemas/TaskInput");
}

#[tokio::test]
async fn what_must_be_given_must_not_be_empty() {
    let document = public().await;
    let schemas = &document["components"]["schemas"];

    assert_eq!(schemas["AlertInput"]["properties"]["equipment_id"]["minLength"], 1);
    assert_eq!(schemas["ReadingInput"]["properties"]["metrics"]["minProperties"], 1);
    assert!(schemas["AlertPut"]["properties"]["equipment_id"].get("minLength").is_none());
    assert!(schemas["Alert"]["properties"]["equipment_id"].get("minLength").is_none());
}

#[tokio::test]
async fn an_enum_has_the_names_that_mean_something() {
    let document = public().await;
    let status = &document["components"]["schemas"]["TaskStatus"];

    let values = ["PENDING", "IN_PROGRESS", "ON_HOLD", "COMPLETED", "CANCELLED"];
    assert_eq!(names(&status["enum"]), values);
    assert!(status["description"].as_str().unwrap().contains("\n- `PENDING`: Waits for somebody."));
}

#[tokio::test]
async fn parameters_come_with_their_rules() {
    let document = public().await;
    let list = &document["paths"]["/api/tasks"]["get"];
    let size = &parameter(list, "page_size").unwrap()["schema"];
    assert_eq!((&size["minimum"], &size["type"]), (&json!(0), &json!("integer")));
    let person = parameter(list, "assignee_id").unwrap();
    assert_eq!((&person["in"], &person["schema"]["format"]), (&json!("query"), &json!("uuid")));

    let alerts = &document["paths"]["/api/alerts"]["get"];
    let orders = names(&parameter(alerts, "order_by").unwrap()["schema"]["enum"]);
    assert_eq!(orders, ["", "raised_at", "raised_at desc"]);

    let create = &document["paths"]["/api/tasks"]["post"];
    assert_eq!(parameter(create, "Idempotency-Key").unwrap()["schema"]["maxLength"], 200);
    assert!(parameter(create, "request_id").is_none());

    let change = &document["paths"]["/api/users/{id}"]["patch"];
    let id = parameter(change, "id").unwrap();
    assert_eq!((&id["in"], &id["required"]), (&json!("path"), &json!(true)));
    assert!(parameter(change, "update_mask").is_none());
    // What reads says what an id is, where the resource itself can't.
    let read = &document["paths"]["/api/users/{id}"]["get"];
    assert_eq!(id["schema"], parameter(read, "id").unwrap()["schema"]);
    let task = &document["paths"]["/api/tasks/{id}"]["patch"];
    assert_eq!(parameter(task, "id").unwrap()["schema"]["format"], "uuid");
    let media = object(&change["requestBody"]["content"]);
    assert!(media.contains_key("application/merge-patch+json"));
}

#[tokio::test]
async fn a_body_leaves_out_what_path_and_headers_say() {
    let document = public().await;
    let complete = &document["components"]["schemas"]["CompleteTaskRequest"];

    assert!(complete["properties"].get("work_done").is_some());
    assert!(complete["properties"].get("id").is_none());
    assert!(complete["properties"].get("request_id").is_none());
    let operation = &document["paths"]["/api/tasks/{id}/complete"]["post"];
    assert_eq!(operation["requestBody"]["required"], false);
}

#[tokio::test]
async fn answers_say_which_headers_they_carry() {
    let document = public().await;
    let created = &document["paths"]["/api/tasks"]["post"]["responses"]["201"];
    assert!(
        created["headers"].get("Location").is_some() && created["headers"].get("ETag").is_some()
    );
    let comment = &document["paths"]["/api/tasks/{task_id}/comments"]["post"]["responses"]["201"];
    assert!(comment["headers"].get("Location").is_some());
    let one = &document["paths"]["/api/tasks/{id}"]["get"];
    assert!(one["responses"].get("304").is_some() && parameter(one, "If-None-Match").is_some());
    let change = &document["paths"]["/api/users/{id}"]["put"];
    assert!(change["responses"].get("412").is_some() && parameter(change, "If-Match").is_some());
    let deleted = &document["paths"]["/api/keys/{id}"]["delete"]["responses"]["204"];
    assert!(deleted.get("content").is_none() && !deleted.is_null());
}

#[tokio::test]
async fn a_stream_comes_as_lines_or_as_events() {
    let document = trial().await;
    let watch = &document["paths"]["/trial/things/watch"]["get"];

    let media = object(&watch["responses"]["200"]["content"]);
    assert_eq!(media.keys().collect::<Vec<_>>(), ["application/x-ndjson", "text/event-stream"]);
    assert_eq!(parameter(watch, "Last-Event-ID").unwrap()["in"], "header");
    assert_eq!(parameter(watch, "resume_token").unwrap()["in"], "query");
    let events = &media["text/event-stream"]["schema"]["anyOf"];
    let data = |at: usize| &events[at]["properties"]["data"]["contentSchema"]["$ref"];
    assert_eq!(data(0), &media["application/x-ndjson"]["schema"]["$ref"]);
    assert_eq!(data(1), "#/components/schemas/Problem");
}

#[tokio::test]
async fn a_ticket_is_for_any_stream_there_is_and_for_nothing_else() {
    let document = public().await;
    let path =
        &document["components"]["schemas"]["CreateStreamTicketRequest"]["properties"]["path"];
    let path = regex::Regex::new(path["pattern"].as_str().unwrap()).unwrap();

    for (at, verb, operation) in operations(&document) {
        let media = &operation["responses"]["200"]["content"];
        let is_stream = verb == "get" && media.get("text/event-stream").is_some();
        assert_eq!(path.is_match(&at), is_stream, "{verb} {at}");
        assert_eq!(path.is_match(&format!("{at}/")), is_stream, "{verb} {at}/");
    }
}

#[tokio::test]
async fn what_a_service_looks_at_itself_is_told_all_the_same() {
    let document = public().await;
    let reading = &document["components"]["schemas"]["ReadingInput"]["properties"];

    assert!(reading["equipment_id"]["pattern"].as_str().unwrap().contains("[0-9A-Fa-f]"));
    assert_eq!(reading["metrics"]["maxProperties"], 100);
    assert_eq!(reading["metrics"]["propertyNames"]["pattern"], "^[a-z][a-z0-9_]{0,63}$");
}

#[tokio::test]
async fn every_shape_has_a_schema() {
    let document = trial().await;
    let thing = &document["components"]["schemas"]["Thing"]["properties"];
    assert_eq!(thing["limits"]["additionalProperties"]["type"], "number");
    assert_eq!(thing["parts"]["items"]["$ref"], "#/components/schemas/Thing");
    assert_eq!(thing["blob"]["contentEncoding"], "base64");
    assert_eq!(thing["made_at"]["format"], "date-time");

    let find = &document["paths"]["/trial/things"]["get"];
    assert_eq!(parameter(find, "owner.email").unwrap()["in"], "query");
    assert_eq!(parameter(find, "known").unwrap()["schema"]["type"], "boolean");
    assert_eq!(parameter(find, "tags").unwrap()["schema"]["type"], "array");
}

#[tokio::test]
async fn the_document_is_fetched_again_only_if_it_is_another() {
    let world = World::public(|_| json!({}));
    let etag = world.get("/openapi.json").await.header("etag").unwrap().to_owned();
    let request = Request::get("/openapi.json/").header("if-none-match", &etag);

    let again = world.send(request.body(Full::default()).unwrap()).await;

    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    assert!(again.body.is_empty());
    assert_eq!(
        World::public(|_| json!({})).get("/openapi.json").await.header("etag"),
        Some(&*etag)
    );
}
