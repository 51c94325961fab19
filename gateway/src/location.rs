//! Where a resource that was just created is found: the `Location` of a `201`.

use std::collections::HashSet;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use prost_reflect::MessageDescriptor;

use crate::template::Template;

/// What an id may hold unescaped in a path (RFC 3986 unreserved).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What is fetched where.
#[derive(Default)]
pub struct Collections {
    /// The collections whose members are fetched by id, with the type of the members.
    of_members: Vec<(MessageDescriptor, Template)>,
    /// Every path that is fetched, as the router has it.
    patterns: HashSet<String>,
}

/// Where something is found.
#[derive(Clone, Debug, PartialEq)]
pub enum Collection {
    /// By its id, below the path that was posted to.
    Requested,
    /// By its id, below another one, where the members live.
    At(String),
    /// In the list that the path that was posted to is: it has no address of its own.
    List,
}

impl Collections {
    /// Notes that `GET template` answers a `resource`.
    pub fn add(&mut self, resource: MessageDescriptor, template: &Template) {
        self.patterns.insert(template.pattern());
        self.of_members.extend(template.collection().map(|collection| (resource, collection)));
    }

    /// Where the `resource` that was posted to `template` is found: by its id there, or where else its kind is fetched, or in
    /// the list there. None if nothing is fetched there.
    pub fn of(&self, resource: &MessageDescriptor, template: &Template) -> Option<Collection> {
        let of_its_kind =
            || self.of_members.iter().filter(|(kind, _)| kind == resource).map(|(_, path)| path);
        let is_fixed = |path: &&Template| path.variables().next().is_none();

        if of_its_kind().any(|path| path.pattern() == template.pattern()) {
            return Some(Collection::Requested);
        }
        if let Some(path) = of_its_kind().find(is_fixed) {
            return Some(Collection::At(path.to_string()));
        }
        self.patterns.contains(&template.pattern()).then_some(Collection::List)
    }
}

impl Collection {
    /// The path at which the resource called `id` is found. `requested` is the path of the request.
    pub fn locate(&self, requested: &str, id: &str) -> String {
        let id = utf8_percent_encode(id, ESCAPED);
        let requested = requested.strip_suffix('/').unwrap_or(requested);
        match self {
            Self::Requested => format!("{requested}/{id}"),
            Self::At(path) => format!("{path}/{id}"),
            Self::List => requested.to_owned(),
        }
    }
}
