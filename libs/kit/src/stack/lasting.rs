//! Answers that go on: a stream is its caller's only while they could begin it anew.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderMap, Response};
use http_body::{Body as _, Frame, SizeHint};
use tonic::{Status, body::Body};

use super::{Guard, credential::Credential};
use crate::{Error, Result};

/// How often a stream's caller is looked at: news of ended sessions comes as often.
const EVERY: Duration = Duration::from_millis(500);
/// Frames of an answer that is no stream: its message, and the status after it.
const UNARY_FRAMES: u8 = 2;

/// What a caller was let in with, to which method.
pub struct Leave {
    pub guard: Guard,
    pub method: &'static str,
    pub credential: Credential,
}

impl Leave {
    /// `answer`, which ends with a refusal as soon as its caller may no longer have it.
    pub fn keep_to(self, answer: Response<Body>) -> Response<Body> {
        if answer.body().is_end_stream() {
            return answer;
        }
        answer.map(|body| {
            Body::new(Lasting { body, frames: 0, leave: Some(self), refusal: None, is_over: false })
        })
    }

    /// Ends when the caller is good no longer, or nobody knows.
    async fn refusal(self) -> Error {
        loop {
            tokio::time::sleep(EVERY).await;
            if let Err(error) = self.check().await {
                return error;
            }
        }
    }

    async fn check(&self) -> Result<()> {
        let identity = self.guard.identify(&self.credential).await?;
        let rule = self.guard.rules.find(self.method).map(|(_, rule)| rule);
        rule.ok_or(Error::NoMethod)?.check(identity.role)
    }
}

/// The stream of one answer.
struct Lasting {
    body: Body,
    frames: u8,
    /// Until it is looked after: what is there at once needs no second look.
    leave: Option<Leave>,
    refusal: Option<BoxFuture<'static, Error>>,
    is_over: bool,
}

impl http_body::Body for Lasting {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let frame = pin!(&mut self.body).poll_frame(context);
        if frame.is_ready() && self.frames < UNARY_FRAMES {
            self.frames += 1;
            return frame;
        }
        if let Some(leave) = self.leave.take() {
            self.refusal = Some(leave.refusal().boxed());
        }
        let Some(Poll::Ready(error)) =
            self.refusal.as_mut().map(|refusal| refusal.poll_unpin(context))
        else {
            return frame;
        };
        self.is_over = true;
        let mut trailers = HeaderMap::new();
        Status::from(error).add_header(&mut trailers)?;
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
