//! A call as a handler sees it: who calls, which method, and the message.

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::Instant;
use tonic::{Extensions, Request, metadata::MetadataValue};

use crate::{access::Role, request_id, stack::Turn};

/// Time kept back from a caller's deadline when a call is made in their name, for our own answer.
const ANSWER_TIME: Duration = Duration::from_millis(50);

/// One call: the generated trait's methods turn their request into this and hand it on.
#[derive(Clone, Debug)]
pub struct Call<T> {
    /// Who calls. On a public method without a token: nobody.
    pub caller: Caller,
    /// `/package.Service/Method`.
    pub method: &'static str,
    /// What they say.
    pub message: T,
    /// Its turn, where [messages are read in turn](crate::stack::Turns). Whoever waits for something else gives it up.
    pub turn: Option<Turn>,
}

impl<T> From<Request<T>> for Call<T> {
    fn from(request: Request<T>) -> Self {
        let (_, mut extensions, message) = request.into_parts();
        let (caller, method) = admitted(&extensions);
        Self { caller, method, message, turn: extensions.remove() }
    }
}

/// Whom the access layer let through, and to what.
#[derive(Clone, Debug)]
pub(crate) struct Admitted {
    pub caller: Caller,
    pub method: &'static str,
}

fn admitted(extensions: &Extensions) -> (Caller, &'static str) {
    match extensions.get::<Admitted>() {
        Some(admitted) => (admitted.caller.clone(), admitted.method),
        // Not behind the access layer: nobody, who may do nothing.
        None => (Caller::nobody(String::new()), ""),
    }
}

/// Who calls, as their token proved.
#[derive(Clone)]
pub struct Caller {
    /// The user's id, `key:<id>` for a machine, `service:<name>` for a service, empty for nobody.
    pub id: String,
    /// What they are trusted with.
    pub role: Role,
    /// The session that their token belongs to; empty for who has none.
    pub session_id: String,
    /// The equipment that a machine may send data of; empty for everybody else.
    pub equipment_ids: Arc<[String]>,
    /// Where they call from, as far as that is known; else empty.
    pub address: String,
    /// Whom the certificate at the other end of the connection proves: a part of the suite, or another caller whom the port lets
    /// in. Empty for who was not asked.
    pub names: Arc<[String]>,
    /// Their token, to call other services in their name.
    token: Option<Arc<str>>,
    /// Follows the request through services and logs.
    pub request_id: String,
    /// When they stop waiting.
    pub(crate) deadline: Option<Instant>,
}

impl fmt::Debug for Caller {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, role, request_id, .. } = self;
        f.debug_struct("Caller")
            .field("id", id)
            .field("role", role)
            .field("request_id", request_id)
            .finish()
    }
}

impl Caller {
    /// A caller with a good credential, and with the token that other services take from them, if it is of that kind.
    pub(crate) fn new(identity: Identity, token: Option<Arc<str>>, request_id: String) -> Self {
        let Identity { id, role, session_id, equipment_ids } = identity;
        Self {
            id,
            role,
            session_id,
            equipment_ids,
            address: String::new(),
            names: Arc::default(),
            token,
            request_id,
            deadline: None,
        }
    }

    /// A caller without a token: only public methods let them through, and those ask no role.
    pub(crate) fn nobody(request_id: String) -> Self {
        Self {
            id: String::new(),
            role: Role::Viewer,
            session_id: String::new(),
            equipment_ids: Arc::default(),
            address: String::new(),
            names: Arc::default(),
            token: None,
            request_id,
            deadline: None,
        }
    }

    /// Whether this is the commanding officer.
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }

    /// A request to another service in this caller's name, so that their rights decide; it ends with their patience.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            authorize(&mut request, token);
        }
        if let Ok(id) = MetadataValue::try_from(self.request_id.as_str()) {
            request.metadata_mut().insert(request_id::NAME, id);
        }
        if let Some(deadline) = self.deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            request.set_timeout(left.saturating_sub(ANSWER_TIME));
        }
        request
    }
}

/// Whom a credential names, and what they may do now.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub id: String,
    pub role: Role,
    pub session_id: String,
    pub equipment_ids: Arc<[String]>,
}

/// Puts `token` on a request.
pub(crate) fn authorize<T>(request: &mut Request<T>, token: &str) {
    if let Ok(value) = MetadataValue::try_from(format!("Bearer {token}")) {
        request.metadata_mut().insert("authorization", value);
    }
}
