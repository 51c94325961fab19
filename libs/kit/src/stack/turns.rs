//! Large messages are read in turn. To read one keeps a core busy for milliseconds; were all that come at once read at once,
//! everything else that this process has to do would wait for all of them.

use std::{
    convert::Infallible,
    num::NonZeroUsize,
    sync::Arc,
    task::{Context, Poll},
    thread::available_parallelism,
};

use bytes::BytesMut;
use futures_util::{FutureExt, future::BoxFuture};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Status, body::Body};
use tower::{Layer, Service, ServiceExt};

use crate::Error;

/// How much of such messages may be here and wait.
const BYTES: usize = 64 << 20;

/// How many large messages are read at a time: half the cores are everybody else's.
#[must_use]
pub fn at_a_time() -> usize {
    available_parallelism().map_or(1, NonZeroUsize::get).div_ceil(2)
}

/// A layer in which the messages of one method wait. Clones share the room and the turns.
#[derive(Clone)]
pub struct Turns {
    method: &'static str,
    /// Of what is larger, no more is waited for: tonic refuses it by its prefix.
    largest: usize,
    room: Arc<Semaphore>,
    /// A permit each for those that are read now.
    reading: Arc<Semaphore>,
}

/// The turn of a message to be read, and the room that it takes, until it is dropped.
#[derive(Clone, Debug)]
pub struct Turn {
    turn: Option<Arc<OwnedSemaphorePermit>>,
    _room: Option<Arc<OwnedSemaphorePermit>>,
}

impl Turn {
    /// Lets the next one be read: whoever waits for something else does.
    pub fn pass(&mut self) {
        self.turn = None;
    }
}

impl Turns {
    /// Where messages of `method`, a path, wait whose size in bytes is at most `largest`; [so many](at_a_time) are read at a time.
    pub fn new(method: &'static str, largest: usize) -> Self {
        /// What gRPC lays before each message.
        const PREFIX: usize = 5;
        let (largest, semaphore) = (largest + PREFIX, |permits| Arc::new(Semaphore::new(permits)));
        Self { method, largest, room: semaphore(BYTES), reading: semaphore(at_a_time()) }
    }

    /// The request with its turn, once all of it is here: whoever dawdles takes nobody's.
    ///
    /// # Errors
    ///
    /// It breaks off, or there is no room.
    async fn wait(&self, request: Request<Body>) -> Result<Request<Body>, Status> {
        let (mut head, mut body) = request.into_parts();
        let (mut message, mut room) = (BytesMut::new(), None);
        while message.len() <= self.largest
            && let Some(frame) = body.frame().await
        {
            let Ok(data) = frame?.into_data() else { continue };
            self.take(data.len(), &mut room)?;
            message.extend_from_slice(&data);
        }
        let turn = Arc::clone(&self.reading).acquire_owned().await;
        let turn = turn.map_err(|error| Error::Internal(error.into()))?;
        head.extensions.insert(Turn { turn: Some(Arc::new(turn)), _room: room.map(Arc::new) });
        Ok(Request::from_parts(head, Body::new(Full::new(message.freeze()))))
    }

    /// Takes room for so many bytes beside what is `taken`.
    fn take(&self, bytes: usize, taken: &mut Option<OwnedSemaphorePermit>) -> crate::Result<()> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let Ok(more) = Arc::clone(&self.room).try_acquire_many_owned(bytes) else {
            return Err(Error::Exhausted("too many large messages at once"));
        };
        match taken {
            Some(taken) => taken.merge(more),
            None => *taken = Some(more),
        }
        Ok(())
    }
}

impl<S> Layer<S> for Turns {
    type Service = InTurn<S>;

    fn layer(&self, service: S) -> InTurn<S> {
        InTurn { turns: self.clone(), service }
    }
}

/// A service behind [`Turns`].
#[derive(Clone)]
pub struct InTurn<S> {
    turns: Turns,
    service: S,
}

impl<S> Service<Request<Body>> for InTurn<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The service is asked when it is the request's turn.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let InTurn { turns, service } = self.clone();
        async move {
            if request.uri().path() == turns.method {
                request = match turns.wait(request).await {
                    Ok(request) => request,
                    Err(status) => return Ok(status.into_http()),
                };
            }
            service.oneshot(request).await
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use bytes::Bytes;
    use futures_util::{StreamExt, stream};
    use http_body::Frame;
    use http_body_util::StreamBody;
    use tonic::Code;
    use tower::service_fn;

    use super::*;

    const METHOD: &str = "/any.Service/Large";

    /// Frames of so many bytes, and then nothing more comes, or no more is to come.
    fn request(path: &str, frames: &[usize], is_whole: bool) -> Request<Body> {
        let frame = |length: &usize| Ok::<_, Infallible>(Frame::data(vec![7; *length].into()));
        let frames: Vec<Result<Frame<Bytes>, _>> = frames.iter().map(frame).collect();
        let rest = if is_whole { stream::empty().boxed() } else { stream::pending().boxed() };
        let body = StreamBody::new(stream::iter(frames).chain(rest));
        Request::post(path).body(Body::new(body)).unwrap()
    }

    fn turns(turns: usize, room: usize) -> Turns {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Turns { room: semaphore(room), reading: semaphore(turns), ..Turns::new(METHOD, 10) }
    }

    /// What is answered by a service that takes all of a message, and says how long it is.
    async fn answer(turns: &Turns, request: Request<Body>) -> Result<usize, Status> {
        let read = |request: Request<Body>| async {
            let length = request.into_body().collect().await.unwrap().to_bytes().len();
            let mut response = Response::new(Body::empty());
            response.extensions_mut().insert(length);
            Ok::<_, Infallible>(response)
        };
        let response = turns.layer(service_fn(read)).oneshot(request).await.unwrap();
        match response.extensions().get() {
            Some(length) => Ok(*length),
            None => Err(Status::from_header_map(response.headers()).unwrap()),
        }
    }

    #[tokio::test]
    async fn a_message_that_came_in_parts_is_read_whole_and_leaves_room_and_turn() {
        let turns = turns(1, 10);
        for _ in 0..3 {
            assert_eq!(answer(&turns, request(METHOD, &[3, 0, 7], true)).await.unwrap(), 10);
        }
    }

    #[tokio::test]
    async fn for_more_than_there_is_room_nobody_waits() {
        let turns = turns(1, 9);

        let refused = answer(&turns, request(METHOD, &[3, 7], true)).await.unwrap_err();

        let said = (refused.code(), refused.message());
        assert_eq!(said, (Code::ResourceExhausted, "too many large messages at once"));
        assert_eq!(answer(&turns, request(METHOD, &[9], true)).await.unwrap(), 9);
    }

    #[tokio::test]
    async fn what_is_too_large_is_not_waited_for() {
        let turns = turns(1, 100);
        assert_eq!(answer(&turns, request(METHOD, &[9, 9], false)).await.unwrap(), 18);
    }

    #[tokio::test]
    async fn one_is_read_after_the_other_and_whoever_dawdles_takes_nobodys_turn() {
        let turns = turns(1, 100);
        let mut dawdling = pin!(answer(&turns, request(METHOD, &[1], false)));
        assert!(dawdling.as_mut().now_or_never().is_none());

        let mut first = turns.wait(request(METHOD, &[1], true)).await.unwrap();
        let mut second = pin!(turns.wait(request(METHOD, &[1], true)));
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!(answer(&turns, request("/any.Service/Small", &[1], true)).await.unwrap(), 1);
        first.extensions_mut().get_mut::<Turn>().unwrap().pass();

        assert!(second.as_mut().now_or_never().is_some());
    }
}
