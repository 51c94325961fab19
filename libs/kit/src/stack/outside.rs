//! Messages of those who have proved nothing yet. They are waited for outside: whoever dawdles takes no place from those who
//! call, and no more memory than what they sent. Messages as small as they usually are need no room: however many large ones are on
//! their way, everybody can log in.

use std::sync::Arc;

use bytes::BytesMut;
use http_body_util::{BodyExt, Full};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::body::Body;

use crate::{Error, Result};

/// How large such a message may be: a name, a password, a token.
const MESSAGE_BYTES: usize = 64 << 10;
/// How much of it needs no room.
const SMALL: usize = 2 << 10;
/// How much of what is beyond that may be here at once.
const BYTES: usize = 16 << 20;

/// Where they are waited for. Clones share the room.
#[derive(Clone)]
pub struct Outside(Arc<Semaphore>);

impl Default for Outside {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BYTES)))
    }
}

impl Outside {
    /// `body`, once all of it is here.
    ///
    /// # Errors
    ///
    /// It breaks off, is too large, or there is no room.
    pub async fn read(&self, mut body: Body) -> Result<Body> {
        let (mut message, mut taken) = (BytesMut::new(), None);
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return Err(Error::Unreadable("it broke off".into())) };
            let Ok(data) = frame.into_data() else { continue };
            if MESSAGE_BYTES - message.len() < data.len() {
                let problem = format!("it is larger than {MESSAGE_BYTES} bytes");
                return Err(Error::Unreadable(problem));
            }
            let before = message.len().max(SMALL);
            message.extend_from_slice(&data);
            self.take(message.len().saturating_sub(before), &mut taken)?;
        }
        Ok(Body::new(Full::new(message.freeze())))
    }

    /// Takes room for so many bytes beside what is `taken`.
    fn take(&self, bytes: usize, taken: &mut Option<OwnedSemaphorePermit>) -> Result<()> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let Ok(more) = Arc::clone(&self.0).try_acquire_many_owned(bytes) else {
            return Err(Error::Exhausted("too many calls at once"));
        };
        match taken {
            Some(taken) => taken.merge(more),
            None => *taken = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    /// A body that comes in such parts.
    fn of(parts: &[usize]) -> Body {
        let frame = |length: &usize| Ok::<_, Infallible>(Frame::data(vec![7; *length].into()));
        let frames: Vec<Result<Frame<Bytes>, _>> = parts.iter().map(frame).collect();
        Body::new(StreamBody::new(stream::iter(frames)))
    }

    #[tokio::test]
    async fn a_message_that_came_in_parts_is_whole() {
        let body = Outside::default().read(of(&[3, 0, MESSAGE_BYTES - 3])).await.unwrap();

        assert_eq!(body.collect().await.unwrap().to_bytes().len(), MESSAGE_BYTES);
    }

    #[tokio::test]
    async fn what_is_too_large_is_refused() {
        let refused = Outside::default().read(of(&[3, MESSAGE_BYTES])).await.unwrap_err();

        let said = "the message cannot be read: it is larger than 65536 bytes";
        assert_eq!(refused.to_string(), said);
    }

    #[tokio::test]
    async fn room_is_for_what_has_come_and_free_again() {
        let outside = Outside(Arc::new(Semaphore::new(5)));

        assert!(matches!(outside.read(of(&[SMALL, 3, 3])).await, Err(Error::Exhausted(_))));
        assert!(outside.read(of(&[SMALL - 1, 4, 2])).await.is_ok());
        assert!(outside.read(of(&[SMALL + 5])).await.is_ok());
    }

    #[tokio::test]
    async fn a_small_message_finds_its_way_past_those_that_fill_the_room() {
        let outside = Outside(Arc::new(Semaphore::new(0)));

        assert!(outside.read(of(&[100, SMALL - 100])).await.is_ok());
        assert!(matches!(outside.read(of(&[SMALL, 1])).await, Err(Error::Exhausted(_))));
    }
}
