//! The table of access rules, from the `flightline.options.v1.access` option of every method.

use anyhow::{Context, Result};
use prost_reflect::{
    DescriptorPool, DynamicMessage, Kind, MethodDescriptor, ReflectMessage, Value,
};

use crate::OURS;

/// Rust source of a slice with one `Method` for every method of our services, sorted by path.
pub fn table(pool: &DescriptorPool) -> Result<String> {
    let mut methods: Vec<(String, String)> = Vec::new();
    for service in pool.services().filter(|service| service.full_name().starts_with(OURS)) {
        for method in service.methods() {
            let path = format!("/{}/{}", service.full_name(), method.name());
            let entry = entry(pool, &path, &method)?;
            methods.push((path, entry));
        }
    }
    methods.sort();
    let entries: String = methods.into_iter().map(|(_, entry)| entry).collect();
    Ok(format!("&[\n{entries}]"))
}

fn entry(pool: &DescriptorPool, path: &str, method: &MethodDescriptor) -> Result<String> {
    let access = pool
        .get_extension_by_name("flightline.options.v1.access")
        .context("options.proto defines the access option")?;
    let options = method.options();
    let rule = options.get_extension(&access);
    let rule = rule.as_message().context("access is a message")?;

    let public = rule.get_field_by_name("public").and_then(|field| field.as_bool());
    let public = public.unwrap_or_default();
    let (roles, own) = (role_names(rule, "roles")?, role_names(rule, "own")?);
    if let Some(role) = own.iter().find(|role| roles.contains(role)) {
        anyhow::bail!("{path}: {role} may call it for everything or for what is its own, not both");
    }
    anyhow::ensure!(!public || (roles.is_empty() && own.is_empty()), "{path} is public: no roles");
    Ok(format!(
        "    Method {{ path: {path:?}, public: {public}, roles: &{roles:?}, own: &{own:?} }},\n"
    ))
}

/// The roles in the list `name` of an access rule.
fn role_names(rule: &DynamicMessage, name: &str) -> Result<Vec<String>> {
    let field = rule.descriptor().get_field_by_name(name);
    let field = field.with_context(|| format!("Access has {name}"))?;
    let Kind::Enum(role) = field.kind() else { anyhow::bail!("roles are an enum") };
    let roles = rule.get_field(&field);
    let numbers =
        roles.as_list().context("roles are a list")?.iter().filter_map(Value::as_enum_number);
    numbers
        .map(|number| {
            let value = role.get_value(number).with_context(|| format!("no role {number}"))?;
            Ok(value.name().to_owned())
        })
        .collect()
}
