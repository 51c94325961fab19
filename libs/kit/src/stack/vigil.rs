//! Calls end when their caller's credential does. Who was let in a minute ago may have logged out since, and who was let in with
//! the first bytes of a call may hold the rest of it back until then.

use std::{
    mem,
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
use crate::{Error, Result, access::Rule, session::KEPT};

/// How often a call in which nothing happens is looked at. Before each message of any other, there is a look. For as long as
/// this, an answer of the issuer counts where it is not heard.
const PAUSE: Duration = Duration::from_millis(250);

/// After this long without a look it means nothing that no end is known: that may have been forgotten. A call is not looked at
/// while nobody takes what it has to say.
const MEMORY: Duration = KEPT.checked_div(2).unwrap();

/// Looks whether a caller may go on with what they were let in for.
#[derive(Clone)]
pub struct Vigil {
    pub guard: Guard,
    pub credential: Credential,
    /// The path of the method that they called.
    pub method: &'static str,
    /// When it was last known that they may.
    pub good_at: Instant,
}

impl Vigil {
    /// Whether they may, as far as this process knows without asking; false: it doesn't know.
    fn knows(&self) -> Result<bool> {
        let Some(role) = self.guard.recall(&self.credential)? else { return Ok(false) };
        self.rule()?.check(role)?;
        Ok(true)
    }

    async fn ask(self) -> Result<()> {
        let role = self.guard.ask(&self.credential).await?;
        self.rule()?.check(role)
    }

    fn rule(&self) -> Result<&Rule> {
        Ok(self.guard.rules.find(self.method).ok_or(Error::NoMethod)?.1)
    }

    /// Whether the call may go on for long.
    pub fn streams(&self) -> bool {
        self.guard.rules.streams(self.method)
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

/// One direction of a call.
struct Watched {
    body: Body,
    vigil: Vigil,
    /// What has come and is not handed out yet: it is looked first.
    next: Poll<Option<Result<Frame<Bytes>, Status>>>,
    /// Where something was waited for. Most calls have said all at once.
    pause: Option<Pin<Box<Sleep>>>,
    /// The issuer, while it is asked, and since when.
    asking: Option<(Instant, BoxFuture<'static, Result<()>>)>,
    is_answer: bool,
    is_over: bool,
}

impl Watched {
    fn new(vigil: Vigil, body: Body, is_answer: bool) -> Self {
        let (next, pause, asking) = (Poll::Pending, None, None);
        Self { body, vigil, next, pause, asking, is_answer, is_over: false }
    }

    /// Waits until there is something to hand out.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        if self.next.is_pending() {
            self.next = Pin::new(&mut self.body).poll_frame(context);
        }
        while self.next.is_pending() {
            let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(PAUSE)));
            ready!(pause.poll_unpin(context));
            ready!(self.poll_vigil(context))?;
            self.pause = None;
        }
        Poll::Ready(Ok(()))
    }

    /// Whether the caller may go on.
    fn poll_vigil(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            let (is_known, now) = (self.vigil.knows()?, Instant::now());
            let unseen = now.duration_since(self.vigil.good_at);
            if is_known && unseen < MEMORY {
                (self.vigil.good_at, self.asking) = (now, None);
                return Poll::Ready(Ok(()));
            }
            if unseen < PAUSE && !self.vigil.guard.hears() {
                return Poll::Ready(Ok(()));
            }
            let ask = || (now, self.vigil.clone().ask().boxed());
            let (since, asking) = self.asking.get_or_insert_with(ask);
            let (since, answer) = (*since, ready!(asking.poll_unpin(context)));
            self.asking = None;
            answer?;
            self.vigil.good_at = since;
            // Else it waited for somebody to hear it, as long as messages may.
            if now.duration_since(since) < MEMORY {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// The last that the handler or the caller hears.
    fn end(&mut self, error: Error) -> Result<Frame<Bytes>, Status> {
        self.is_over = true;
        // What goes on behind it ends, too.
        self.body = Body::empty();
        self.next = Poll::Pending;
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
        let mut looked = ready!(this.poll_next(context));
        if looked.is_ok() {
            looked = ready!(this.poll_vigil(context));
        }
        if let Err(error) = looked {
            return Poll::Ready(Some(this.end(error)));
        }
        let next = mem::replace(&mut this.next, Poll::Pending);
        // Nothing comes after these, also no refusal.
        this.is_over = matches!(&next, Poll::Ready(Some(Ok(frame))) if frame.is_trailers());
        next
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || (self.next.is_pending() && self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::new()
    }
}
