//! Lists whose items are judged one by one: an item that can't be read is named beside the list and spoils no other.

use std::fmt;

use anyhow::{Context, Result, ensure};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::{
    field::{most_items, named},
    json::{self, Body},
    problem::Problem,
};

/// Such a list of a request.
#[derive(Clone, Debug)]
pub struct Items {
    list: FieldDescriptor,
    item: MessageDescriptor,
    /// The list in which items that can't be read are named.
    unreadable: FieldDescriptor,
    complaint: MessageDescriptor,
}

impl Items {
    /// The items of `list`, named in `unreadable` if they can't be read.
    ///
    /// # Errors
    ///
    /// The request has no such list, or it can't name them.
    pub fn new(list: FieldDescriptor, unreadable: &str) -> Result<Self> {
        let unreadable = list.parent_message().get_field_by_name(unreadable);
        let unreadable = unreadable.context("the list of what is unreadable isn't there")?;
        let (Kind::Message(item), Kind::Message(complaint)) = (list.kind(), unreadable.kind())
        else {
            anyhow::bail!("only messages can be judged one by one");
        };
        ensure!(list.is_list() && unreadable.is_list(), "only lists can be judged one by one");
        for part in ["index", "field", "message"] {
            ensure!(complaint.get_field_by_name(part).is_some(), "a complaint has no {part}");
        }
        Ok(Self { list, item, unreadable, complaint })
    }

    /// Reads a body that can't be read as a whole, item by item. `None` if it isn't the items that are wrong, but their number or
    /// something beside them.
    pub fn read(&self, body: &[u8]) -> Option<Result<Body, Problem>> {
        let Entries(entries) = serde_json::from_slice(body).ok()?;
        let message = self.list.parent_message();
        let is_list = |key: &str| named(message, key).is_some_and(|field| field == self.list);
        let (lists, rest): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|(key, _)| is_list(key));
        let [(_, list)] = lists[..] else { return None };
        let items: Vec<&RawValue> = serde_json::from_str(list.get()).ok()?;
        if most_items(&self.list).is_some_and(|most| most < items.len()) {
            return None;
        }
        let read = json::read(message, &object(&rest));
        Some(read.map(|body| Body { message: self.fill(body.message, &items), ..body }))
    }

    fn fill(&self, mut message: DynamicMessage, items: &[&RawValue]) -> DynamicMessage {
        let (mut read, mut unreadable) = (Vec::new(), Vec::new());
        for (index, item) in items.iter().enumerate() {
            let item = json::read(&self.item, item.get().as_bytes()).map(|body| body.message);
            let item = item.unwrap_or_else(|problem| {
                unreadable.push(Value::Message(self.complaint(index, problem)));
                DynamicMessage::new(self.item.clone())
            });
            read.push(Value::Message(item));
        }
        message.set_field(&self.list, Value::List(read));
        if let Some(list) = message.get_field_mut(&self.unreadable).as_list_mut() {
            list.extend(unreadable);
        }
        message
    }

    /// One complaint an item, as the service has it: of the first thing that is wrong.
    fn complaint(&self, index: usize, problem: Problem) -> DynamicMessage {
        let mut complaint = DynamicMessage::new(self.complaint.clone());
        let index = i32::try_from(index).unwrap_or(i32::MAX);
        complaint.set_field_by_name("index", Value::I32(index));
        if let Some(error) = problem.errors.into_iter().next() {
            complaint.set_field_by_name("field", Value::String(error.field));
            complaint.set_field_by_name("message", Value::String(error.message));
        }
        complaint
    }
}

/// The entries of a JSON object as they stand there.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfObject;

        impl<'de> Visitor<'de> for OfObject {
            type Value = Entries<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(OfObject)
    }
}

/// The object of these entries.
fn object(entries: &[(String, &RawValue)]) -> Vec<u8> {
    let entry = |(key, value): &(String, &RawValue)| {
        format!("{}:{}", serde_json::Value::from(key.as_str()), value.get())
    };
    let entries: Vec<String> = entries.iter().map(entry).collect();
    format!("{{{}}}", entries.join(",")).into_bytes()
}
