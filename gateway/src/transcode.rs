//! One HTTP request carried to the service that answers it.

use std::{net::IpAddr, panic::resume_unwind, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{AUTHORIZATION, IF_MATCH},
    request::Parts,
};
use kit::request_id;
use prost::Message;
use tokio::{task::spawn_blocking, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, body::Body, metadata::MetadataMap};

use crate::{
    Config, accept,
    body::{self, Content, Room},
    problem::Problem,
    proxies::X_FORWARDED_FOR,
    request, response,
    routes::Route,
    rule::BodyRule,
    status,
    stream::{self, Form},
    ticket::Query,
    writer::Unwritable,
};

/// From how many bytes on a body is read in turn.
const LARGE: usize = 64 << 10;
/// How long it may wait for its turn, in which others get no room.
const PATIENCE: Duration = Duration::from_secs(2);

/// The headers that go on to the service. All others end here, above all those that would say who the caller is or
/// where they are.
const FORWARDED: [HeaderName; 2] = [AUTHORIZATION, HeaderName::from_static("traceparent")];

/// What the services are told of a request beside its message.
pub fn metadata(headers: &HeaderMap, request_id: &str, client: Option<IpAddr>) -> HeaderMap {
    let mut metadata = HeaderMap::new();
    for name in FORWARDED {
        if let Some(value) = headers.get(&name) {
            metadata.insert(name, value.clone());
        }
    }
    if let Ok(value) = request_id.parse() {
        metadata.insert(request_id::NAME, value);
    }
    // As this process sees it. Whether to believe the gateway is for the service to say.
    if let Some(Ok(value)) = client.map(|client| client.to_string().parse()) {
        metadata.insert(X_FORWARDED_FOR, value);
    }
    metadata
}

/// One request on its way.
pub struct Exchange {
    pub route: Arc<Route>,
    /// The raw text of the path's variables.
    pub variables: Vec<String>,
    pub head: Arc<Parts>,
    /// Where it was sent from.
    pub client: Option<IpAddr>,
    pub request_id: String,
    pub config: Arc<Config>,
    pub room: Room,
    pub shutdown: CancellationToken,
}

impl Exchange {
    pub async fn run(self, body: &mut Body) -> Result<Response<Body>, Problem> {
        let query = Query::of(&self.route, &self.head);
        self.check_caller(query.ticket.as_ref())?;
        let form = self.form()?;
        // Its room is kept until the service has answered: the request is as large in every form it takes.
        let content = self.content(body).await?;
        let (message, _content) = self.message(&query.rest, content).await?;

        let call = self.call(message, query.ticket);
        let path = self.route.grpc_path.clone();
        let upstream = &self.route.upstream;
        if let Some(form) = form {
            let answer = self.in_time(upstream.watch(call, path)).await?;
            return Ok(stream::response(self, form, answer.into_inner()));
        }
        let answer = self.in_time(upstream.call(call, path)).await?;
        response::build(&self, answer).await
    }

    /// The problem that `status` is to this client.
    pub fn problem(&self, status: &Status) -> Problem {
        if status::is_fault(status) {
            tracing::error!(
                request_id = self.request_id,
                method = %self.route.grpc_path,
                code = ?status.code(),
                message = status.message(),
                "a service failed"
            );
        }
        let mut problem =
            status::problem(status, |path| request::name(&self.route, &self.head, path));
        if status.code() == Code::Aborted && self.head.headers.contains_key(IF_MATCH) {
            // The version that it was for came as a precondition of HTTP.
            problem.status = StatusCode::PRECONDITION_FAILED;
        }
        if status.code() == Code::Unauthenticated && !self.route.public {
            problem.blame_token();
        }
        problem
    }

    /// An answer that has no JSON form: a time beyond the year 9999, say.
    pub fn unwritable(&self, error: &Unwritable) -> Problem {
        tracing::error!(
            request_id = self.request_id,
            method = %self.route.grpc_path,
            %error,
            "an answer cannot be written as JSON"
        );
        Problem::internal()
    }

    /// Refuses before the body is read who cannot be let in after it. Who holds a token is for the service to say.
    fn check_caller(&self, ticket: Option<&HeaderValue>) -> Result<(), Problem> {
        let says_who = ticket.is_some() || self.head.headers.contains_key(AUTHORIZATION);
        let is_known = self.route.public || says_who;
        if is_known { Ok(()) } else { Err(Problem::unauthenticated()) }
    }

    /// How the messages of a stream will be written; none for a single one.
    fn form(&self) -> Result<Option<Form>, Problem> {
        let is_stream = self.route.method.is_server_streaming();
        let offers: &[&str] = if is_stream { &Form::OFFERS } else { &["application/json"] };
        let Some(chosen) = accept::choose(&self.head.headers, offers) else {
            let detail = format!("the answer comes as {} only", offers.join(" or "));
            return Err(Problem::new(StatusCode::NOT_ACCEPTABLE, "NOT_ACCEPTABLE", detail));
        };
        Ok(is_stream.then(|| Form::of(chosen)))
    }

    async fn content(&self, body: &mut Body) -> Result<Content, Problem> {
        let mut content = Content::new(&self.room);
        let takes_none = self.route.body == BodyRule::None;
        if takes_none && self.head.method != Method::DELETE {
            return Ok(content);
        }
        let limit = self.route.max_body_bytes.unwrap_or(self.config.http_max_body_bytes);
        content.read(body, limit, self.config.http_body_idle_seconds).await?;
        if takes_none && !content.bytes().is_empty() {
            // It may say which version is meant: what is thrown away here would delete another one.
            return Err(Problem::field(
                "body",
                "is not taken; If-Match says which version is meant",
            ));
        }
        body::check_type(&self.head.method, &self.head.headers, content.bytes())?;
        Ok(content)
    }

    /// The encoded request that `content` comes to. To read a large one keeps a core busy for long: that is done beside
    /// whatever else this process has to do, and in turn.
    async fn message(&self, query: &str, content: Content) -> Result<(Bytes, Content), Problem> {
        if content.bytes().len() < LARGE {
            let (route, head) = (&self.route, &self.head);
            let message = build(route, &self.variables, head, query, content.bytes())?;
            return Ok((message, content));
        }
        let turn = self.room.turn(PATIENCE).await?;
        let (route, variables, head) =
            (Arc::clone(&self.route), self.variables.clone(), Arc::clone(&self.head));
        let query = query.to_owned();
        let built = spawn_blocking(move || {
            let _turn = turn;
            let message = build(&route, &variables, &head, &query, content.bytes())?;
            Ok((message, content))
        });
        built.await.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_) => Err(Problem::internal()),
        })
    }

    fn call(&self, message: Bytes, ticket: Option<HeaderValue>) -> tonic::Request<Bytes> {
        let mut metadata = metadata(&self.head.headers, &self.request_id, self.client);
        if let Some(ticket) = ticket {
            metadata.entry(AUTHORIZATION).or_insert(ticket);
        }
        let mut call = tonic::Request::new(message);
        *call.metadata_mut() = MetadataMap::from_headers(metadata);
        if !self.route.method.is_server_streaming() {
            call.set_timeout(self.config.http_deadline_seconds);
        }
        call
    }

    /// A service that keeps its own deadline answers first; the others are not waited for.
    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Problem> {
        match timeout(self.config.http_deadline_seconds, answer).await {
            Ok(answer) => answer.map_err(|status| self.problem(&status)),
            Err(_) => Err(status::too_slow()),
        }
    }
}

/// The encoded request.
fn build(
    route: &Route,
    variables: &[String],
    head: &Parts,
    query: &str,
    content: &[u8],
) -> Result<Bytes, Problem> {
    Ok(request::build(route, variables, head, query, content)?.encode_to_vec().into())
}
