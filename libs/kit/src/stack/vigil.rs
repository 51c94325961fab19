//! Calls that go on: each ends when its caller's credential does. Who was let in a minute ago may have logged out since.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};
use tonic::{Status, body::Body};

use super::{Guard, credential::Credential};
use crate::{Error, Result, access::Rule};

/// How often a stream in which nothing happens is looked at. Before each message of any other, there is a look.
const PAUSE: Duration = Duration::from_millis(250);

/// Looks whether a caller may go on with what they were let in for.
#[derive(Clone)]
pub struct Vigil {
    pub guard: Guard,
    pub credential: Credential,
    /// The path of the method that they called.
    pub method: &'static str,
}

impl Vigil {
    /// Whether they may, as far as this process knows without asking; false: it doesn't know.
    fn knows(&self) -> Result<bool> {
        let Some(role) = self.guard.recall(&self.credential)? else { return Ok(false) };
        self.rule()?.check(role)?;
        Ok(true)
    }

    async fn ask(self) -> Result<()> {
        let identity = self.guard.identify(&self.credential).await?;
        self.rule()?.check(identity.role)
    }

    fn rule(&self) -> Result<&Rule> {
        Ok(self.guard.rules.find(self.method).ok_or(Error::NoMethod)?.1)
    }

    /// What the caller says, for as long as they may.
    pub fn over_request(self, body: Body) -> Body {
        Body::new(Watched::new(self, body, false))
    }

    /// What the caller is told, for as long as they may.
    pub fn over_answer(self, body: Body) -> Body {
        Body::new(Watched::new(self, body, true))
    }
}

/// One direction of a stream.
struct Watched {
    body: Body,
    vigil: Vigil,
    pause: Pin<Box<Sleep>>,
    /// The issuer, while it is asked.
    asking: Option<BoxFuture<'static, Result<()>>>,
    is_answer: bool,
    is_over: bool,
}

impl Watched {
    fn new(vigil: Vigil, body: Body, is_answer: bool) -> Self {
        let pause = Box::pin(sleep(PAUSE));
        Self { body, vigil, pause, asking: None, is_answer, is_over: false }
    }

    /// Whether the caller may go on.
    fn poll_vigil(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        let asking = match &mut self.asking {
            Some(asking) => asking,
            None if self.vigil.knows()? => return Poll::Ready(Ok(())),
            None => self.asking.insert(self.vigil.clone().ask().boxed()),
        };
        let answer = ready!(asking.poll_unpin(context));
        self.asking = None;
        Poll::Ready(answer)
    }

    /// The last that the handler or the caller hears.
    fn end(&mut self, error: Error) -> Result<Frame<Bytes>, Status> {
        self.is_over = true;
        // What goes on behind it ends, too.
        self.body = Body::empty();
        let status = Status::from(error);
        if !self.is_answer {
            return Err(status);
        }
        let mut trailers = http::HeaderMap::new();
        status.add_header(&mut trailers)?;
        Ok(Frame::trailers(trailers))
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.is_over {
            return Poll::Ready(None);
        }
        loop {
            if let Err(error) = ready!(this.poll_vigil(context)) {
                return Poll::Ready(Some(this.end(error)));
            }
            if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
                return Poll::Ready(frame);
            }
            ready!(this.pause.poll_unpin(context));
            this.pause.as_mut().reset(Instant::now() + PAUSE);
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::new()
    }
}
