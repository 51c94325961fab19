//! What comes back: success, and everything else.

use anyhow::Result;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::{routes::Route, rule::BodyRule};

use super::{Form, schema::Schemas};

/// Every problem that has a response of its own: its status, the name of the response, and when it comes.
const PROBLEMS: [(StatusCode, &str, &str); 15] = [
    (
        StatusCode::BAD_REQUEST,
        "BadRequest",
        "A field is wrong, unknown or missing; `errors` names each.",
    ),
    (StatusCode::UNAUTHORIZED, "Unauthenticated", "No credential, or none that is good."),
    (StatusCode::FORBIDDEN, "Forbidden", "The caller may not do this."),
    (StatusCode::NOT_FOUND, "NotFound", "There is none, or none that the caller may see."),
    (StatusCode::NOT_ACCEPTABLE, "NotAcceptable", "The answer has no form that `Accept` names."),
    (StatusCode::REQUEST_TIMEOUT, "RequestTimeout", "The body did not arrive in time."),
    (StatusCode::CONFLICT, "Conflict", "The state of things forbids it; `reason` says why."),
    (
        StatusCode::PRECONDITION_FAILED,
        "PreconditionFailed",
        "Somebody else changed it since the `ETag` was read.",
    ),
    (StatusCode::PAYLOAD_TOO_LARGE, "BodyTooLarge", "The body is larger than the operation takes."),
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", "The body is not called JSON."),
    (
        StatusCode::TOO_MANY_REQUESTS,
        "TooManyRequests",
        "Too much or too often; `Retry-After` says when to come again.",
    ),
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        "InternalError",
        "A fault of the suite; `request_id` finds it in the log.",
    ),
    (
        StatusCode::NOT_IMPLEMENTED,
        "NoMethod",
        "A part of the suite is older than the gateway and doesn't know the operation yet.",
    ),
    (
        StatusCode::SERVICE_UNAVAILABLE,
        "Unavailable",
        "A part of the suite is away; `Retry-After` says when to come again.",
    ),
    (
        StatusCode::GATEWAY_TIMEOUT,
        "TimedOut",
        "The answer did not come in time. It may have been done all the same.",
    ),
];

const PROBLEM: &str = "#/components/schemas/Problem";

/// The responses of `route` by status, for a `verb`.
pub fn responses(schemas: &mut Schemas, verb: &Method, route: &Route) -> Result<Value> {
    let mut responses = Map::new();
    for (status, response) in successes(schemas, verb, route)? {
        responses.insert(status.as_str().to_owned(), response);
    }
    for (status, name, _) in PROBLEMS {
        if is_possible(status, verb, route) {
            let response = json!({ "$ref": format!("#/components/responses/{name}") });
            responses.insert(status.as_str().to_owned(), response);
        }
    }
    Ok(responses.into())
}

fn successes(
    schemas: &mut Schemas,
    verb: &Method,
    route: &Route,
) -> Result<Vec<(StatusCode, Value)>> {
    if route.success == StatusCode::NO_CONTENT {
        return Ok(vec![(route.success, json!({ "description": "Done." }))]);
    }
    let content = content(schemas, route)?;
    let mut headers = Map::new();
    if has_etag(route) {
        headers.insert("ETag".to_owned(), json!({ "$ref": "#/components/headers/ETag" }));
    }
    let response = |description: &str, headers: &Map<String, Value>| {
        let mut response = json!({ "description": description, "content": content });
        if !headers.is_empty() {
            response["headers"] = headers.clone().into();
        }
        response
    };

    let mut successes = Vec::new();
    if route.success == StatusCode::CREATED {
        if is_repeatable(route) {
            let repeated = "It was there already: an earlier request with this key, or the same data, made it.";
            successes.push((StatusCode::OK, response(repeated, &headers)));
        }
        if route.collection.is_some() {
            let location = json!({ "$ref": "#/components/headers/Location" });
            headers.insert("Location".to_owned(), location);
        }
        successes.push((route.success, response("Created.", &headers)));
    } else {
        successes.push((route.success, response("Done.", &headers)));
    }
    if verb == Method::GET && has_etag(route) {
        let unchanged = json!({ "description": "It is what the client has." });
        successes.push((StatusCode::NOT_MODIFIED, unchanged));
    }
    Ok(successes)
}

fn content(schemas: &mut Schemas, route: &Route) -> Result<Value> {
    let message = schemas.message(&route.method.output(), Form::Answer)?;
    if !route.method.is_server_streaming() {
        return Ok(json!({ "application/json": { "schema": message } }));
    }
    let events = event(&message);
    let mut lines = message;
    lines["description"] = "One such record a line; an empty line says nothing.".into();
    Ok(json!({
        "application/x-ndjson": { "schema": lines },
        "text/event-stream": { "schema": events },
    }))
}

/// One server-sent event, in the form that OpenAPI gives it: a field a property.
fn event(record: &Value) -> Value {
    let data = |schema: &Value| {
        json!({
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": schema,
        })
    };
    json!({
        "description": "One such event after another.",
        "anyOf": [
            {
                "type": "object",
                "description": "A record.",
                "properties": {
                    "event": { "type": "string", "const": "message", "default": "message" },
                    "id": { "type": "string", "description": "Resumes after this record." },
                    "data": data(record),
                },
                "required": ["data"],
            },
            {
                "type": "object",
                "description": "Why the stream ends.",
                "properties": {
                    "event": { "type": "string", "const": "error" },
                    "data": data(&json!({ "$ref": PROBLEM })),
                },
                "required": ["event", "data"],
            },
        ],
    })
}

/// Whether an answer of this kind says which version it shows.
pub fn has_etag(route: &Route) -> bool {
    !route.method.is_server_streaming() && route.method.output().get_field_by_name("etag").is_some()
}

fn is_repeatable(route: &Route) -> bool {
    route.header_fields.iter().any(|(header, _)| header == "idempotency-key")
}

fn is_possible(status: StatusCode, verb: &Method, route: &Route) -> bool {
    let has_body = route.body != BodyRule::None;
    match status {
        // What anybody may read, nobody is refused.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => !route.public || verb != Method::GET,
        StatusCode::NOT_FOUND => !route.path_fields.is_empty(),
        StatusCode::CONFLICT => verb != Method::GET,
        // Whoever reads may say which version they expect, too.
        StatusCode::PRECONDITION_FAILED => {
            route.version_field.is_some() || verb == Method::GET && has_etag(route)
        }
        StatusCode::REQUEST_TIMEOUT
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE => has_body,
        _ => true,
    }
}

/// The responses that operations refer to.
pub fn problems() -> Value {
    let responses = PROBLEMS.into_iter().map(|(status, name, description)| {
        let schema = json!({ "$ref": PROBLEM });
        let mut response = json!({
            "description": description,
            "content": { "application/problem+json": { "schema": schema } },
        });
        let header = match status {
            StatusCode::UNAUTHORIZED => Some("WWW-Authenticate"),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Some("Retry-After"),
            _ => None,
        };
        if let Some(header) = header {
            let reference = json!({ "$ref": format!("#/components/headers/{header}") });
            response["headers"] = json!({ header: reference });
        }
        (name.to_owned(), response)
    });
    Value::Object(responses.collect())
}

/// The headers that responses refer to.
pub fn headers() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "ETag": { "description": "The version that is shown, quoted.", "schema": text },
        "Location": { "description": "Where it is found: by itself, or in its list if it has no address of its own.", "schema": text },
        "Retry-After": {
            "description": "Seconds to wait.", "schema": { "type": "integer", "minimum": 0 },
        },
        "WWW-Authenticate": {
            "description": "`Bearer`, with `error=\"invalid_token\"` where the token that was sent lets nobody in.",
            "schema": text,
        },
    })
}

/// The schemas of the gateway's own documents.
pub fn schemas() -> [(String, Value); 2] {
    let error = json!({
        "type": "object",
        "description": "What is wrong with one field.",
        "properties": {
            "field": {
                "type": "string",
                "description": "Its path in the body (`title`, `tags[1]`, `owner.email`), or the name of a parameter; \
                                `body` for all of it, and empty where it is no JSON.",
            },
            "message": { "type": "string" },
        },
        "required": ["field", "message"],
    });
    let problem = json!({
        "type": "object",
        "description": "Whatever goes wrong (RFC 9457).",
        "properties": {
            "type": { "type": "string", "const": "about:blank" },
            "title": { "type": "string", "description": "The status in words." },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string", "description": "For people." },
            "reason": { "type": "string", "description": "For programs: `TASK_HELD`. Stable." },
            "metadata": {
                "type": "object",
                "description": "What a program needs to go on: `holder_id`.",
                "additionalProperties": { "type": "string" },
            },
            "request_id": { "type": "string", "description": "Finds the request in the logs." },
            "errors": {
                "type": "array",
                "items": { "$ref": "#/components/schemas/FieldError" },
            },
        },
        "required": [
            "type", "title", "status", "detail", "reason", "metadata", "request_id", "errors",
        ],
    });
    [("FieldError".to_owned(), error), ("Problem".to_owned(), problem)]
}
