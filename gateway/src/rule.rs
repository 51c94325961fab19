//! The options of a method that say how it is reached over HTTP, read once at start.

use anyhow::{Context, Result, bail};
use http::{Method, StatusCode};
use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    MethodDescriptor, ReflectMessage, Value,
};

use crate::{items::Items, template::Template};

/// One verb and path of a method: a `google.api.HttpRule`.
pub struct Rule {
    pub verb: Method,
    pub template: Template,
    pub body: BodyRule,
}

/// What the body of an HTTP request fills.
#[derive(Clone, Debug, PartialEq)]
pub enum BodyRule {
    /// Nothing: the method takes none, and one that comes is ignored.
    None,
    /// All of the request that the path does not.
    Whole,
    /// The resource in this field of the request.
    Field(FieldDescriptor, MessageDescriptor),
}

/// What a method says of its callers, its answer and its limits: a `flightline.options.v1.Access` and `Http`.
pub struct Conduct {
    /// Whether anybody may call it, with or without a token.
    pub public: bool,
    pub success: StatusCode,
    pub max_body_bytes: Option<usize>,
}

/// Finds the options in a set of descriptors.
pub struct Options {
    rules: ExtensionDescriptor,
    access: ExtensionDescriptor,
    conduct: ExtensionDescriptor,
    unreadable: ExtensionDescriptor,
}

impl Options {
    pub fn of(pool: &DescriptorPool) -> Result<Self> {
        let find = |name| {
            pool.get_extension_by_name(name)
                .with_context(|| format!("no option {name} is declared"))
        };
        Ok(Self {
            rules: find("google.api.http")?,
            access: find("flightline.options.v1.access")?,
            conduct: find("flightline.options.v1.http")?,
            unreadable: find("flightline.options.v1.unreadable")?,
        })
    }

    /// The rules of `method`, the primary one first; none if it has no path.
    pub fn rules(&self, method: &MethodDescriptor) -> Result<Vec<Rule>> {
        let options = method.options();
        if !options.has_extension(&self.rules) {
            return Ok(Vec::new());
        }
        let primary = options.get_extension(&self.rules);
        let primary = primary.as_message().context("google.api.http is not a message")?;
        let mut rules = vec![rule(method, primary)?];
        if let Some(Value::List(additional)) =
            primary.get_field_by_name("additional_bindings").as_deref()
        {
            for binding in additional.iter().filter_map(Value::as_message) {
                rules.push(rule(method, binding)?);
            }
        }
        Ok(rules)
    }

    /// The list of a request whose items are judged one by one; none if it has none.
    pub fn items(&self, request: &MessageDescriptor) -> Result<Option<Items>> {
        for field in request.fields() {
            let options = field.options();
            let unreadable = options.get_extension(&self.unreadable);
            if let Some(name) = unreadable.as_str().filter(|name| !name.is_empty()) {
                let items = Items::new(field.clone(), name);
                return items.with_context(|| field.full_name().to_owned()).map(Some);
            }
        }
        Ok(None)
    }

    /// Whether `method` is for those outside the suite. What has neither a path nor a role of theirs is between services.
    pub fn is_for_clients(&self, method: &MethodDescriptor) -> bool {
        let options = method.options();
        let access = options.get_extension(&self.access);
        let lets_in = |list: &str| {
            let access = access.as_message()?;
            let field = access.descriptor().get_field_by_name(list)?;
            let Kind::Enum(role) = field.kind() else { return None };
            let service = role.get_value_by_name("SERVICE")?.number();
            let roles = access.get_field(&field);
            Some(roles.as_list()?.iter().any(|role| role.as_enum_number() != Some(service)))
        };
        options.has_extension(&self.rules)
            || ["roles", "own"].into_iter().any(|list| lets_in(list) == Some(true))
    }

    pub fn conduct(&self, method: &MethodDescriptor) -> Result<Conduct> {
        let options = method.options();
        let access = options.get_extension(&self.access);
        let access =
            access.as_message().context("flightline.options.v1.access is not a message")?;
        let public = access.get_field_by_name("public").and_then(|value| value.as_bool());
        let conduct = options.get_extension(&self.conduct);
        let conduct =
            conduct.as_message().context("flightline.options.v1.http is not a message")?;
        let success = conduct.get_field_by_name("success").and_then(|value| value.as_i32());
        let max_body_bytes =
            conduct.get_field_by_name("max_body_bytes").and_then(|value| value.as_i64());
        let public = public.unwrap_or_default();
        Ok(Conduct {
            public,
            success: match success.unwrap_or_default() {
                0 => default_success(method),
                status => StatusCode::from_u16(u16::try_from(status)?)?,
            },
            max_body_bytes: match max_body_bytes.unwrap_or_default() {
                0 => public.then_some(STRANGERS_BYTES),
                bytes => Some(usize::try_from(bytes)?),
            },
        })
    }
}

/// Bytes of a body from who has not logged in, unless the contract says otherwise: the services take no larger message of theirs.
const STRANGERS_BYTES: usize = 64 << 10;

/// A deletion has nothing to show.
fn default_success(method: &MethodDescriptor) -> StatusCode {
    if method.output().full_name() == "google.protobuf.Empty" {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::OK
    }
}

fn rule(method: &MethodDescriptor, rule: &DynamicMessage) -> Result<Rule> {
    let verbs = [
        ("get", Method::GET),
        ("put", Method::PUT),
        ("post", Method::POST),
        ("delete", Method::DELETE),
        ("patch", Method::PATCH),
    ];
    let Some((field, verb)) = verbs.into_iter().find(|(field, _)| rule.has_field_by_name(field))
    else {
        bail!("a rule without a verb");
    };
    if !text(rule, "response_body").is_empty() {
        bail!("response_body is not supported");
    }
    Ok(Rule {
        verb,
        template: Template::parse(&text(rule, field))?,
        body: body_rule(method, &text(rule, "body"))?,
    })
}

fn body_rule(method: &MethodDescriptor, body: &str) -> Result<BodyRule> {
    match body {
        "" => Ok(BodyRule::None),
        "*" => Ok(BodyRule::Whole),
        name => {
            let field = method.input().get_field_by_name(name);
            let field =
                field.with_context(|| format!("the request has no field {name} for the body"))?;
            match field.kind() {
                Kind::Message(resource) if !field.is_list() && !field.is_map() => {
                    Ok(BodyRule::Field(field, resource))
                }
                _ => bail!("the body's field {name} is not one message"),
            }
        }
    }
}

fn text(rule: &DynamicMessage, field: &str) -> String {
    let value = rule.get_field_by_name(field);
    value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
