//! Answers that would go on for as long as their service has something to say, and end with a status when their connection or
//! the process shall end.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::{Status, body::Body};

use crate::Error;

/// `body`, which ends with a status whatever happens: also when the service is lost on the way, and when it is cut short by
/// `end`, between two messages.
pub fn until(end: CancellationToken, body: Body) -> Body {
    Body::new(Carried { body, end: Box::pin(end.cancelled_owned()), is_over: false })
}

struct Carried {
    body: Body,
    end: Pin<Box<WaitForCancellationFutureOwned>>,
    is_over: bool,
}

impl Carried {
    /// The last frame.
    fn ended(&mut self, status: &Status) -> Result<Frame<Bytes>, Status> {
        self.is_over = true;
        // What goes on behind it ends, too.
        self.body = Body::empty();
        let mut trailers = HeaderMap::new();
        status.add_header(&mut trailers)?;
        Ok(Frame::trailers(trailers))
    }
}

impl http_body::Body for Carried {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        match pin!(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Err(status))) => Poll::Ready(Some(self.ended(&status))),
            Poll::Pending if self.end.as_mut().poll(context).is_ready() => {
                // Its caller goes on at another replica.
                let status = Error::Unavailable("the server ends; call again").into();
                Poll::Ready(Some(self.ended(&status)))
            }
            frame => frame,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
