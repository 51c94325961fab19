//! What api.md and API-DESIGN.md say of one resource, tried at every operation that the document has, with the services behind
//! it.

use prost_reflect::{DescriptorPool, Value as Proto};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    rest::{Rest, text},
    site::{PASSWORD, Site},
};

/// An id that nothing has.
const NOBODY: &str = "018f0000-0000-7000-8000-000000000000";

/// One verb and path of the document.
struct Operation {
    method: Method,
    template: String,
    described: Value,
}

/// One thing of every kind, by the path of its kind.
struct Things(Vec<(&'static str, String)>);

impl Things {
    async fn new(site: &Site, admin: &Rest) -> Self {
        Self::with_user(site, admin, "eve").await
    }

    async fn with_user(site: &Site, admin: &Rest, user: &str) -> Self {
        let make = async |path: &'static str, body: Value| {
            (path, text(&admin.post(path, &body).await.created(), "id"))
        };
        let name = site.name(user);
        let email = format!("{name}@example.org");
        let user = json!({ "username": name, "email": email, "password": PASSWORD });
        let pump = make("/api/equipment", json!({ "name": "Pump" })).await;
        let of_pump = |mut body: Value| {
            body["equipment_id"] = pump.1.as_str().into();
            body
        };
        let rule = json!({ "name": "Hot", "metric": "heat", "condition": "ABOVE", "threshold": 9 });
        let alert =
            json!({ "message": "Smoke", "metric": "heat", "value": 0.300_000_000_000_000_04 });
        Self(vec![
            make("/api/users", user).await,
            make("/api/tasks", of_pump(json!({ "title": "Grease it" }))).await,
            make("/api/maintenance", of_pump(json!({ "work_done": "Greased" }))).await,
            make("/api/data", of_pump(json!({ "metrics": { "heat": 7 } }))).await,
            make("/api/rules", of_pump(rule)).await,
            make("/api/alerts", of_pump(alert)).await,
            pump,
        ])
    }

    /// The path of the thing that `template` leads to.
    fn path(&self, template: &str) -> String {
        // Other names of two kinds.
        let template = template.replace("technicians", "users").replace("equipments", "equipment");
        let kind = template.split("/{").next().unwrap();
        let thing = self.0.iter().find(|(path, _)| *path == kind);
        let (_, id) = thing.unwrap_or_else(|| panic!("make one for {template}"));
        at(&template, id)
    }
}

/// `template` with `id` in the place of its variable.
fn at(template: &str, id: &str) -> String {
    let segments = template.split('/');
    let segments = segments.map(|segment| if segment.starts_with('{') { id } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

async fn operations(rest: &Rest) -> Vec<Operation> {
    let document = rest.get("/openapi.json").await.ok();
    let mut operations = Vec::new();
    for (template, verbs) in document["paths"].as_object().unwrap() {
        for (verb, described) in verbs.as_object().unwrap() {
            operations.push(Operation {
                method: verb.to_uppercase().parse().unwrap(),
                template: template.clone(),
                described: described.clone(),
            });
        }
    }
    assert!(80 < operations.len());
    operations
}

impl Operation {
    /// What the document says of the parameter `name`.
    fn parameter(&self, name: &str) -> Option<&Value> {
        self.parameters().find(|parameter| parameter["name"] == name)
    }

    fn parameters(&self) -> impl Iterator<Item = &Value> {
        self.described["parameters"].as_array().into_iter().flatten()
    }

    /// Something by which the list can be filtered, and a value for it.
    fn filter(&self) -> Option<(&str, &str)> {
        let is_filter = |parameter: &&Value| {
            let (name, kind) = (parameter["name"].as_str().unwrap(), &parameter["schema"]["type"]);
            parameter["in"] == "query"
                && (kind == "string" || kind == "boolean")
                && !["page_token", "order_by"].contains(&name)
        };
        let filter = self.parameters().find(is_filter)?;
        let schema = &filter["schema"];
        let value = match schema["format"].as_str() {
            Some("date-time") => "2001-02-03T04:05:06Z",
            _ if schema["type"] == "boolean" => "true",
            // An id, which is good for a text as well.
            _ => NOBODY,
        };
        Some((filter["name"].as_str().unwrap(), value))
    }

    /// A body that the operation takes, if it takes one.
    fn body(&self) -> Option<Value> {
        let media = &self.described["requestBody"]["content"]["application/json"];
        let media = media.as_object()?;
        Some(media.get("example").cloned().unwrap_or_else(|| json!({})))
    }
}

crate::everywhere! {
    async fn what_is_not_there_is_404_whatever_is_done_to_it(site: Site) {
        let admin = site.admin().await;
        let me = text(&admin.get("/api/users/me").await.ok(), "id");
        let mut others = Vec::new();
        for operation in operations(&admin).await {
            // Whoever changes a password is in the path: another is no business of theirs, there or not.
            if !operation.template.contains('{') || operation.template.ends_with("/password") {
                continue;
            }
            let path = at(&operation.template, NOBODY);
            let mut body = operation.body();
            if operation.template.ends_with("/assign") {
                body = Some(json!({ "assignee_id": me }));
            }
            let answer = admin.send(operation.method.clone(), &path, body.as_ref(), &[]).await;
            if answer.status != StatusCode::NOT_FOUND {
                others.push(format!("{} {path}: {}", operation.method, answer.body));
            }
            assert_eq!(answer.headers["content-type"], "application/problem+json", "{path}");
        }
        assert!(others.is_empty(), "{others:#?}");
    }

    async fn what_the_client_has_already_is_not_sent_again(site: Site) {
        let admin = site.admin().await;
        let things = Things::new(&site, &admin).await;
        let mut count = 0;
        for operation in operations(&admin).await {
            if operation.method != Method::GET || operation.described["responses"].get("304").is_none() {
                continue;
            }
            let path = if operation.template.contains('{') { things.path(&operation.template) } else { operation.template };
            let get = async |known: &str| admin.send(Method::GET, &path, None, &[("if-none-match", known)]).await;
            let first = get("\"another\"").await;
            let etag = first.headers["etag"].to_str().unwrap().to_owned();
            assert_eq!(first.body["etag"], etag.trim_matches('"'), "{path}");

            for known in [&etag, &format!("W/{etag}"), &format!("\"another\", {etag}"), "*"] {
                let again = get(known).await;
                assert_eq!(again.status, StatusCode::NOT_MODIFIED, "{path}");
                assert_eq!((&again.body, &again.headers["etag"]), (&Value::Null, &first.headers["etag"]), "{path}");
            }
            count += 1;
        }
        assert!(7 <= count, "{count}");
    }

    async fn a_write_for_a_version_that_is_no_more_changes_nothing(site: Site) {
        let admin = site.admin().await;
        let me = text(&admin.get("/api/users/me").await.ok(), "id");
        let things = Things::new(&site, &admin).await;
        let mut count = 0;
        let takes_version = |it: &Operation| it.method != Method::GET && it.parameter("If-Match").is_some();
        for operation in operations(&admin).await.iter().filter(|it| takes_version(it)) {
            let (method, template) = (&operation.method, &operation.template);
            let path = things.path(template);
            let thing = things.path(&format!("{}}}", template.split('}').next().unwrap()));
            let before = admin.get(&thing).await.ok();
            let is_update = template.ends_with('}') && method != Method::DELETE;
            let body = match operation.body() {
                Some(_) if template.ends_with("/assign") => Some(json!({ "assignee_id": me })),
                // What was read, which can be sent back as it is.
                Some(_) if is_update => Some(without(&before, "etag")),
                body => body,
            };

            let stale = [("if-match", "\"0\"")];
            let by_header = admin.send(method.clone(), &path, body.as_ref(), &stale).await;
            assert_eq!(by_header.with(StatusCode::PRECONDITION_FAILED)["reason"], "STALE", "{method} {path}");
            if let Some(mut body) = body.filter(|_| is_update) {
                body["etag"] = "0".into();
                let by_body = admin.send(method.clone(), &path, Some(&body), &[]).await;
                assert_eq!(by_body.with(StatusCode::CONFLICT)["reason"], "STALE", "{method} {path}");
            }
            assert_eq!(admin.get(&thing).await.ok(), before, "{method} {path}");
            count += 1;
        }
        assert!(25 <= count, "{count}");
    }

    async fn a_token_of_a_page_is_good_for_its_filter_alone(site: Site) {
        let admin = site.admin().await;
        let things = Things::new(&site, &admin).await;
        Things::with_user(&site, &admin, "adam").await;
        let pump = things.path("/api/equipment/{id}");
        for status in ["STANDBY", "DOWN"] {
            admin.send(Method::PATCH, &pump, Some(&json!({ "status": status })), &[]).await.ok();
        }
        for title in ["Grease it", "Wash it"] {
            let task = admin.post("/api/tasks", &json!({ "title": title })).await.created();
            admin.post(&format!("/api/tasks/{}/complete", text(&task, "id")), &json!({})).await.ok();
        }
        let mut count = 0;
        for operation in operations(&admin).await {
            let Some((name, value)) = operation.parameter("page_token").and_then(|_| operation.filter()) else {
                continue;
            };
            let template = &operation.template;
            let path = if template.contains('{') { things.path(template) } else { template.clone() };
            let token = text(&admin.get(&format!("{path}?page_size=1")).await.ok(), "next_page_token");
            assert!(!token.is_empty(), "{path}: make two");

            let page = format!("{path}?page_size=1&page_token={token}");
            admin.get(&page).await.ok();
            let refused = admin.get(&format!("{page}&{name}={value}")).await.with(StatusCode::BAD_REQUEST);

            assert_eq!(refused["errors"][0]["field"], "page_token", "{path} {name}: {refused}");
            count += 1;
        }
        assert!(13 <= count, "{count}");
    }

    async fn a_patch_that_says_nothing_changes_nothing(site: Site) {
        let admin = site.admin().await;
        let things = Things::new(&site, &admin).await;
        let is_update = |it: &Operation| it.method == Method::PATCH && it.template.ends_with('}');
        for operation in operations(&admin).await.iter().filter(|it| is_update(it)) {
            let path = things.path(&operation.template);
            let before = admin.get(&path).await.ok();

            let answered = admin.send(Method::PATCH, &path, Some(&json!({})), &[]).await.ok();

            assert_eq!((&answered, &admin.get(&path).await.ok()), (&before, &before), "{path}");
        }
    }

    async fn what_cannot_change_may_be_left_out_of_a_put_and_is_refused_if_it_differs(site: Site) {
        let admin = site.admin().await;
        let things = Things::new(&site, &admin).await;
        let mut tried = Vec::new();
        for (path, field) in immutable() {
            let path = things.path(&path);
            let read = admin.get(&path).await.ok();
            // What was read can be sent back as it is.
            admin.send(Method::PUT, &path, Some(&read), &[]).await.ok();

            let mut without = read.clone();
            for name in ["etag", &field] {
                without.as_object_mut().unwrap().remove(name);
            }
            let after = admin.send(Method::PUT, &path, Some(&without), &[]).await.ok();
            assert_eq!(after[&field], read[&field], "{path} {field}");

            let mut other = without;
            other[&field] = match field.as_str() {
                "equipment_id" | "task_id" => NOBODY.into(),
                "metric" => "cold".into(),
                "recorded_at" | "raised_at" => "2001-02-03T04:05:06Z".into(),
                "password" => "another horse battery staple".into(),
                _ => 5.into(),
            };
            for verb in [Method::PUT, Method::PATCH] {
                let refused = admin.send(verb, &path, Some(&other), &[]).await.with(StatusCode::BAD_REQUEST);
                assert_eq!(refused["errors"][0]["field"], field.as_str(), "{path}: {refused}");
            }
            assert_eq!(admin.get(&path).await.ok()[&field], read[&field], "{path} {field}");
            tried.push(field);
        }
        assert!(10 <= tried.len(), "{tried:?}");
    }
}

/// `object` without `field`.
fn without(object: &Value, field: &str) -> Value {
    let mut object = object.clone();
    object.as_object_mut().unwrap().remove(field);
    object
}

/// The `PUT` of every resource with fields that can't change, and such a field.
fn immutable() -> Vec<(String, String)> {
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
    let http = pool.get_extension_by_name("google.api.http").unwrap();
    let behavior = pool.get_extension_by_name("google.api.field_behavior").unwrap();
    let mut found = Vec::new();
    let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    for method in methods.filter(|method| method.name().starts_with("Update")) {
        let options = method.options();
        let rule = options.get_extension(&http);
        let rule = rule.as_message().unwrap();
        let text = |name: &str| rule.get_field_by_name(name).unwrap().as_str().unwrap().to_owned();
        let resource = method.input().get_field_by_name(&text("body")).unwrap();
        for field in resource.kind().as_message().unwrap().fields() {
            let options = field.options();
            let is_fixed = options.get_extension(&behavior);
            if is_fixed.as_list().unwrap().contains(&Proto::EnumNumber(5)) {
                found.push((text("patch"), field.name().to_owned()));
            }
        }
    }
    found
}
