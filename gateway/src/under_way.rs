//! How many requests of one connection are under way.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::{sync::watch, time::timeout};
use tonic::{Status, body::Body};

/// Counts requests from their heads to the end of their answers. Clones share the count.
#[derive(Clone, Default)]
pub struct UnderWay(watch::Sender<usize>);

/// One request, for as long as this lives.
pub struct Request(UnderWay);

/// The answer to a request, which ends with it.
pub struct Answer {
    body: Body,
    _request: Request,
}

impl UnderWay {
    pub fn begin(&self) -> Request {
        self.0.send_modify(|count| *count += 1);
        Request(self.clone())
    }

    /// Ends when no request has begun in time from now; never once one has, be it over before anybody looked.
    pub fn silence(&self, limit: Duration) -> impl Future<Output = ()> + use<> {
        let mut count = self.0.subscribe();
        async move {
            if timeout(limit, count.changed()).await.is_ok() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Ends when none has been under way for so long.
    pub async fn idleness(&self, limit: Duration) {
        let mut count = self.0.subscribe();
        while count.wait_for(|count| *count == 0).await.is_ok() {
            if timeout(limit, count.changed()).await.is_err() {
                return;
            }
        }
    }
}

impl Request {
    pub fn answered(self, body: Body) -> Answer {
        Answer { body, _request: self }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        pin!(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
