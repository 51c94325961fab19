//! Messages, enums and fields as JSON Schema.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context, Result, ensure};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};
use serde_json::{Map, Value, json};

use super::{
    Form, answer, constraint,
    example::example,
    options::{Behavior, Options},
    text::Comments,
};

/// Collects what the document refers to by name.
pub struct Schemas<'a> {
    comments: &'a Comments,
    options: &'a Options,
    named: BTreeMap<String, Schema>,
    pending: VecDeque<(String, MessageDescriptor, Form)>,
}

/// A schema and what it is of: a name must mean one thing.
struct Schema {
    of: String,
    value: Value,
}

impl<'a> Schemas<'a> {
    pub fn new(comments: &'a Comments, options: &'a Options) -> Self {
        Self { comments, options, named: BTreeMap::new(), pending: VecDeque::new() }
    }

    /// All schemas that were referred to, and what those refer to.
    pub fn finish(mut self) -> Result<Value> {
        while let Some((name, message, form)) = self.pending.pop_front() {
            let value = self.object(&message, form, &|_| true)?;
            if let Some(schema) = self.named.get_mut(&name) {
                schema.value = value;
            }
        }
        let ours = self.named.into_iter().map(|(name, schema)| (name, schema.value));
        Ok(Value::Object(ours.chain(answer::schemas()).collect()))
    }

    /// A reference to `message`, or the JSON form that protobuf defines for it.
    pub fn message(&mut self, message: &MessageDescriptor, form: Form) -> Result<Value> {
        if let Some(known) = self.well_known(message, form)? {
            return Ok(known);
        }
        let form = if form == Form::Put { self.put_form(message) } else { form };
        let name = name(message, form);
        let of = format!("{} {form:?}", message.full_name());
        if self.note(&name, of, Value::Null)? {
            self.pending.push_back((name.clone(), message.clone(), form));
        }
        Ok(reference(&name))
    }

    /// A reference to the part of the request of `method` that comes in the body.
    pub fn body(
        &mut self,
        method: &MethodDescriptor,
        is_in_body: &dyn Fn(&FieldDescriptor) -> bool,
    ) -> Result<Value> {
        let value = self.object(&method.input(), Form::Input, is_in_body)?;
        let name = format!("{}Request", method.name());
        self.note(&name, format!("{} {value}", method.full_name()), value)?;
        Ok(reference(&name))
    }

    /// Puts `value` under `name`; false if it stands there already.
    fn note(&mut self, name: &str, of: String, value: Value) -> Result<bool> {
        if let Some(there) = self.named.get(name) {
            ensure!(there.of == of, "{name} would be {} and {of}", there.of);
            return Ok(false);
        }
        self.named.insert(name.to_owned(), Schema { of, value });
        Ok(true)
    }

    /// A message that a `PUT` gives as a `POST` does has no form of its own for it.
    fn put_form(&self, message: &MessageDescriptor) -> Form {
        let differs = |field: FieldDescriptor| {
            self.is_hidden(&field, Form::Put)
                || self.is_required(&field, Form::Put) != self.is_required(&field, Form::Input)
        };
        if message.fields().any(differs) { Form::Put } else { Form::Input }
    }

    fn object(
        &mut self,
        message: &MessageDescriptor,
        form: Form,
        is_shown: &dyn Fn(&FieldDescriptor) -> bool,
    ) -> Result<Value> {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for field in message.fields() {
            if !is_shown(&field) || self.is_hidden(&field, form) {
                continue;
            }
            let property = self.property(&field, form);
            let property = property.with_context(|| field.full_name().to_owned())?;
            properties.insert(field.name().to_owned(), property);
            if self.is_required(&field, form) {
                required.push(field.name().to_owned());
            }
        }

        let mut schema = json!({ "type": "object" });
        describe(&mut schema, &self.comments.of_message(message));
        schema["properties"] = properties.into();
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        if form != Form::Answer {
            schema["additionalProperties"] = false.into();
        }
        Ok(schema)
    }

    /// What comes in alone is in no answer; if it can't change either, in no update.
    pub fn is_hidden(&self, field: &FieldDescriptor, form: Form) -> bool {
        let is = |behavior| self.options.is(field, behavior);
        match form {
            Form::Answer => is(Behavior::InputOnly),
            Form::Input => false,
            Form::Put | Form::Patch => is(Behavior::InputOnly) && is(Behavior::Immutable),
        }
    }

    fn property(&mut self, field: &FieldDescriptor, form: Form) -> Result<Value> {
        let mut schema = self.field(field, form)?;
        if form != Form::Answer && self.is_required(field, form) {
            not_empty(&mut schema);
        }
        if self.options.is(field, Behavior::OutputOnly) {
            schema["readOnly"] = true.into();
        }
        if self.options.is(field, Behavior::InputOnly) {
            schema["writeOnly"] = true.into();
        }
        // To leave a field out and to give it as null is the same, but to a field that must be given.
        let as_given = if form == Form::Patch { Form::Put } else { form };
        if form != Form::Answer && !self.is_required(field, as_given) {
            schema = nullable(schema);
        }
        if let Some(example) = example(self.options, field)? {
            schema["examples"] = json!([example]);
        }
        Ok(schema)
    }

    /// The schema of a field's value, with its rules.
    pub fn field(&mut self, field: &FieldDescriptor, form: Form) -> Result<Value> {
        let mut schema = match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                let value = self.kind(&entry.map_entry_value_field().kind(), form)?;
                json!({ "type": "object", "additionalProperties": value })
            }
            kind if field.is_list() => json!({ "type": "array", "items": self.kind(&kind, form)? }),
            kind => self.kind(&kind, form)?,
        };
        describe(&mut schema, &self.comments.of_field(field));
        // What is answered was checked when it came in, or is the service's own.
        if form != Form::Answer
            && let Some(rules) = self.options.rules(field)
        {
            constraint::apply(&rules, &mut schema)?;
        }
        Ok(schema)
    }

    /// Whether `field` must be given, or is always answered: all that is not declared `optional` is.
    pub fn is_required(&self, field: &FieldDescriptor, form: Form) -> bool {
        match form {
            Form::Answer => !field.field_descriptor_proto().proto3_optional() && !in_choice(field),
            Form::Patch => false,
            Form::Put => {
                let is_fixed = self.options.is(field, Behavior::Immutable);
                !is_fixed && self.is_required(field, Form::Input)
            }
            Form::Input => {
                let rules = self.options.rules(field);
                let by_rule = rules.is_some_and(|rules| constraint::is_required(field, &rules));
                let is_given = !self.options.is(field, Behavior::OutputOnly);
                is_given && (by_rule || self.options.is(field, Behavior::Required))
            }
        }
    }

    fn kind(&mut self, kind: &Kind, form: Form) -> Result<Value> {
        Ok(match kind {
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::Double => json!({ "type": "number", "format": "double" }),
            Kind::Float => json!({ "type": "number", "format": "float" }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({
                "type": "integer", "format": "int32", "minimum": i32::MIN, "maximum": i32::MAX,
            }),
            Kind::Uint32 | Kind::Fixed32 => {
                json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                json!({ "type": "integer", "format": "int64" })
            }
            Kind::Uint64 | Kind::Fixed64 => json!({ "type": "integer", "minimum": 0 }),
            Kind::Enum(kind) => self.enumeration(kind)?,
            Kind::Message(message) => self.message(message, form)?,
        })
    }

    fn enumeration(&mut self, kind: &EnumDescriptor) -> Result<Value> {
        let name = below_package(kind.full_name(), kind.package_name());
        // Number 0 is what is not given.
        let values = kind.values().filter(|value| value.number() != 0);
        let values = values.map(|value| value.name().to_owned()).collect::<Vec<_>>();
        let mut schema = json!({ "type": "string", "enum": values });
        describe(&mut schema, &self.comments.of_enum(kind));
        self.note(&name, kind.full_name().to_owned(), schema)?;
        Ok(reference(&name))
    }

    fn well_known(&mut self, message: &MessageDescriptor, form: Form) -> Result<Option<Value>> {
        Ok(Some(match message.full_name() {
            "google.protobuf.Timestamp" => json!({ "type": "string", "format": "date-time" }),
            "google.protobuf.Duration" => constraint::any_duration(),
            "google.protobuf.FieldMask" => json!({ "type": "string" }),
            "google.protobuf.Empty" | "google.protobuf.Struct" | "google.protobuf.Any" => {
                json!({ "type": "object" })
            }
            "google.protobuf.Value" => json!({}),
            "google.protobuf.ListValue" => json!({ "type": "array" }),
            wrapper if wrapper.starts_with("google.protobuf.") => {
                let value = message.get_field_by_name("value");
                let value = value.with_context(|| format!("{wrapper} has no known JSON form"))?;
                self.kind(&value.kind(), form)?
            }
            _ => return Ok(None),
        }))
    }
}

/// Whether only one of several fields can be there.
fn in_choice(field: &FieldDescriptor) -> bool {
    field.containing_oneof().is_some()
}

/// `Task`, `TaskInput`, `TaskPut`, `TaskPatch`.
fn name(message: &MessageDescriptor, form: Form) -> String {
    let name = below_package(message.full_name(), message.package_name());
    match form {
        Form::Answer => name,
        Form::Input => format!("{name}Input"),
        Form::Put => format!("{name}Put"),
        Form::Patch => format!("{name}Patch"),
    }
}

/// `TaskStatus` for `flightline.maintenance.v1.Task.Status`.
fn below_package(full_name: &str, package: &str) -> String {
    full_name.strip_prefix(package).unwrap_or(full_name).replace('.', "")
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn describe(schema: &mut Value, text: &str) {
    if !text.is_empty() {
        schema["description"] = text.into();
    }
}

/// What must be given must say something: no value at all and an empty one are the same to a field without presence.
fn not_empty(schema: &mut Value) {
    let least = match schema["type"].as_str() {
        Some("string") if schema.get("enum").is_none() => "minLength",
        Some("array") => "minItems",
        Some("object") if schema.get("additionalProperties").is_some() => "minProperties",
        _ => return,
    };
    if schema.get(least).is_none() {
        schema[least] = 1.into();
    }
}

/// The same schema, or null.
fn nullable(mut schema: Value) -> Value {
    if let Some(kind) = schema.get("type").cloned() {
        schema["type"] = json!([kind, "null"]);
        return schema;
    }
    let Some(fields) = schema.as_object_mut() else { return schema };
    if let Some(target) = fields.remove("$ref") {
        schema["anyOf"] = json!([{ "$ref": target }, { "type": "null" }]);
    }
    schema
}
