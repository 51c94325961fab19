//! `impl Debug` for the messages that carry secrets: a field with the option `debug_redact` is shown as `…`, so that
//! nothing that formats a message, a log above all, tells what was in it.

use std::fmt::Write;

use anyhow::{Context, Result};
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};
use tonic_prost_build::Builder;

use crate::{
    OURS,
    validation::{rust_name, type_path},
};

/// Leaves the form of messages with secrets to [`implementations`].
pub fn configure(mut builder: Builder, pool: &DescriptorPool) -> Builder {
    for message in secretive(pool) {
        builder = builder.skip_debug([format!(".{}", message.full_name())]);
        // What holds for a message holds for all that is defined in it.
        for nested in message.child_enums() {
            builder = builder.enum_attribute(nested.full_name(), "#[derive(Debug)]");
        }
    }
    builder
}

/// The messages with a field that must not be shown.
fn secretive(pool: &DescriptorPool) -> Vec<MessageDescriptor> {
    let messages = pool.all_messages().filter(|m| m.package_name().starts_with(OURS));
    messages.filter(|message| message.fields().any(|field| is_secret(&field))).collect()
}

/// Rust source of `Debug` for them.
pub fn implementations(pool: &DescriptorPool) -> Result<String> {
    let mut source = String::new();
    for message in secretive(pool) {
        let (path, name) = (type_path(&message), message.name());
        writeln!(
            source,
            "impl std::fmt::Debug for {path} {{\n    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {{\n        f.debug_struct({name:?})"
        )?;
        for field in message.fields() {
            let shown = shown(&field)?;
            writeln!(source, "            .field({:?}, {shown})", field.name())?;
        }
        source.push_str("            .finish()\n    }\n}\n");
    }
    Ok(source)
}

/// Rust source of a slice that tests walk: the name of each message of ours, and what decodes and formats one.
pub fn table(pool: &DescriptorPool) -> Result<String> {
    let mut source = String::from("&[\n");
    for message in pool.all_messages().filter(|m| m.package_name().starts_with(OURS)) {
        if !message.is_map_entry() && !message.package_name().contains("options") {
            let (name, path) = (message.full_name(), type_path(&message));
            writeln!(source, "    ({name:?}, debug::<{path}> as Format),")?;
        }
    }
    source.push(']');
    Ok(source)
}

/// What stands for a field.
fn shown(field: &FieldDescriptor) -> Result<String> {
    let name = rust_name(field.name());
    let place = format!("self.{name}");
    Ok(match (is_secret(field), field.kind()) {
        (true, _) if field.is_list() || field.is_map() => {
            anyhow::bail!("{}: only one value can be hidden", field.full_name())
        }
        (true, _) if field.supports_presence() => format!("&{place}.as_ref().map(|_| Hidden)"),
        (true, _) => "&Hidden".to_owned(),
        // Its name, not its number.
        (false, Kind::Enum(_)) if !field.is_list() && !field.supports_presence() => {
            format!("&self.{name}()")
        }
        (false, _) => format!("&{place}"),
    })
}

fn is_secret(field: &FieldDescriptor) -> bool {
    let options = field.options();
    let redact = options.get_field_by_name("debug_redact").context("the option is a standard one");
    redact.is_ok_and(|redact| redact.as_bool().unwrap_or_default())
}
