//! The OpenAPI 3.1 document, made from the same descriptors and routes as what it describes.
//!
//! A message is shown in up to four forms, because JSON Schema can say of a property only once whether it is required: as
//! it is answered ([`Form::Answer`], where what is not `optional` is always there), as it is given ([`Form::Input`]), as a
//! `PUT` gives it ([`Form::Put`], where what can't change may be left out) and as a `PATCH` does ([`Form::Patch`], where
//! nothing is required).

mod answer;
mod constraint;
mod example;
mod operation;
mod options;
mod parameter;
mod schema;
mod text;

use std::collections::BTreeMap;

use anyhow::Result;
use http::Method;
use prost_reflect::DescriptorPool;
use serde_json::{Map, Value, json};

use crate::{
    routes::{Action, Resource},
    ticket,
};

use operation::Operations;
use schema::Schemas;
use text::Comments;

/// How a message is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Answer,
    Input,
    Put,
    Patch,
}

/// The document for `resources`, whose options and comments are in `pool`.
///
/// # Errors
///
/// An option that has no form in OpenAPI, or two messages of one name.
pub fn document<'a>(
    pool: &DescriptorPool,
    resources: impl Iterator<Item = &'a Resource>,
) -> Result<Value> {
    let comments = Comments::of(pool);
    let options = options::Options::of(pool);
    let mut schemas = Schemas::new(&comments, &options);
    let (mut paths, mut tags) = (Map::new(), BTreeMap::new());
    for resource in resources {
        let read = resource.actions.iter().find_map(|(verb, action)| match action {
            Action::Call(route) if verb == Method::GET => Some(&**route),
            _ => None,
        });
        let mut operations = Operations::new(&comments, &options, &mut schemas, read);
        let mut path = Map::new();
        for (verb, action) in &resource.actions {
            let Action::Call(route) = action else { continue };
            let service = route.method.parent_service();
            tags.insert(service.name().to_owned(), comments.of_service(service));
            let operation = operations.operation(&resource.template, verb, route)?;
            path.insert(verb.as_str().to_lowercase(), operation);
        }
        if !path.is_empty() {
            paths.insert(resource.template.clone(), path.into());
        }
    }

    let tags = tags
        .into_iter()
        .map(|(name, description)| json!({ "name": name, "description": description }));
    Ok(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Flightline",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache License 2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "bearer": [] }],
        "tags": tags.collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "schemas": schemas.finish()?,
            "responses": answer::problems(),
            "headers": answer::headers(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The access token that `CreateToken` answers, or a machine's key (`fl_…`).",
                },
                "ticket": {
                    "type": "apiKey",
                    "in": "query",
                    "name": ticket::NAME,
                    "description": "What `CreateStreamTicket` answers, for a browser's `EventSource`: opens one stream.",
                },
            },
        },
    }))
}

/// What holds for every operation.
const ABOUT: &str = "Equipment, the work on it, the readings of its machines and the alerts that follow from them.

- Log in with `POST /api/token` and send the `access` token as `Authorization: Bearer`.
- Every path may also end in a slash. Names may also come in lowerCamelCase; they are answered as they stand here.
- Text is Unicode without the character NUL.
- Times are RFC 3339 and answered in UTC. What is zero or empty is answered, what is absent is left out.
- Lists come in pages: send `next_page_token` as `page_token` with the same filter until it is empty.
- `If-Match` makes a write conditional on the `ETag` that was read; `Idempotency-Key` makes a creation safe to send again.
- Streams are a line of JSON for each record, or server-sent events on `Accept: text/event-stream`. An empty line, or a comment,
  only says that a quiet stream is alive. A browser's `EventSource`
  can't send `Authorization`: it gets a ticket by `POST /api/stream/ticket` and sends it as `ticket` in the query. When one
  closes with an error, get another ticket and go on with the last event's id as `resume_token`.
- Whatever goes wrong is answered as `application/problem+json` (RFC 9457): programs decide by `reason`, and every wrong
  field is named in `errors`.";
