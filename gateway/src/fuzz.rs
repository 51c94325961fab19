//! What strangers' bytes meet first, tried with what nobody thought of: bodies, queries, and the bytes of answers. The same few
//! in every run of the tests; `make fuzz` tries a million of each, and others every time.

use std::{collections::BTreeMap, sync::Arc, sync::LazyLock};

use http::{Method, Request};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::{collection::vec, prelude::*, sample::Index, test_runner::RngSeed};
use prost::Message;
use prost_reflect::{
    DeserializeOptions, DynamicMessage, MessageDescriptor, ReflectMessage, SerializeOptions,
};
use serde_json::Value as Json;

use crate::{
    chance::{random, reflected, tame},
    field::Field,
    json, query, request,
    routes::{Action, Route},
    rule::BodyRule,
    writer::{Writer, Writers},
};

/// The public surface.
static ROUTES: LazyLock<Vec<(Method, Arc<Route>)>> = LazyLock::new(|| {
    let (_, routes) = crate::surface().unwrap();
    let actions = routes.resources.iter().flat_map(|resource| &resource.actions);
    let calls = actions.filter_map(|(verb, action)| match action {
        Action::Call(route) => Some((verb.clone(), Arc::clone(route))),
        Action::Page(_) => None,
    });
    calls.collect()
});

/// Every form that a body has.
static BODIES: LazyLock<Vec<MessageDescriptor>> = LazyLock::new(|| {
    let bodies = ROUTES.iter().filter_map(|(_, route)| match &route.body {
        BodyRule::None => None,
        BodyRule::Whole => Some(route.method.input()),
        BodyRule::Field(_, resource) => Some(resource.clone()),
    });
    once(bodies)
});

/// Every form that an answer has, and what writes it.
static ANSWERS: LazyLock<Vec<(MessageDescriptor, Writer)>> = LazyLock::new(|| {
    let answers = once(ROUTES.iter().map(|(_, route)| route.method.output()));
    let writers = Writers::of(answers.iter().cloned()).unwrap();
    answers.into_iter().zip(writers).collect()
});

fn once(messages: impl Iterator<Item = MessageDescriptor>) -> Vec<MessageDescriptor> {
    let messages = messages.map(|message| (message.full_name().to_owned(), message));
    messages.collect::<BTreeMap<_, _>>().into_values().collect()
}

/// `message` as JSON, in one of the ways that are all the same to a reader.
fn spelled(message: &DynamicMessage, in_proto_names: bool, with_defaults: bool) -> String {
    let options = SerializeOptions::new()
        .use_proto_field_name(in_proto_names)
        .skip_default_fields(!with_defaults);
    let mut json = Vec::new();
    message.serialize_with_options(&mut serde_json::Serializer::new(&mut json), &options).unwrap();
    String::from_utf8(json).unwrap()
}

/// What prost-reflect itself makes of a body.
fn read_by_reflection(kind: &MessageDescriptor, text: &str) -> Option<DynamicMessage> {
    let mut json = serde_json::Deserializer::from_str(text);
    let options = DeserializeOptions::new();
    DynamicMessage::deserialize_with_options(kind.clone(), &mut json, &options).ok()
}

fn canonical(message: &DynamicMessage) -> Json {
    reflected(&message.descriptor(), &message.encode_to_vec()).unwrap()
}

fn changed(mut bytes: Vec<u8>, changes: &[(Index, u8)]) -> Vec<u8> {
    for (at, byte) in changes {
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
    }
    bytes
}

/// What a query of `route` says of `message`: its parameters, and the message that they are.
fn asked(route: &Route, message: &DynamicMessage) -> (String, DynamicMessage) {
    let (mut parameters, mut asked) = (Vec::new(), DynamicMessage::new(message.descriptor()));
    let json = canonical(message);
    for (field, value) in message.fields() {
        let parameter = Field::resolve(&message.descriptor(), field.name());
        if parameter.is_none_or(|parameter| !query::is_open(route, &parameter)) {
            continue;
        }
        asked.set_field(&field, value.clone());
        let values = match &json[field.name()] {
            Json::Array(items) => items.clone(),
            one => vec![one.clone()],
        };
        for value in values {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let text = utf8_percent_encode(&text, NON_ALPHANUMERIC);
            parameters.push(format!("{}={text}", field.name()));
        }
    }
    (parameters.join("&"), asked)
}

fn built(route: &Route, verb: &Method, query: &str, body: &[u8]) -> Option<DynamicMessage> {
    let request = Request::builder().method(verb).uri("/").body(()).unwrap();
    let variables =
        vec!["018f0000-0000-7000-8000-000000000000".to_owned(); route.path_fields.len()];
    request::build(route, &variables, &request.into_parts().0, query, body).ok()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_body_arrives_as_it_was_meant(
        which in any::<Index>(),
        seed in vec(any::<u8>(), 0..200),
        in_proto_names in any::<bool>(),
        with_defaults in any::<bool>(),
    ) {
        let kind = which.get(BODIES.as_slice());
        let meant = tame(kind, &seed);
        let text = spelled(&meant, in_proto_names, with_defaults);
        let read = json::read(kind, text.as_bytes());
        let read = read.map_err(|problem| TestCaseError::fail(format!("{problem:?} of {text}")))?;
        prop_assert_eq!(canonical(&read.message), canonical(&meant), "{}", text);
    }

    #[test]
    fn a_body_that_is_taken_is_what_protobuf_takes_it_for(
        which in any::<Index>(),
        seed in vec(any::<u8>(), 0..200),
        changes in vec((any::<Index>(), any::<u8>()), 0..4),
    ) {
        let kind = which.get(BODIES.as_slice());
        let body = changed(spelled(&random(kind, &seed), true, false).into_bytes(), &changes);
        if let Ok(read) = json::read(kind, &body) {
            let text = std::str::from_utf8(&body).unwrap();
            let expected = read_by_reflection(kind, text);
            prop_assert!(expected.is_some(), "{}", text);
            prop_assert_eq!(canonical(&read.message), canonical(&expected.unwrap()), "{}", text);
        }
    }

    #[test]
    fn a_filter_arrives_as_it_was_meant(which in any::<Index>(), seed in vec(any::<u8>(), 0..200)) {
        let (verb, route) = which.get(ROUTES.as_slice());
        let (query, meant) = asked(route, &tame(&route.method.input(), &seed));
        let body: &[u8] = if route.body == BodyRule::None { b"" } else { b"{}" };
        let request = built(route, verb, &query, body);
        prop_assert!(request.is_some(), "{} {}", route.method.full_name(), query);
        let (is, meant) = (canonical(&request.unwrap()), canonical(&meant));
        for field in meant.as_object().unwrap().keys() {
            let of_query = Field::resolve(&route.method.input(), field)
                .is_some_and(|field| query::is_open(route, &field));
            prop_assert!(!of_query || is[field] == meant[field], "{} of {}", field, query);
        }
    }

    #[test]
    fn any_query_is_taken_or_refused(
        which in any::<Index>(),
        names in vec(any::<Index>(), 0..4),
        values in vec("[ -~é]{0,12}", 4),
        separators in "[&=;%+]{4}",
        body in vec(any::<u8>(), 0..20),
    ) {
        let (verb, route) = which.get(ROUTES.as_slice());
        let fields: Vec<_> = route.method.input().fields().collect();
        let mut query = String::new();
        for ((name, value), separator) in names.iter().zip(&values).zip(separators.chars()) {
            if !fields.is_empty() {
                query.push_str(name.get(fields.as_slice()).name());
            }
            query.push(if value.len().is_multiple_of(4) { separator } else { '=' });
            query.push_str(value);
            query.push('&');
        }
        for body in [b"".as_slice(), b"{}", &body] {
            if let Some(request) = built(route, verb, &query, body) {
                let sent = DynamicMessage::decode(request.descriptor(), &*request.encode_to_vec());
                prop_assert!(sent.is_ok(), "{}", query);
            }
        }
    }

    #[test]
    fn an_answer_is_written_as_the_reflective_writer_does(
        which in any::<Index>(),
        seed in vec(any::<u8>(), 0..200),
        changes in vec((any::<Index>(), any::<u8>()), 0..4),
    ) {
        let (kind, writer) = which.get(ANSWERS.as_slice());
        let bytes = changed(random(kind, &seed).encode_to_vec(), &changes);
        let written = writer.write(&bytes);
        // The other writer takes what is changed for an entry of a map, whatever the wire calls it.
        if !changes.is_empty() && written.is_err() {
            return Ok(());
        }
        let written = written.ok().map(|json| serde_json::from_slice::<Json>(&json).unwrap());
        if let Some(expected) = reflected(kind, &bytes) {
            prop_assert_eq!(written, Some(expected), "{}: {:?}", kind.full_name(), bytes);
        }
    }
}
