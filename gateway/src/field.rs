//! A field of a request, by the path that a URL calls it by: `page_size`, `task.title`.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use serde_json::json;

/// A field that text from a URL can fill.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its path in proto names, whichever form it was asked by.
    pub path: String,
    parents: Vec<FieldDescriptor>,
    leaf: FieldDescriptor,
}

impl Field {
    /// The field at `path` below `message`, in proto or JSON names.
    pub fn resolve(message: &MessageDescriptor, path: &str) -> Option<Self> {
        let mut message = message.clone();
        let mut parents: Vec<FieldDescriptor> = Vec::new();
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            let field = named(&message, name)?;
            if names.peek().is_none() {
                let steps = parents.iter().chain([&field]).map(FieldDescriptor::name);
                let path = steps.collect::<Vec<_>>().join(".");
                return takes_text(&field).then_some(Self { path, parents, leaf: field });
            }
            if field.is_list() || field.is_map() {
                return None;
            }
            message = field.kind().as_message()?.clone();
            parents.push(field);
        }
        None
    }

    /// Whether it takes one value only.
    pub fn is_singular(&self) -> bool {
        !self.leaf.is_list()
    }

    /// Its last step: what the text fills.
    pub fn leaf(&self) -> &FieldDescriptor {
        &self.leaf
    }

    /// Its first step: the field of the request itself.
    pub fn root(&self) -> &FieldDescriptor {
        self.parents.first().unwrap_or(&self.leaf)
    }

    /// The text that `message` has there, if there is any.
    pub fn text(&self, message: &DynamicMessage) -> Option<String> {
        text(message, &self.parents, &self.leaf)
    }

    /// Reads `text` into `message`: a list gets one item more.
    ///
    /// # Errors
    ///
    /// What the text should have been.
    pub fn set(&self, message: &mut DynamicMessage, text: &str) -> Result<(), String> {
        let Some(value) = read(&self.leaf, text) else {
            return Err(expectation(&self.leaf.kind()));
        };
        let mut place = message;
        for parent in &self.parents {
            let Some(inner) = place.get_field_mut(parent).as_message_mut() else {
                return Err("must be inside a message".to_owned());
            };
            place = inner;
        }
        match value {
            Value::List(items) => {
                if let Some(list) = place.get_field_mut(&self.leaf).as_list_mut() {
                    list.extend(items);
                }
            }
            value => place.set_field(&self.leaf, value),
        }
        Ok(())
    }
}

fn text(
    message: &DynamicMessage,
    parents: &[FieldDescriptor],
    leaf: &FieldDescriptor,
) -> Option<String> {
    match parents.split_first() {
        Some((parent, rest)) => text(message.get_field(parent).as_message()?, rest, leaf),
        None => message.get_field(leaf).as_str().filter(|it| !it.is_empty()).map(str::to_owned),
    }
}

/// The field called `name` in either of its forms.
pub fn named(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name))
}

/// A message has no text form unless protobuf defines one for it.
fn takes_text(field: &FieldDescriptor) -> bool {
    const WITH_TEXT: [&str; 12] = [
        "google.protobuf.Timestamp",
        "google.protobuf.Duration",
        "google.protobuf.FieldMask",
        "google.protobuf.BoolValue",
        "google.protobuf.BytesValue",
        "google.protobuf.DoubleValue",
        "google.protobuf.FloatValue",
        "google.protobuf.Int32Value",
        "google.protobuf.Int64Value",
        "google.protobuf.StringValue",
        "google.protobuf.UInt32Value",
        "google.protobuf.UInt64Value",
    ];
    match field.kind() {
        Kind::Message(message) => !field.is_map() && WITH_TEXT.contains(&message.full_name()),
        _ => true,
    }
}

/// Proto3 JSON has a string form for everything but booleans, so its reader does the work.
fn read(field: &FieldDescriptor, text: &str) -> Option<Value> {
    if matches!(field.kind(), Kind::String) && !field.is_list() {
        return Some(Value::String(text.to_owned()));
    }
    if is_leap_second(&field.kind(), text) {
        return None;
    }
    let json =
        if is_boolean(&field.kind()) { json!(text.parse::<bool>().ok()?) } else { json!(text) };
    let json = if field.is_list() { json!([json]) } else { json };
    let message = json!({ field.name(): json });
    let message = DynamicMessage::deserialize(field.parent_message().clone(), message).ok()?;
    Some(message.get_field(field).into_owned())
}

/// Whether `text` is a time whose second is the sixtieth. protobuf's times have none; its reader takes the second before.
pub fn is_leap_second(kind: &Kind, text: &str) -> bool {
    let Kind::Message(message) = kind else { return false };
    message.full_name() == "google.protobuf.Timestamp" && text.get(17..19) == Some("60")
}

fn is_boolean(kind: &Kind) -> bool {
    match kind {
        Kind::Bool => true,
        Kind::Message(message) => message.full_name() == "google.protobuf.BoolValue",
        _ => false,
    }
}

/// What a value of `kind` should be.
pub fn expectation(kind: &Kind) -> String {
    match kind {
        Kind::Bool => "must be true or false".to_owned(),
        Kind::Double | Kind::Float => "must be a number".to_owned(),
        Kind::String => "must be a string".to_owned(),
        Kind::Bytes => "must be base64".to_owned(),
        Kind::Enum(names) => {
            let names = names.values().filter(|value| value.number() != 0);
            let names = names.map(|value| value.name().to_owned()).collect::<Vec<_>>();
            format!("must be one of {}", names.join(", "))
        }
        Kind::Message(message) => match message.name() {
            "Timestamp" => "must be a time such as 2026-01-31T12:00:00Z".to_owned(),
            "Duration" => "must be a duration such as 30s".to_owned(),
            "FieldMask" => "must be the names of fields, separated by commas".to_owned(),
            _ => "cannot be read".to_owned(),
        },
        _ => "must be a whole number in its range".to_owned(),
    }
}

/// How many items `field` may have, if a rule of the contract says so.
pub fn most_items(field: &FieldDescriptor) -> Option<usize> {
    let rules = field.parent_pool().get_extension_by_name("buf.validate.field")?;
    let options = field.options();
    let rules = options.get_extension(&rules);
    let of_lists = rules.as_message()?.get_field_by_name("repeated")?;
    let most = of_lists.as_message()?.get_field_by_name("max_items")?.as_u64()?;
    usize::try_from(most).ok().filter(|most| 0 < *most)
}
