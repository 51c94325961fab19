//! The table of methods: the access rule of each, from its `flightline.options.v1.access` option, and where it is watched.

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
    let streams = method.is_client_streaming() || method.is_server_streaming();
    let watch = watch(pool, method).with_context(|| path.to_owned())?;
    Ok(format!(
        "    Method {{ path: {path:?}, streams: {streams}, public: {public}, roles: &{roles:?}, \
         own: &{own:?}, watch: {watch:?} }},\n"
    ))
}

/// Where a stream is read over HTTP, if it is. Tickets to it name that path, so it has no variables.
fn watch(pool: &DescriptorPool, method: &MethodDescriptor) -> Result<Option<String>> {
    let http = pool.get_extension_by_name("google.api.http").context("google.api.http is known")?;
    let options = method.options();
    let rule = options.get_extension(&http);
    let rule = rule.as_message().context("google.api.http is a message")?;
    let path = rule.get_field_by_name("get").and_then(|path| path.as_str().map(str::to_owned));
    let path = path.filter(|path| method.is_server_streaming() && !path.is_empty());
    let is_fixed = path.as_ref().is_none_or(|path| !path.contains('{'));
    anyhow::ensure!(is_fixed, "the path of a stream has no variables: tickets name it");
    Ok(path)
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
