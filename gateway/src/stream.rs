//! Answers that come one message at a time, as lines of JSON or as server-sent events.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderName, HeaderValue, Response, header::CONTENT_TYPE};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::time::{Instant, Interval, interval_at};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming, body::Body};

use crate::{problem::Problem, status, transcode::Exchange};

/// Has nginx and those that took its word hand on each record as it comes.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How the records of a stream are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A line each; an error is the last, as `{"error": …}`. An empty line says nothing.
    Lines,
    /// An event each; an error is the last, as an event called `error`.
    Events,
}

/// The stream of one answer.
struct Records {
    form: Form,
    messages: Streaming<Bytes>,
    keep_alive: Interval,
    shutdown: CancellationToken,
    exchange: Exchange,
    is_over: bool,
}

/// Begins the answer; it goes on for as long as the service has something to say and this process runs.
pub fn response(exchange: Exchange, form: Form, messages: Streaming<Bytes>) -> Response<Body> {
    let period = exchange.config.http_keep_alive_seconds;
    let records = Records {
        form,
        messages,
        keep_alive: interval_at(Instant::now() + period, period),
        shutdown: exchange.shutdown.clone(),
        exchange,
        is_over: false,
    };
    let frames = stream::unfold(records, |mut records| async {
        let record = records.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(record)), records))
    });
    let mut response = Response::new(Body::new(StreamBody::new(frames)));
    let media_type = HeaderValue::from_static(form.media_type());
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response.headers_mut().insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

impl Records {
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        tokio::select! {
            // Cut short, it must not look as if it were whole.
            () = self.shutdown.cancelled() => Some(self.end(&status::ending())),
            _ = self.keep_alive.tick() => Some(self.form.sign_of_life()),
            message = self.messages.message() => {
                self.keep_alive.reset();
                let record = self.record(message).transpose()?;
                Some(record.unwrap_or_else(|problem| self.end(&problem)))
            }
        }
    }

    /// The last record.
    fn end(&mut self, problem: &Problem) -> Bytes {
        self.is_over = true;
        self.form.error(&problem.to_json(&self.exchange.request_id))
    }

    fn record(&self, message: Result<Option<Bytes>, Status>) -> Result<Option<Bytes>, Problem> {
        let message = message.map_err(|status| self.exchange.problem(&status))?;
        let Some(message) = message else { return Ok(None) };
        let writer = &self.exchange.route.writer;
        let json = writer.write(&message).map_err(|error| self.exchange.unwritable(&error))?;
        let token = writer.text(&message, "resume_token").unwrap_or_default();
        Ok(Some(self.form.record(&json, resumable(token))))
    }
}

impl Form {
    /// The media types, the default first.
    pub const OFFERS: [&str; 2] = ["application/x-ndjson", "text/event-stream"];

    pub fn of(offer: &str) -> Self {
        if offer == Self::Events.media_type() { Self::Events } else { Self::Lines }
    }

    fn media_type(self) -> &'static str {
        let [lines, events] = Self::OFFERS;
        match self {
            Self::Lines => lines,
            Self::Events => events,
        }
    }

    fn record(self, json: &[u8], resume_token: &str) -> Bytes {
        match self {
            Self::Lines => [json, b"\n"].concat(),
            Self::Events if resume_token.is_empty() => [b"data: ", json, b"\n\n"].concat(),
            Self::Events => [b"id: ", resume_token.as_bytes(), b"\ndata: ", json, b"\n\n"].concat(),
        }
        .into()
    }

    /// What says nothing, so that nobody on the way takes a quiet stream for a dead one.
    fn sign_of_life(self) -> Bytes {
        Bytes::from_static(match self {
            Self::Lines => b"\n",
            Self::Events => b": keep-alive\n\n",
        })
    }

    fn error(self, problem: &[u8]) -> Bytes {
        match self {
            Self::Lines => [b"{\"error\":", problem, b"}\n"].concat(),
            Self::Events => [b"event: error\ndata: ", problem, b"\n\n"].concat(),
        }
        .into()
    }
}

/// Where the client may go on (`Last-Event-ID`), if the token cannot end the line.
fn resumable(token: &str) -> &str {
    if token.contains(|character: char| character.is_control()) { "" } else { token }
}
