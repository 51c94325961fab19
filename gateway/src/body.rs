//! Reading the body of a request without trusting its sender.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header::CONTENT_TYPE};
use http_body::Body as _;
use http_body_util::BodyExt;
use kit::stack::at_a_time;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tonic::body::Body;

use crate::{encoding, problem::Problem};

/// How much of a refused body is swallowed, and for how long, so that the client gets to read why.
const DISCARDED_BYTES: usize = 64 << 20;
const DISCARDED_FOR: Duration = Duration::from_secs(10);

/// What a sender must get across in the time it may pause: one that trickles holds a connection as well as one that
/// stands still.
const PROGRESS_BYTES: usize = 16 << 10;

/// Memory for the bodies of all requests under way, and the turns of the large ones to be read.
#[derive(Clone)]
pub struct Room {
    bytes: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Room {
    pub fn new(bytes: usize) -> Self {
        let semaphore =
            |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        Self { bytes: semaphore(bytes), turns: semaphore(at_a_time()) }
    }

    /// A turn to read a large body, which takes many times its size for as long as it takes. It is waited for until `patience` is
    /// over.
    pub async fn turn(&self, patience: Duration) -> Result<OwnedSemaphorePermit, Problem> {
        match timeout(patience, Arc::clone(&self.turns).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(no_room()),
        }
    }

    /// Room for so many bytes, if there is that much; it is free again when this is dropped.
    fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).ok()?;
        Arc::clone(&self.bytes).try_acquire_many_owned(bytes).ok()
    }
}

/// A body, as far as it has arrived, and the room that it fills.
pub struct Content {
    bytes: BytesMut,
    taken: Option<OwnedSemaphorePermit>,
    room: Room,
}

impl Content {
    pub fn new(room: &Room) -> Self {
        Self { bytes: BytesMut::new(), taken: None, room: room.clone() }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads at most `limit` bytes. `idle` is how long the sender may go without getting on.
    pub async fn read(
        &mut self,
        body: &mut Body,
        limit: usize,
        idle: Duration,
    ) -> Result<(), Problem> {
        // What Content-Length announces is refused before it is sent.
        if !usize::try_from(body.size_hint().lower()).is_ok_and(|announced| announced <= limit) {
            return Err(too_large(limit));
        }
        loop {
            match timeout(idle, self.read_on(body, limit)).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => return Ok(()),
                Ok(Err(problem)) => return Err(problem),
                Err(_) => {
                    let detail = "the body did not arrive in time";
                    return Err(Problem::new(
                        StatusCode::REQUEST_TIMEOUT,
                        "REQUEST_TIMEOUT",
                        detail,
                    ));
                }
            }
        }
    }

    /// Reads until there is some progress; false when there is nothing more. Trailers have nothing to say here.
    async fn read_on(&mut self, body: &mut Body, limit: usize) -> Result<bool, Problem> {
        let before = self.bytes.len();
        while self.bytes.len() - before < PROGRESS_BYTES {
            let Some(frame) = body.frame().await else { return Ok(false) };
            let Ok(frame) = frame else { return Err(Problem::field("", "the body broke off")) };
            let data = frame.into_data().unwrap_or_default();
            if limit - self.bytes.len() < data.len() {
                return Err(too_large(limit));
            }
            self.push(&data)?;
        }
        Ok(true)
    }

    /// Room is taken for what has come, not for what was announced: announcing costs the sender nothing.
    fn push(&mut self, data: &[u8]) -> Result<(), Problem> {
        let more = self.room.take(data.len()).ok_or_else(no_room)?;
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }
}

/// Whether `content` says that it is JSON; no content need not.
pub fn check_type(method: &Method, headers: &HeaderMap, content: &[u8]) -> Result<(), Problem> {
    if content.is_empty() {
        return Ok(());
    }
    if !encoding::is_plain(headers) {
        let detail = "the body must be sent as it is, without Content-Encoding";
        return Err(unsupported(detail));
    }
    if is_json(method, headers) {
        return Ok(());
    }
    let detail = "the body must be sent with Content-Type: application/json";
    Err(unsupported(detail))
}

/// What is sent as something that is not taken.
pub fn unsupported(detail: &str) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", detail)
}

/// Swallows what is left of the body beside the answer: a connection that closes on a client which is still sending
/// loses the answer.
pub fn discard(mut body: Body) {
    if body.is_end_stream() {
        return;
    }
    tokio::spawn(timeout(DISCARDED_FOR, async move {
        let mut discarded = 0;
        while discarded < DISCARDED_BYTES {
            match body.frame().await {
                Some(Ok(frame)) => discarded += frame.data_ref().map_or(0, Bytes::len),
                _ => break,
            }
        }
    }));
}

fn too_large(limit: usize) -> Problem {
    let detail = format!("the body is larger than {limit} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", detail)
}

fn no_room() -> Problem {
    let detail = "too many requests carry a body just now";
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "EXHAUSTED", detail)
}

fn is_json(method: &Method, headers: &HeaderMap) -> bool {
    let Some(Ok(value)) = headers.get(CONTENT_TYPE).map(|value| value.to_str()) else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let charset = parts
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("charset"))
        .map_or("utf-8", |(_, charset)| charset.trim_matches('"'));

    let is_patch =
        method == Method::PATCH && kind.eq_ignore_ascii_case("application/merge-patch+json");
    let is_utf_8 = charset.eq_ignore_ascii_case("utf-8");
    is_utf_8 && (is_patch || kind.eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_waited_for_but_not_for_ever() {
        let room = Room { turns: Arc::new(Semaphore::new(1)), ..Room::new(1) };
        let patience = Duration::from_secs(10);
        let first = room.turn(patience).await.unwrap();
        let mut second = pin!(room.turn(patience));
        assert!(second.as_mut().now_or_never().is_none());

        drop(first);
        let second = second.await.unwrap();
        let refused = room.turn(patience).await.unwrap_err();

        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        drop(second);
    }
}
