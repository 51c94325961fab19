//! One verb and path as an operation.

use anyhow::Result;
use http::Method;
use prost_reflect::{FieldDescriptor, MessageDescriptor};
use serde_json::{Value, json};

use crate::{routes::Route, rule::BodyRule, template::Template, ticket};

use super::{
    Form, answer, example,
    options::Options,
    parameter,
    schema::Schemas,
    text::{Comments, headline},
};

/// Writes operations.
pub struct Operations<'a, 's> {
    comments: &'a Comments,
    options: &'a Options,
    schemas: &'s mut Schemas<'a>,
    read: Option<&'s Route>,
}

impl<'a, 's> Operations<'a, 's> {
    /// For what can be done at one path. `read` fetches what is there, if anything does.
    pub fn new(
        comments: &'a Comments,
        options: &'a Options,
        schemas: &'s mut Schemas<'a>,
        read: Option<&'s Route>,
    ) -> Self {
        Self { comments, options, schemas, read }
    }

    pub fn operation(&mut self, template: &str, verb: &Method, route: &Route) -> Result<Value> {
        let comment = self.comments.of_method(&route.method);
        let (summary, rest) = headline(&comment);
        let description = [rest, &self.callers(route)].join("\n\n");

        let mut parameters = parameter::path(self.schemas, route, self.read, template)?;
        parameters.extend(parameter::query(self.schemas, route)?);
        parameters.extend(parameter::headers(self.schemas, route)?);
        if route.version_field.is_some() {
            parameters.push(parameter::if_match());
        }
        if verb == Method::GET && answer::has_etag(route) {
            parameters.push(parameter::if_none_match());
        }

        let mut operation = json!({
            "operationId": operation_id(template, verb, route)?,
            "tags": [route.method.parent_service().name()],
            "summary": summary,
            "description": description.trim(),
        });
        if !parameters.is_empty() {
            operation["parameters"] = parameters.into();
        }
        if let Some(body) = self.body(verb, route)? {
            operation["requestBody"] = body;
        }
        operation["responses"] = answer::responses(self.schemas, verb, route)?;
        if route.public {
            operation["security"] = json!([]);
        } else if ticket::is_taken(route, verb) {
            operation["security"] = json!([{ "bearer": [] }, { "ticket": [] }]);
        }
        Ok(operation)
    }

    fn callers(&self, route: &Route) -> String {
        if route.public {
            return "For everybody, with or without a token.".to_owned();
        }
        let list = |list: &str| {
            let roles = self.options.roles(&route.method, list);
            roles.iter().map(|role| format!("`{role}`")).collect::<Vec<_>>().join(", ")
        };
        match (list("roles"), list("own")) {
            (roles, own) if own.is_empty() => format!("For {roles}."),
            (roles, own) if roles.is_empty() => format!("For {own}, with what is their own."),
            (roles, own) => format!("For {roles}; for {own}, with what is their own."),
        }
    }

    fn body(&mut self, verb: &Method, route: &Route) -> Result<Option<Value>> {
        let form = match *verb {
            Method::PATCH => Form::Patch,
            Method::PUT => Form::Put,
            _ => Form::Input,
        };
        // A change names what changes; which that is only its sender knows.
        let example = |message: &MessageDescriptor,
                       is_in_body: &dyn Fn(&FieldDescriptor) -> bool| {
            let is_whole = verb != Method::PATCH || route.body == BodyRule::Whole;
            let example = is_whole.then(|| example::body(self.options, message, is_in_body));
            Ok::<_, anyhow::Error>(example.transpose()?.flatten())
        };
        let (schema, is_required, example) = match &route.body {
            BodyRule::None => return Ok(None),
            BodyRule::Whole => {
                let input = route.method.input();
                let is_in_body = |field: &FieldDescriptor| route.beside_body(field).is_none();
                let schema = self.schemas.body(&route.method, &is_in_body)?;
                let is_required = input
                    .fields()
                    .filter(is_in_body)
                    .any(|field| self.schemas.is_required(&field, Form::Input));
                (schema, is_required, example(&input, &is_in_body)?)
            }
            BodyRule::Field(field, resource) => {
                let schema = self.schemas.message(resource, form)?;
                let is_required = self.schemas.is_required(field, Form::Input);
                let is_shown = |field: &FieldDescriptor| !self.schemas.is_hidden(field, form);
                (schema, is_required, example(resource, &is_shown)?)
            }
        };
        let mut media = json!({ "schema": schema });
        if let Some(example) = example {
            media["example"] = example;
        }
        let mut content = json!({ "application/json": media });
        if verb == Method::PATCH {
            content["application/merge-patch+json"] = media;
        }
        Ok(Some(json!({ "required": is_required, "content": content })))
    }
}

/// The method's name; its further verbs and paths add what tells them apart: `UpdateUser_put_technicians`.
fn operation_id(template: &str, verb: &Method, route: &Route) -> Result<String> {
    let mut id = route.method.name().to_owned();
    if route.is_additional {
        id = format!("{id}_{}", verb.as_str().to_lowercase());
        for word in Template::parse(template)?.fixed().filter(|word| *word != "api") {
            id = format!("{id}_{word}");
        }
    }
    Ok(id)
}
