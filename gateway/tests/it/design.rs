//! docs/api/API-DESIGN.md, "A method", held against every method that there is.

use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MethodDescriptor, Value};

/// One verb and path of a method.
#[derive(Debug, PartialEq, Eq)]
struct Rule {
    verb: String,
    path: String,
    body: String,
}

fn rule(message: &DynamicMessage) -> Rule {
    let text = |name: &str| message.get_field_by_name(name).unwrap().as_str().unwrap().to_owned();
    let verb = message.fields().map(|(field, _)| field.name().to_owned());
    let verb = verb.into_iter().find(|name| *name != "body" && *name != "additional_bindings");
    let verb = verb.unwrap_or_default();
    Rule {
        path: if verb.is_empty() { String::new() } else { text(&verb) },
        verb,
        body: text("body"),
    }
}

/// The methods that have a path, with their rules.
fn methods() -> Vec<(MethodDescriptor, Vec<Rule>)> {
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
    let http = pool.get_extension_by_name("google.api.http").unwrap();
    let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    let methods = methods.filter(|method| method.options().has_extension(&http));
    let with_rules = methods.map(|method| {
        let options = method.options();
        let first = options.get_extension(&http);
        let first = first.as_message().unwrap();
        let more = first.get_field_by_name("additional_bindings").unwrap();
        let more = more.as_list().unwrap().iter().filter_map(Value::as_message);
        let rules = std::iter::once(first).chain(more).map(rule).collect();
        (method, rules)
    });
    with_rules.collect()
}

/// The field of the request that is the resource.
fn resource(method: &MethodDescriptor) -> Option<String> {
    let answered = method.output();
    let input = method.input();
    let field = input.fields().find(|field| field.kind().as_message() == Some(&answered));
    field.map(|field| field.name().to_owned())
}

/// Whether `path` is `/api/nouns`, or the things of one thing: `/api/nouns/{noun_id}/others`.
fn is_collection(path: &str) -> bool {
    let mut segments = path.split('/').skip(1);
    segments.next() == Some("api")
        && segments.enumerate().all(|(index, segment)| segment.starts_with('{') == (index % 2 == 1))
        && !path.ends_with('}')
}

/// What the five methods of a noun look like; nothing of another method.
fn as_one_of_the_five(method: &MethodDescriptor, rules: &[Rule]) -> Option<bool> {
    let of = |verb: &str, path: &str, body: &str| Rule {
        verb: verb.to_owned(),
        path: path.to_owned(),
        body: body.to_owned(),
    };
    let noun = resource(method).unwrap_or_default();
    let path = &rules[0].path;
    let parent = path.rsplit_once('/').map(|(parent, _)| parent).unwrap_or_default();
    let one = format!("{parent}/{{id}}");
    let its_own = format!("{parent}/{{{noun}.id}}");
    let name = method.name();
    let fits = if name.starts_with("Create") {
        rules[0] == of("post", path, &noun) && is_collection(path)
    } else if name.starts_with("Get") {
        rules[0] == of("get", &one, "") && is_collection(parent)
    } else if name.starts_with("List") {
        rules[0] == of("get", path, "") && is_collection(path)
    } else if name.starts_with("Update") {
        rules[..2] == [of("patch", &its_own, &noun), of("put", &its_own, &noun)]
            && is_collection(parent)
    } else if name.starts_with("Delete") {
        rules[0] == of("delete", &one, "") && is_collection(parent)
    } else {
        return None;
    };
    Some(fits)
}

#[test]
fn a_method_is_one_of_the_five_or_a_verb_or_a_quirk_that_is_written_down() {
    let design = include_str!("../../../docs/api/API-DESIGN.md");
    let (_, quirks) = design.split_once("## Known quirks").unwrap();
    for (method, rules) in methods() {
        let fits = as_one_of_the_five(&method, &rules).unwrap_or_else(|| {
            let rule = &rules[0];
            let verb = rule.path.rsplit_once("/{id}/");
            let is_verb =
                verb.is_some_and(|(noun, verb)| is_collection(noun) && !verb.contains('/'));
            rule.verb == "post" && rule.body == "*" && is_verb
        });
        let is_quirk = quirks.contains(&format!("`{}`", method.name()));
        assert_eq!(fits, !is_quirk, "{}: {rules:?}", method.name());
    }
}

/// Otherwise the document would ask its reader for what the service gives.
#[test]
fn a_resource_in_a_body_says_which_fields_are_the_services_to_give() {
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
    let http = pool.get_extension_by_name("google.api.http").unwrap();
    let behavior = pool.get_extension_by_name("google.api.field_behavior").unwrap();
    for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let options = method.options();
        let rule = options.get_extension(&http);
        let body = rule.as_message().unwrap().get_field_by_name("body").unwrap();
        let Some(field) = method.input().get_field_by_name(body.as_str().unwrap()) else {
            continue;
        };
        let Kind::Message(resource) = field.kind() else { continue };
        for name in ["id", "created_at", "updated_at"] {
            let Some(field) = resource.get_field_by_name(name) else { continue };
            let options = field.options();
            let behaviors = options.get_extension(&behavior);
            let is_output_only = behaviors.as_list().unwrap().contains(&Value::EnumNumber(3));
            assert!(is_output_only, "{} needs a field_behavior", field.full_name());
        }
    }
}
