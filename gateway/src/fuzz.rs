//! What strangers' bytes meet first, each as one call that panics where a promise is broken: for the targets in `fuzz/`, and in
//! short for `tests/it/fuzz.rs`.

use std::{collections::BTreeMap, sync::Arc, sync::LazyLock};

use http::{Method, Request};
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage, SerializeOptions};
use serde_json::Value;

use crate::{
    json, request,
    routes::{Action, Route},
    rule::BodyRule,
    writer::{Writer, Writers},
};

/// A message that comes or goes, and what writes it.
type Known = (MessageDescriptor, Writer);

/// The public surface.
static ROUTES: LazyLock<Vec<(Method, Arc<Route>)>> = LazyLock::new(|| {
    let (_, routes) = crate::surface().expect("the contract is sound");
    let actions = routes.resources.iter().flat_map(|resource| &resource.actions);
    let calls = actions.filter_map(|(verb, action)| match action {
        Action::Call(route) => Some((verb.clone(), Arc::clone(route))),
        Action::Page(_) => None,
    });
    calls.collect()
});

/// What bodies are read as.
static BODIES: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let bodies = ROUTES.iter().filter_map(|(_, route)| match &route.body {
        BodyRule::None => None,
        BodyRule::Whole => Some(route.method.input()),
        BodyRule::Field(_, resource) => Some(resource.clone()),
    });
    known(bodies)
});

/// All that goes over the wire.
static MESSAGES: LazyLock<Vec<Known>> = LazyLock::new(|| {
    known(ROUTES.iter().flat_map(|(_, route)| [route.method.input(), route.method.output()]))
});

fn known(messages: impl Iterator<Item = MessageDescriptor>) -> Vec<Known> {
    let messages = messages.map(|message| (message.full_name().to_owned(), message));
    let messages: Vec<_> = messages.collect::<BTreeMap<_, _>>().into_values().collect();
    let writers = Writers::of(messages.iter().cloned()).expect("every field has a form in JSON");
    messages.into_iter().zip(writers).collect()
}

fn pick<T>(many: &[T], which: u8) -> &T {
    &many[usize::from(which) % many.len()]
}

/// A JSON body that can be read is written again, and reads again as the same.
pub fn body(which: u8, body: &[u8]) {
    let (message, writer) = pick(&BODIES, which);
    let Ok(read) = json::read(message, body) else { return };
    let once = writer.write(&read.message.encode_to_vec()).expect("what was read can be written");
    let Ok(again) = json::read(message, &once) else {
        panic!("what was written cannot be read: {}", String::from_utf8_lossy(&once));
    };
    let twice = writer.write(&again.message.encode_to_vec()).expect("and written again");
    assert_eq!(value(&once), value(&twice));
}

/// What is made of a query and a body is what the service will read.
pub fn request(which: u8, query: &str, body: &[u8]) {
    let (verb, route) = pick(&ROUTES, which);
    let request = Request::builder().method(verb).uri(format!("/?{query}"));
    let Ok(request) = request.body(()) else { return };
    let variables =
        vec!["01985c2e-8a5b-7c3d-9e4f-0123456789ab".to_owned(); route.path_fields.len()];
    let (head, ()) = request.into_parts();
    let Ok(built) = request::build(route, &variables, &head, body) else { return };
    let bytes = built.encode_to_vec();
    let sent = DynamicMessage::decode(built.descriptor(), bytes.as_slice());
    let sent = sent.expect("what was built is a message");
    let (_, writer) = MESSAGES
        .iter()
        .find(|(message, _)| *message == built.descriptor())
        .expect("every request is known");
    let written = |bytes: &[u8]| writer.write(bytes).ok().map(|json| value(&json));
    assert_eq!(written(&bytes), written(&sent.encode_to_vec()));
}

/// The writer says of any bytes what the reflective one does, where that says anything.
pub fn bytes(which: u8, bytes: &[u8]) {
    let (message, writer) = pick(&MESSAGES, which);
    let written = writer.write(bytes).ok().map(|json| value(&json));
    if let Some(reflected) = reflected(message, bytes) {
        assert_eq!(written, Some(reflected));
    }
}

/// What the reflective writer says of `bytes`; none if it can't.
pub(crate) fn reflected(message: &MessageDescriptor, bytes: &[u8]) -> Option<Value> {
    let message = DynamicMessage::decode(message.clone(), bytes).ok()?;
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .skip_default_fields(false)
        .stringify_64_bit_integers(false);
    let mut json = Vec::new();
    message.serialize_with_options(&mut serde_json::Serializer::new(&mut json), &options).ok()?;
    serde_json::from_slice(&json).ok()
}

fn value(json: &[u8]) -> Value {
    serde_json::from_slice(json).expect("what is written is JSON")
}
