//! The table of routes, made from the descriptors.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context, Result, bail};
use http::{HeaderName, HeaderValue, Method, StatusCode, uri::PathAndQuery};
use kit::peer::Peers;
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};

use crate::{
    condition,
    field::Field,
    items::Items,
    location::{Collection, Collections},
    pages::Page,
    rule::{BodyRule, Options, Rule},
    template::Template,
    upstream::{self, Upstream},
    writer::{Writer, Writers},
};

/// Headers that fill a text field at the top of the request, where it has one.
const HEADER_FIELDS: [(HeaderName, &str); 2] = [
    (HeaderName::from_static("idempotency-key"), "request_id"),
    (HeaderName::from_static("last-event-id"), "resume_token"),
];

/// Finds what a path leads to.
pub struct Routes {
    router: matchit::Router<Arc<Resource>>,
    /// Everything that a path leads to, in the order of the paths.
    pub resources: Vec<Arc<Resource>>,
}

/// What a path leads to.
pub struct Found {
    pub resource: Arc<Resource>,
    /// The raw text of the path's variables.
    pub variables: Vec<String>,
}

/// What one path offers.
pub struct Resource {
    /// The path for people: `/api/users/{id}`.
    pub template: String,
    pub actions: Vec<(Method, Action)>,
}

/// What one verb does.
pub enum Action {
    Page(Page),
    Call(Arc<Route>),
}

/// One verb and path of an RPC.
pub struct Route {
    pub method: MethodDescriptor,
    /// Whether the method has another verb or path before this one.
    pub is_additional: bool,
    pub grpc_path: PathAndQuery,
    pub upstream: Upstream,
    /// Writes its answers.
    pub writer: Writer,
    pub path_fields: Vec<Field>,
    pub header_fields: Vec<(HeaderName, FieldDescriptor)>,
    /// What `If-Match` fills, if the method takes it.
    pub version_field: Option<Field>,
    pub body: BodyRule,
    /// The list of the body whose items are judged one by one, if there is one.
    pub items: Option<Items>,
    /// Whether it takes callers without a token.
    pub public: bool,
    pub max_body_bytes: Option<usize>,
    pub success: StatusCode,
    /// Where what it creates is found, if it is.
    pub collection: Option<Collection>,
}

impl Routes {
    /// # Errors
    ///
    /// An option that the gateway cannot serve, or two routes at one place.
    pub fn new(pool: &DescriptorPool, peers: &Peers) -> Result<Self> {
        let mut resources = BTreeMap::new();
        for page in Page::ALL {
            let template = Template::parse(page.path())?;
            add(&mut resources, &template, Method::GET, Action::Page(page))?;
        }
        for (rule, route) in routes(pool, peers)? {
            add(&mut resources, &rule.template, rule.verb, Action::Call(Arc::new(route)))?;
        }

        let mut router = matchit::Router::new();
        let mut all = Vec::new();
        for (pattern, resource) in resources {
            let resource = Arc::new(resource);
            all.push(Arc::clone(&resource));
            router.insert(pattern, resource)?;
        }
        Ok(Self { router, resources: all })
    }

    /// What `path` leads to, with or without its trailing slash.
    pub fn find(&self, path: &str) -> Option<Found> {
        let shorter = path.strip_suffix('/');
        let shorter = shorter.filter(|path| !path.is_empty() && !path.ends_with('/'));
        let without_slash = shorter.unwrap_or(path);
        let found = self.router.at(without_slash).ok()?;
        Some(Found {
            resource: Arc::clone(found.value),
            variables: found.params.iter().map(|(_, value)| value.to_owned()).collect(),
        })
    }
}

impl Resource {
    /// What `verb` does here; HEAD is a GET that keeps the body to itself.
    pub fn action(&self, verb: &Method) -> Option<&Action> {
        let verb = if verb == Method::HEAD { &Method::GET } else { verb };
        self.actions.iter().find(|(offered, _)| offered == verb).map(|(_, action)| action)
    }

    /// A line for people.
    pub fn line(&self) -> String {
        let verbs = self.actions.iter().map(|(verb, _)| verb.as_str()).collect::<Vec<_>>();
        format!("{:<40} {}\n", self.template, verbs.join(", "))
    }

    /// The `Allow` header.
    pub fn allow(&self) -> HeaderValue {
        let mut verbs = self.actions.iter().map(|(verb, _)| verb.as_str()).collect::<Vec<_>>();
        if verbs.contains(&"GET") {
            verbs.push("HEAD");
        }
        verbs.push("OPTIONS");
        verbs.sort_unstable();
        // Verbs are header text; an empty value would only say less.
        HeaderValue::from_str(&verbs.join(", ")).unwrap_or(HeaderValue::from_static(""))
    }
}

impl Route {
    /// Where a field of the request comes from that the body, which is the request itself, leaves out; none if it does not.
    pub fn beside_body(&self, field: &FieldDescriptor) -> Option<&str> {
        let in_path = self.path_fields.iter().any(|of_path| of_path.path == field.name());
        let header = || self.header_fields.iter().find(|(_, of_header)| of_header == field);
        if in_path { Some("path") } else { header().map(|(header, _)| header.as_str()) }
    }
}

fn add(
    resources: &mut BTreeMap<String, Resource>,
    template: &Template,
    verb: Method,
    action: Action,
) -> Result<()> {
    let empty = || Resource { template: template.shown(), actions: Vec::new() };
    let resource = resources.entry(template.pattern()).or_insert_with(empty);
    if resource.action(&verb).is_some() {
        bail!("{verb} {template} leads to two methods");
    }
    resource.actions.push((verb, action));
    Ok(())
}

/// Every route of every method that has one.
fn routes(pool: &DescriptorPool, peers: &Peers) -> Result<Vec<(Rule, Route)>> {
    let options = Options::of(pool)?;
    let mut rules = Vec::new();
    for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let of_method = options.rules(&method).with_context(|| method.full_name().to_owned())?;
        rules.extend(of_method.into_iter().enumerate().map(|rule| (method.clone(), rule)));
    }

    let mut collections = Collections::default();
    for (method, (_, rule)) in rules.iter().filter(|(_, (_, rule))| rule.verb == Method::GET) {
        collections.add(method.output(), &rule.template);
    }

    let writers = Writers::of(rules.iter().map(|(method, _)| method.output()))?;

    let mut routes = Vec::new();
    for ((method, (index, rule)), writer) in rules.into_iter().zip(writers) {
        let route = route(&options, &collections, peers, &method, &rule, writer);
        let route = route.with_context(|| method.full_name().to_owned())?;
        routes.push((rule, Route { is_additional: index != 0, ..route }));
    }
    Ok(routes)
}

fn route(
    options: &Options,
    collections: &Collections,
    peers: &Peers,
    method: &MethodDescriptor,
    rule: &Rule,
    writer: Writer,
) -> Result<Route> {
    if method.is_client_streaming() {
        bail!("a stream of requests cannot come over HTTP-JSON");
    }
    let conduct = options.conduct(method)?;
    Ok(Route {
        grpc_path: format!("/{}/{}", method.parent_service().full_name(), method.name()).parse()?,
        upstream: upstream::serving(method.parent_service().package_name(), peers)?,
        writer,
        path_fields: path_fields(&method.input(), &rule.template)?,
        header_fields: header_fields(&method.input()),
        version_field: condition::field(&rule.verb, &method.input(), &rule.body),
        body: rule.body.clone(),
        items: options.items(&method.input())?,
        public: conduct.public,
        max_body_bytes: conduct.max_body_bytes,
        success: conduct.success,
        collection: collections.of(&method.output(), &rule.template),
        method: method.clone(),
        is_additional: false,
    })
}

fn path_fields(input: &MessageDescriptor, template: &Template) -> Result<Vec<Field>> {
    let mut fields = Vec::new();
    for variable in template.variables() {
        let field = Field::resolve(input, variable).filter(Field::is_singular);
        fields
            .push(field.with_context(|| format!("{{{variable}}} is not a field of the request"))?);
    }
    Ok(fields)
}

fn header_fields(input: &MessageDescriptor) -> Vec<(HeaderName, FieldDescriptor)> {
    let is_text =
        |field: &FieldDescriptor| matches!(field.kind(), Kind::String) && !field.is_list();
    HEADER_FIELDS
        .into_iter()
        .filter_map(|(header, name)| Some((header, input.get_field_by_name(name).filter(is_text)?)))
        .collect()
}
