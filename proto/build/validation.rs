//! `impl Validate` for every message, from the `buf.validate.field` options of its fields.
//!
//! The generated code calls one method of `Checker` a rule. A rule that this generator doesn't know fails the build, so
//! that no option on a field is ever only a comment.

use std::fmt::Write;

use anyhow::{Context, Result, bail};
use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    Value,
};

use crate::{OURS, words};

/// Rust source of all implementations, nested by package as the generated messages are.
pub fn implementations(pool: &DescriptorPool) -> Result<String> {
    let rules = pool
        .get_extension_by_name("buf.validate.field")
        .context("validate.proto defines the field option")?;
    let behavior = pool
        .get_extension_by_name("google.api.field_behavior")
        .context("field_behavior.proto defines the field option")?;
    let requests: Vec<_> =
        pool.services().flat_map(|s| s.methods().map(|m| m.input()).collect::<Vec<_>>()).collect();

    let mut source = String::new();
    let messages = pool.all_messages().filter(|m| m.package_name().starts_with(OURS));
    for message in messages.filter(|m| !m.is_map_entry() && !m.package_name().contains("options")) {
        let mut body = Generator { rules: &rules }.message(&message)?;
        if !body.is_empty() {
            body.push_str(&masking(&message));
            body.push_str(&creating(&message, &behavior)?);
        }
        let is_request = requests.contains(&message);
        let (checker, of) = if body.is_empty() { ("_", "") } else { ("checker", body.as_str()) };
        writeln!(
            source,
            "impl Validate for {} {{\n    const IS_REQUEST: bool = {is_request};\n\n    fn check(&self, {checker}: &mut Checker) {{\n{of}    }}\n}}",
            type_path(&message),
        )?;
    }
    Ok(source)
}

/// The path of the Rust type that prost generates for `message`.
pub fn type_path(message: &MessageDescriptor) -> String {
    let package = message.package_name().replace('.', "::");
    let package = package.trim_start_matches("flightline::");
    format!("crate::{package}::{}", message.name())
}

struct Generator<'a> {
    rules: &'a ExtensionDescriptor,
}

impl Generator<'_> {
    /// The checks of all fields of `message`; empty if nothing in it or below it has a rule.
    fn message(&self, message: &MessageDescriptor) -> Result<String> {
        let mut body = String::new();
        for field in message.fields() {
            let checks = self.field(&field).with_context(|| field.full_name().to_owned())?;
            if !checks.is_empty() {
                writeln!(
                    body,
                    "        checker.field({:?}, |checker| {{ {checks} }});",
                    field.name()
                )?;
            }
        }
        Ok(body)
    }

    fn field(&self, field: &FieldDescriptor) -> Result<String> {
        let options = field.options();
        let rules = options.has_extension(self.rules).then(|| options.get_extension(self.rules));
        let rules = rules.as_ref().and_then(|rules| rules.as_message());

        let mut checks = match rules {
            Some(rules) if !is_ignored(rules)? => scalar_checks(field, rules)?,
            _ => String::new(),
        };
        if let Some(nested) = self.ruled_message(field)? {
            checks.push_str(nested);
        }
        let place = format!("&self.{}", rust_name(field.name()));
        let required = rules.is_some_and(is_required);
        Ok(match (field.supports_presence(), required, checks.is_empty()) {
            (_, false, true) => String::new(),
            (true, false, false) => format!("if let Some(value) = {place} {{ {checks} }}"),
            (true, true, true) => {
                let place = place.trim_start_matches('&');
                format!("if {place}.is_none() {{ checker.required(); }}")
            }
            (true, true, false) => {
                format!(
                    "match {place} {{ Some(value) => {{ {checks} }} None => checker.required() }}"
                )
            }
            (false, false, false) => format!("let value = {place}; {checks}"),
            (false, true, _) => bail!("`required` needs a field with presence"),
        })
    }

    /// How to check the message that `field` holds, if that has a rule anywhere below it.
    fn ruled_message(&self, field: &FieldDescriptor) -> Result<Option<&'static str>> {
        let Kind::Message(message) = field.kind() else { return Ok(None) };
        let ours = message.package_name().starts_with(OURS) && !message.is_map_entry();
        if !ours || self.message(&message)?.is_empty() {
            return Ok(None);
        }
        Ok(Some(if field.is_list() { "checker.items(value);" } else { "value.check(checker);" }))
    }
}

/// An update with a mask is held to the rules of the fields that the mask names: the others stay as they are.
fn masking(message: &MessageDescriptor) -> String {
    if message.get_field_by_name("update_mask").is_none() {
        return String::new();
    }
    let resources = message.fields().filter(|field| match field.kind() {
        Kind::Message(kind) => kind.package_name().starts_with(OURS),
        _ => false,
    });
    resources
        .map(|field| {
            format!("        checker.only_named({:?}, self.update_mask.as_ref());\n", field.name())
        })
        .collect()
}

/// A creation also has the fields without which there is no such resource, and which can be absent: other requests may say a
/// part of it.
fn creating(message: &MessageDescriptor, behavior: &ExtensionDescriptor) -> Result<String> {
    let mut checks = String::new();
    if !message.name().starts_with("Create") {
        return Ok(checks);
    }
    for resource in message.fields() {
        let Kind::Message(kind) = resource.kind() else { continue };
        let needed = |field: &FieldDescriptor| {
            field.supports_presence() && is_required_to_create(field, behavior)
        };
        for field in kind.fields().filter(needed) {
            let (resource, field) = (resource.name(), field.name());
            let place = format!("self.{}", rust_name(resource));
            let is_missing = format!("value.{}.is_none()", rust_name(field));
            writeln!(
                checks,
                "        if {place}.as_ref().is_some_and(|value| {is_missing}) {{ checker.field({resource:?}, |checker| checker.field({field:?}, Checker::required)); }}"
            )?;
        }
    }
    Ok(checks)
}

/// Whether the contract says that a resource isn't one without `field`.
fn is_required_to_create(field: &FieldDescriptor, behavior: &ExtensionDescriptor) -> bool {
    /// `google.api.FieldBehavior.REQUIRED`.
    const REQUIRED: Value = Value::EnumNumber(2);
    let options = field.options();
    let said = options.get_extension(behavior);
    said.as_list().is_some_and(|said| said.contains(&REQUIRED))
}

pub fn rust_name(name: &str) -> String {
    if name == "type" { format!("r#{name}") } else { name.to_owned() }
}

fn is_required(rules: &DynamicMessage) -> bool {
    rules.get_field_by_name("required").and_then(|required| required.as_bool()).unwrap_or_default()
}

/// Whether the rules only tell a reader what the service itself looks at.
fn is_ignored(rules: &DynamicMessage) -> Result<bool> {
    let ignore = rules.get_field_by_name("ignore").and_then(|ignore| ignore.as_enum_number());
    match ignore {
        None | Some(0) => Ok(false),
        Some(3) => Ok(true),
        Some(other) => bail!("`ignore` {other} is not supported by this generator"),
    }
}

/// One call of `Checker` for each rule that is set.
fn scalar_checks(field: &FieldDescriptor, rules: &DynamicMessage) -> Result<String> {
    let mut checks = String::new();
    for (kind, rules) in rules.fields() {
        let Some(rules) = rules.as_message() else { continue };
        if kind.name() == "string" {
            checks.push_str("checker.text(value);");
        }
        for (rule, value) in rules.fields() {
            checks.push_str(&check(field, kind.name(), rule.name(), value)?);
        }
    }
    Ok(checks)
}

fn check(field: &FieldDescriptor, kind: &str, rule: &str, value: &Value) -> Result<String> {
    Ok(match (kind, rule) {
        ("string", "min_len" | "max_len") => {
            let side = if rule == "min_len" { "at_least" } else { "at_most" };
            format!("checker.{side}(value.chars().count(), {}, \"characters\");", literal(value)?)
        }
        ("repeated", "min_items" | "max_items") => {
            let side = if rule == "min_items" { "at_least" } else { "at_most" };
            format!("checker.{side}(value.len(), {}, \"items\");", literal(value)?)
        }
        ("repeated", "unique") => {
            anyhow::ensure!(value.as_bool() == Some(true), "`unique` is true or left out");
            "checker.unique(value);".to_owned()
        }
        ("repeated", "items") => {
            let rules = value.as_message().context("rules of items are a message")?;
            let checks = scalar_checks(field, rules)?;
            format!("checker.each(value, |checker, value| {{ {checks} }});")
        }
        ("map", "max_pairs") => {
            format!("checker.at_most(value.len(), {}, \"entries\");", literal(value)?)
        }
        ("map", "keys" | "values") => {
            let rules = value.as_message().context("rules of map parts are a message")?;
            let checks = scalar_checks(field, rules)?;
            format!("checker.{rule}(value, |checker, value| {{ {checks} }});")
        }
        ("string", "pattern") => {
            let words = words::of(value.as_str().context("a pattern is text")?)?;
            let pattern = literal(value)?;
            format!(
                "static PATTERN: Pattern = Pattern::new({pattern}, {words:?}); checker.pattern(value, &PATTERN);"
            )
        }
        ("string", "in") => {
            let words = value.as_list().context("what text may be is a list")?;
            let words = words.iter().map(literal).collect::<Result<Vec<_>>>()?;
            format!("checker.any_of(value, &[{}]);", words.join(", "))
        }
        ("string", "email" | "uuid") => format!("checker.{rule}(value);"),
        ("enum", "defined_only") => format!("checker.one_of(*value, &{:?});", numbers(field)?),
        ("enum", "not_in") => {
            let unspecified = value.as_list() == Some(&[Value::I32(0)]);
            anyhow::ensure!(unspecified, "only the unspecified value can be excluded");
            "checker.specified(*value);".to_owned()
        }
        ("double", "finite") => "checker.finite(*value);".to_owned(),
        ("double" | "int32", "gt" | "gte" | "lt" | "lte") => {
            format!("checker.{rule}(*value, {});", literal(value)?)
        }
        ("duration", "gte" | "lte") => {
            format!("checker.duration_{rule}(value, {});", seconds(value)?)
        }
        _ => bail!("rule {kind}.{rule} is not supported by this generator"),
    })
}

/// The numbers of the enum that `field` holds.
fn numbers(field: &FieldDescriptor) -> Result<Vec<i32>> {
    let Kind::Enum(kind) = field.kind() else { bail!("an enum rule on something else") };
    Ok(kind.values().map(|value| value.number()).collect())
}

fn literal(value: &Value) -> Result<String> {
    Ok(match value {
        Value::I32(number) => number.to_string(),
        Value::U64(number) => number.to_string(),
        Value::F64(number) => format!("{number:?}"),
        Value::String(text) => format!("{text:?}"),
        other => bail!("no literal for {other:?}"),
    })
}

/// Whole seconds of a duration message.
fn seconds(value: &Value) -> Result<i64> {
    let duration = value.as_message().context("a duration is a message")?;
    let seconds = duration.get_field_by_name("seconds").and_then(|seconds| seconds.as_i64());
    Ok(seconds.unwrap_or_default())
}
