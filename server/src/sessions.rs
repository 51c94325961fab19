//! How this process hears which credentials are good no longer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use kit::{
    Clock, Error, Result, Suite, Timestamp,
    access::Role,
    peer::{Peer, Peers},
    session::{Ask, Key, News, Sessions},
    token::{Claims, ServiceToken},
};
use proto::auth::v1::{
    CheckKeyRequest, CheckSessionRequest, WatchSessionsRequest, WatchSessionsResponse,
    session_service_client::SessionServiceClient,
};
use tokio::time::timeout;
use tonic::{Code, Request, Streaming};

/// How long auth may take to answer about one credential: a caller waits meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);
/// A watch that is silent for this long is dead: auth beats at least twice a second.
const SILENCE: Duration = Duration::from_secs(2);
/// How long to wait before auth is watched again after it failed.
const PAUSE: Duration = Duration::from_millis(200);

/// What this process knows of credentials: nothing yet, so it asks auth.
pub fn new(peers: &Peers, identity: &ServiceToken) -> Sessions {
    Sessions::new(Arc::new(Auth { peer: peers.auth.clone(), identity: identity.clone() }))
}

/// Hears auth's news for as long as the process runs.
pub fn follow(suite: &Suite) {
    let auth = Auth { peer: suite.peers.auth.clone(), identity: suite.identity.clone() };
    let (sessions, clock) = (suite.sessions.clone(), suite.clock.clone());
    Sessions::listen(clock.now());
    suite.spawn(async move {
        let mut token = String::new();
        loop {
            if let Err(error) = auth.watch(&sessions, &clock, &mut token).await {
                tracing::debug!(%error, "auth can't be watched");
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
}

struct Auth {
    peer: Peer,
    identity: ServiceToken,
}

impl Auth {
    fn client(&self) -> SessionServiceClient<Peer> {
        SessionServiceClient::new(self.peer.clone())
    }

    /// A request by this process that a caller waits for, also while this process gets itself a token.
    async fn request<T>(&self, message: T) -> Result<Request<T>> {
        let begun = Instant::now();
        let request = timeout(PATIENCE, self.identity.request(message)).await;
        let too_slow = |_| Error::Unavailable("this service can't prove itself in time");
        let mut request = request.map_err(too_slow)??;
        request.set_timeout(PATIENCE.saturating_sub(begun.elapsed()));
        Ok(request)
    }

    async fn watch(&self, sessions: &Sessions, clock: &Clock, token: &mut String) -> Result<()> {
        let request = WatchSessionsRequest { resume_token: token.clone() };
        let mut request = self.identity.request(request).await?;
        request.set_timeout(SILENCE);
        let mut stream = self.client().watch_sessions(request).await?.into_inner();
        let mut way = Way::default();
        while let Some(message) = next(&mut stream).await? {
            let heard_at = way.looked_at(&message, Instant::now());
            take(message, token, |news| sessions.hear(news, clock.now(), heard_at))?;
        }
        Ok(())
    }
}

/// Has `hear` what `message` tells, and only then goes on after it: what can't be read is told again.
fn take(message: WatchSessionsResponse, token: &mut String, hear: impl FnOnce(News)) -> Result<()> {
    let place = message.resume_token.clone();
    hear(auth::news(message)?);
    if !place.is_empty() {
        *token = place;
    }
    Ok(())
}

/// Tells of each message how old it is, though the clocks of two processes can't be compared: a message that was longer under
/// way than another one of its watch is older by the difference. What was held up, here or on its way, so isn't taken for
/// the state of things now.
#[derive(Default)]
struct Way {
    /// The latest moment at which the watch can have begun, by what has come.
    began: Option<Instant>,
}

impl Way {
    /// When auth looked for what `message` tells, which is received now: what ended later is not in it.
    fn looked_at(&mut self, message: &WatchSessionsResponse, now: Instant) -> Instant {
        let looked_after = message.looked_after.and_then(|after| Duration::try_from(after).ok());
        let looked_after = looked_after.unwrap_or_default();
        let began = now.checked_sub(looked_after).unwrap_or(now);
        let began = self.began.map_or(began, |earlier| earlier.min(began));
        self.began = Some(began);
        began + looked_after
    }
}

/// The next message; none when the watch is over or dead.
async fn next(
    stream: &mut Streaming<WatchSessionsResponse>,
) -> Result<Option<WatchSessionsResponse>> {
    match timeout(SILENCE, stream.message()).await {
        Ok(message) => Ok(message?),
        Err(_) => Ok(None),
    }
}

impl Ask for Auth {
    fn session(&self, claims: &Claims) -> BoxFuture<'_, Result<Option<Role>>> {
        let (session_id, user_id) = (claims.sid.clone(), claims.sub.clone());
        Box::pin(async move {
            let request = self.request(CheckSessionRequest { session_id, user_id }).await?;
            let answer = self.client().check_session(request).await?.into_inner();
            Ok(Role::from_name(answer.role().as_str_name()).filter(|_| answer.active))
        })
    }

    fn key(&self, secret: String) -> BoxFuture<'_, Result<Option<Key>>> {
        Box::pin(async move {
            let request = self.request(CheckKeyRequest { secret }).await?;
            let answer = match self.client().check_key(request).await {
                Ok(answer) => answer.into_inner(),
                Err(status) if status.code() == Code::Unauthenticated => return Ok(None),
                Err(status) => return Err(status.into()),
            };
            let expires_at = answer.expires_at.as_ref();
            Ok(Some(Key {
                id: answer.key_id,
                equipment_ids: answer.equipment_ids.into(),
                expires_at: Timestamp::parse_optional("expires_at", expires_at)?,
            }))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use kit::peer::Place;
    use prost_types::Timestamp as WireTime;
    use proto::auth::v1::EndedSession;

    use super::*;

    #[test]
    fn what_cannot_be_read_is_asked_for_again() {
        let at = |nanos| Some(WireTime { seconds: 0, nanos });
        let message = |nanos| WatchSessionsResponse {
            ended: vec![EndedSession { session_id: "7".into(), ended_at: at(nanos) }],
            resume_token: "after it".into(),
            ..WatchSessionsResponse::default()
        };
        let (mut token, mut heard) = ("before it".to_owned(), Vec::new());

        take(message(-1), &mut token, |news| heard.push(news)).unwrap_err();
        assert_eq!((token.as_str(), heard.len()), ("before it", 0));

        take(message(0), &mut token, |news| heard.push(news)).unwrap();
        assert_eq!((token.as_str(), heard[0].ended.len()), ("after it", 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_waits_no_longer_while_this_service_has_no_token() {
        let identity = ServiceToken::new(Clock::system(), || Box::pin(pending()));
        let auth = Auth { peer: Place::default().peer(), identity };

        let answer = timeout(PATIENCE * 2, auth.key(String::new())).await.expect("it is answered");

        assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
    }

    #[test]
    fn a_message_that_was_held_up_is_known_to_be_old() {
        let (mut way, start) = (Way::default(), Instant::now());
        let after = Duration::from_millis;
        let mut came = |looked: u64, received: u64| {
            let looked_after = after(looked).try_into().ok();
            let message = WatchSessionsResponse { looked_after, ..Default::default() };
            way.looked_at(&message, start + after(received)).duration_since(start)
        };

        assert_eq!(came(0, 30), after(30));
        assert_eq!(came(500, 520), after(520), "a shorter way than the first's");
        assert_eq!(came(1000, 1020), after(1020));
        assert_eq!(came(1500, 4000), after(1520), "held up for as long as it shows");
        assert_eq!(came(2000, 4000), after(2020));
    }
}
