//! Tickets: how a browser's event source, which sends no header of its own, proves who it is. One comes in the query of the
//! stream that it is for, and goes on in a header; whether it is good is for the service to say.

use http::{HeaderValue, Method, request::Parts};

use crate::routes::Route;

/// What the parameter is called.
pub const NAME: &str = "ticket";

/// What a request's query says beside its ticket, and the ticket.
pub struct Query {
    pub rest: String,
    /// In the form of an `Authorization`.
    pub ticket: Option<HeaderValue>,
}

/// Whether `verb` of `route` takes a ticket: a stream that is read.
pub fn is_taken(route: &Route, verb: &Method) -> bool {
    let is_read = verb == Method::GET || verb == Method::HEAD;
    is_read && route.method.is_server_streaming() && !route.public
}

impl Query {
    pub fn of(route: &Route, head: &Parts) -> Self {
        let query = head.uri.query().unwrap_or_default();
        let mut ticket = None;
        let mut rest = Vec::new();
        for parameter in query.split('&') {
            match parameter.split_once('=') {
                // Whatever else is given twice is refused; so is a second ticket.
                Some((NAME, value)) if is_taken(route, &head.method) && ticket.is_none() => {
                    ticket = HeaderValue::from_str(&format!("Ticket {value}")).ok();
                }
                _ => rest.push(parameter),
            }
        }
        if let Some(ticket) = &mut ticket {
            ticket.set_sensitive(true);
        }
        Self { rest: rest.join("&"), ticket }
    }
}
