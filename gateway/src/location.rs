//! Where a resource that was just created is found: the `Location` of a `201`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use prost_reflect::MessageDescriptor;

use crate::template::Template;

/// What an id may hold unescaped in a path (RFC 3986 unreserved).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The collections whose members are fetched by id, with the type of the members.
#[derive(Default)]
pub struct Collections(Vec<(MessageDescriptor, Template)>);

/// What comes before the id.
#[derive(Clone, Debug, PartialEq)]
pub enum Collection {
    /// The path that was posted to.
    Requested,
    /// Another one, where the members live.
    At(String),
}

impl Collections {
    /// Notes that `GET template` answers a `resource`.
    pub fn add(&mut self, resource: MessageDescriptor, template: &Template) {
        self.0.extend(template.collection().map(|collection| (resource, collection)));
    }

    /// Where the `resource` that was posted to `template` is found: there, or where else its kind is fetched. None if it
    /// is not fetched by id.
    pub fn of(&self, resource: &MessageDescriptor, template: &Template) -> Option<Collection> {
        let of_its_kind =
            || self.0.iter().filter(|(kind, _)| kind == resource).map(|(_, path)| path);
        let is_fixed = |path: &&Template| path.variables().next().is_none();

        if of_its_kind().any(|path| path.pattern() == template.pattern()) {
            return Some(Collection::Requested);
        }
        of_its_kind().find(is_fixed).map(|path| Collection::At(path.to_string()))
    }
}

impl Collection {
    /// The path of the resource called `id`. `requested` is the path of the request.
    pub fn locate(&self, requested: &str, id: &str) -> String {
        let id = utf8_percent_encode(id, ESCAPED);
        let collection = match self {
            Self::Requested => requested.strip_suffix('/').unwrap_or(requested),
            Self::At(path) => path,
        };
        format!("{collection}/{id}")
    }
}
