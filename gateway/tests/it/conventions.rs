//! What api.md says of every method, tried at every method: a walk over the document, which is made of the descriptors.

mod location;

use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::{Map, Value, json};

use crate::world::{Answer, World, json as with_json};

/// One verb and path.
struct Operation {
    method: Method,
    /// With an id in the place of every variable.
    path: String,
    described: Value,
    schemas: Value,
}

const ID: &str = "01985c2e-8a5b-7c3d-9e4f-0123456789ab";

async fn operations(world: &World) -> Vec<Operation> {
    let document = world.get("/openapi.json").await.json();
    let mut operations = Vec::new();
    for (template, verbs) in document["paths"].as_object().unwrap() {
        let segments = template.split('/');
        let segments = segments.map(|segment| if segment.starts_with('{') { ID } else { segment });
        let path = segments.collect::<Vec<_>>().join("/");
        for (verb, described) in verbs.as_object().unwrap() {
            operations.push(Operation {
                method: verb.to_uppercase().parse().unwrap(),
                path: path.clone(),
                described: described.clone(),
                schemas: document["components"]["schemas"].clone(),
            });
        }
    }
    assert!(operations.len() > 40);
    operations
}

impl Operation {
    fn name(&self) -> &str {
        self.described["operationId"].as_str().unwrap()
    }

    fn has_body(&self) -> bool {
        self.described.get("requestBody").is_some()
    }

    /// The fields of its body.
    fn fields(&self) -> Map<String, Value> {
        let media = &self.described["requestBody"]["content"]["application/json"];
        let schema = self.resolve(&media["schema"]);
        schema["properties"].as_object().cloned().unwrap_or_default()
    }

    fn resolve(&self, schema: &Value) -> Value {
        let name = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next());
        name.map_or_else(|| schema.clone(), |name| self.schemas[name].clone())
    }

    fn request(&self, query: &str, body: Option<&Value>) -> Request<Full<bytes::Bytes>> {
        let path = format!("{}{query}", self.path);
        if let Some(body) = body {
            return with_json(self.method.clone(), &path, body.to_string());
        }
        let request = Request::builder().method(self.method.clone()).uri(path);
        request.body(Full::default()).unwrap()
    }

    /// Its request, as short as it can be.
    fn plain(&self) -> Request<Full<bytes::Bytes>> {
        self.request("", self.has_body().then_some(&json!({})))
    }

    fn expect(&self, answer: &Answer, status: u16) {
        assert_eq!(answer.status, status, "{} {}: {}", self.method, self.path, answer.text());
    }
}

#[tokio::test]
async fn a_path_is_the_same_with_and_without_its_slash() {
    let world = World::public(|_| json!({}));
    for operation in operations(&world).await {
        let mut slashed = operation.plain();
        *slashed.uri_mut() = format!("{}/", operation.path).parse().unwrap();

        let (one, other) = (world.send(operation.plain()).await, world.send(slashed).await);

        assert_eq!(one.status, other.status, "{}", operation.path);
        let calls = world.calls();
        let [.., first, second] = calls.as_slice() else { panic!("two calls: {calls:?}") };
        assert_eq!(first.message, second.message, "{}", operation.path);
    }
}

#[tokio::test]
async fn success_has_the_status_that_is_promised() {
    let world = World::public(|_| json!({}));
    for operation in operations(&world).await {
        let answer = world.send(operation.plain()).await;
        let promised = operation.described["responses"].as_object().unwrap();
        let promised: Vec<_> = promised.keys().filter(|status| status.starts_with('2')).collect();
        let status = answer.status.as_str().to_owned();
        // A creation that is no repetition is a creation.
        let is_last = promised.last().is_some_and(|last| **last == status);
        assert!(is_last, "{}: {status} of {promised:?}", operation.name());
        assert_eq!(answer.status == StatusCode::NO_CONTENT, answer.body.is_empty());
    }
}

#[tokio::test]
async fn an_unknown_parameter_is_named() {
    let world = World::public(|_| json!({}));
    for operation in operations(&world).await {
        let body = operation.has_body().then_some(json!({}));

        let answer = world.send(operation.request("?colour=red", body.as_ref())).await;

        operation.expect(&answer, 400);
        assert_eq!(answer.wrong_field(), "colour", "{}", operation.name());
        assert!(world.calls().is_empty());
    }
}

#[tokio::test]
async fn an_unknown_field_of_a_body_is_named() {
    let world = World::public(|_| json!({}));
    for operation in operations(&world).await.into_iter().filter(Operation::has_body) {
        let answer = world.send(operation.request("", Some(&json!({"colour": "red"})))).await;

        operation.expect(&answer, 400);
        assert_eq!(answer.wrong_field(), "colour", "{}", operation.name());
        assert!(world.calls().is_empty());
    }
}

#[tokio::test]
async fn what_is_posted_is_read_by_all_but_logging_out() {
    let world = World::public(|_| json!({}));
    let posts =
        operations(&world).await.into_iter().filter(|operation| operation.method == Method::POST);
    let without: Vec<_> = posts.filter(|post| !post.has_body()).map(|post| post.path).collect();

    assert_eq!(without, ["/api/logout"]);
}

#[tokio::test]
async fn a_field_may_come_in_lower_camel_case() {
    let world = World::public(|_| json!({}));
    for operation in operations(&world).await.into_iter().filter(Operation::has_body) {
        for (name, _) in operation.fields().iter().filter(|(name, _)| name.contains('_')) {
            let words = name.split('_').enumerate().map(|(index, word)| match index {
                0 => word.to_owned(),
                _ => word[..1].to_uppercase() + &word[1..],
            });
            let camel = words.collect::<String>();

            let answer =
                world.send(operation.request("", Some(&json!({camel.clone(): null})))).await;

            assert!(answer.status.is_success(), "{} {camel}: {}", operation.name(), answer.text());
        }
    }
}

#[tokio::test]
async fn a_value_of_another_type_is_refused_by_name_in_words_for_people() {
    let world = World::public(|_| json!({}));
    for operation in operations(&world).await.into_iter().filter(Operation::has_body) {
        for (name, schema) in operation.fields() {
            let wrong = if schema["type"] == json!(["string", "null"]) || schema["type"] == "string"
            {
                json!(5)
            } else {
                json!("no such value")
            };

            let answer =
                world.send(operation.request("", Some(&json!({name.clone(): wrong})))).await;

            let errors = answer.errors(400);
            assert_eq!(errors[0].0, name, "{}", operation.name());
            let message = &errors[0].1;
            assert!(message.starts_with("must be "), "{} {name}: {message}", operation.name());
        }
    }
}

#[tokio::test]
async fn every_wrong_value_of_a_parameter_is_refused_by_name() {
    let world = World::public(|_| json!({}));
    for operation in operations(&world).await {
        for parameter in operation.described["parameters"].as_array().into_iter().flatten() {
            let schema = operation.resolve(&parameter["schema"]);
            // Which words a text may be is for the service to say.
            let is_enum =
                schema["enum"].as_array().is_some_and(|names| !names.contains(&"".into()));
            let is_free = schema["type"] == "string" && !is_enum && schema["format"] != "date-time";
            if parameter["in"] != "query" || is_free || schema["type"] == "array" {
                continue;
            }
            let name = parameter["name"].as_str().unwrap();
            let body = operation.has_body().then_some(json!({}));

            let query = format!("?{name}=nonsense");
            let answer = world.send(operation.request(&query, body.as_ref())).await;

            operation.expect(&answer, 400);
            assert_eq!(answer.wrong_field(), name, "{}", operation.name());
        }
    }
}

#[tokio::test]
async fn what_is_zero_or_empty_is_answered() {
    let world = World::public(|_| json!({}));
    for operation in operations(&world).await {
        let answer = world.send(operation.plain()).await;
        if answer.header("content-type") != Some("application/json") {
            continue;
        }
        let status = answer.status.as_str();
        let promised = &operation.described["responses"][status]["content"]["application/json"];
        let schema = operation.resolve(&promised["schema"]);
        let body = answer.json();
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().unwrap();
            let property = &schema["properties"][name];
            // A message that the service always sets has no zero.
            let is_message = property["format"] == "date-time"
                || property["pattern"].is_string()
                || operation.resolve(property)["type"] == "object"
                    && property.get("additionalProperties").is_none();
            assert!(is_message || body.get(name).is_some(), "{} {name}", operation.name());
        }
    }
}

#[tokio::test]
async fn another_verb_is_405_and_learns_which_there_are() {
    let world = World::public(|_| json!({}));
    let operations = operations(&world).await;
    for operation in &operations {
        let verbs: Vec<_> =
            operations.iter().filter(|other| other.path == operation.path).collect();
        for verb in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            if verbs.iter().any(|other| other.method == verb) {
                continue;
            }
            let request = Request::builder().method(&verb).uri(&operation.path);
            let answer = world.send(request.body(Full::default()).unwrap()).await;
            operation.expect(&answer, 405);
            let allowed = answer.header("allow").unwrap();
            for other in &verbs {
                assert!(allowed.contains(other.method.as_str()), "{} {allowed}", operation.path);
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_406() {
    let world = World::public(|_| json!({}));
    for operation in operations(&world).await {
        let mut request = operation.plain();
        request.headers_mut().insert("accept", "image/png".parse().unwrap());

        assert_eq!(world.send(request).await.reason(406), "NOT_ACCEPTABLE", "{}", operation.name());
        assert!(world.calls().is_empty());
    }
}

#[tokio::test]
async fn a_body_that_is_not_called_json_is_415_and_one_that_is_too_large_413() {
    let world = World::public(|_| json!({}));
    for operation in operations(&world).await.into_iter().filter(Operation::has_body) {
        let mut named = operation.plain();
        named.headers_mut().insert("content-type", "text/plain".parse().unwrap());
        assert_eq!(world.send(named).await.status, 415, "{}", operation.name());

        let large = format!("{{\"colour\": \"{}\"}}", "x".repeat(16 << 20));
        let large = with_json(operation.method.clone(), &operation.path, large);
        assert_eq!(world.send(large).await.reason(413), "BODY_TOO_LARGE", "{}", operation.name());
        assert!(world.calls().is_empty());
    }
}

#[tokio::test]
async fn who_has_no_token_is_401_wherever_one_is_needed() {
    let world = World::public(|_| json!({}));
    for operation in operations(&world).await {
        let is_public = operation.described["security"] == json!([]);

        let answer = world.send_as_it_is(operation.plain()).await;

        assert_eq!(answer.status == 401, !is_public, "{}: {}", operation.name(), answer.status);
        assert_eq!(answer.header("www-authenticate").is_some(), !is_public);
    }
}

#[tokio::test]
async fn every_list_comes_in_pages() {
    let world = World::public(|_| json!({}));
    for operation in operations(&world).await.iter().filter(|it| it.name().starts_with("List")) {
        let schema = &operation.described["responses"]["200"]["content"]["application/json"];
        let answered = operation.resolve(&schema["schema"]);
        let is_paged = answered["properties"].get("next_page_token").is_some();
        let takes = |name: &str| {
            let mut parameters = operation.described["parameters"].as_array().into_iter().flatten();
            parameters.any(|parameter| parameter["name"] == name)
        };
        let is_whole = ["ListPublicKeys", "ListLatest"].contains(&operation.name());
        assert_eq!(is_paged, !is_whole, "{}", operation.name());
        assert_eq!(takes("page_size") && takes("page_token"), is_paged, "{}", operation.name());
    }
}

#[tokio::test]
async fn every_change_of_what_has_a_version_can_be_conditional() {
    let world = World::public(|_| json!({}));
    for operation in operations(&world).await {
        let success = &operation.described["responses"]["200"]["content"]["application/json"];
        let has_version = operation.resolve(&success["schema"])["properties"].get("etag").is_some();
        let is_change = operation.method == Method::PUT || operation.method == Method::PATCH;
        // What is done to a task is no change of its fields, and decided by its state.
        let is_update = operation.name().starts_with("Update");
        if has_version && is_change && is_update {
            let possible = operation.described["responses"].get("412").is_some();
            assert!(possible, "{}", operation.name());
        }
    }
}

#[tokio::test]
async fn every_creation_can_be_sent_again() {
    let world = World::public(|_| json!({}));
    for operation in operations(&world).await {
        let is_creation = operation.described["responses"].get("201").is_some();
        // A key's secret is shown once.
        let is_once = operation.name() == "CreateKey";
        if is_creation {
            let parameters = operation.described["parameters"].as_array().into_iter().flatten();
            let mut names = parameters.map(|parameter| parameter["name"].as_str().unwrap());
            let may_repeat = names.any(|name| name == "Idempotency-Key");
            assert_eq!(may_repeat, !is_once, "{}", operation.name());
        }
    }
}
