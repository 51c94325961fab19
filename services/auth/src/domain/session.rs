//! Sessions, and the refresh tokens that they live on.
//!
//! A session is a chain of refresh tokens. Each is spent for the next, which is derived from it with a key of ours: a
//! client that lost the answer gets the same successor again, although nothing but hashes is kept. Whoever comes with a
//! token from further back is not its rightful holder, or somebody else is: the session ends.

use std::time::Duration;

use aws_lc_rs::hmac;
use kit::{Result, Timestamp};

use super::{
    guess::network,
    secret::{Secret, decode, encode},
    user::UserId,
};

/// How long a session lives without being refreshed (ASVS 10.4.8).
const IDLE_LIFE: Duration = Duration::from_hours(7 * 24);
/// How long it lives at all.
pub const LIFE: Duration = Duration::from_hours(30 * 24);
/// How long it is remembered: until none of its access tokens is valid, by far.
pub const KEPT: Duration = Duration::from_hours(30 * 24 + 1);
/// How many of one person live at most: the oldest make room. Whoever logs in where they could refresh must not make so many
/// that they can't be ended at once.
pub const MOST: u32 = 100;
/// How long the answer to a refresh may be fetched again.
const GRACE: Duration = Duration::from_secs(10);

kit::id!(
    /// Names one session, for ever: `sid` in its access tokens.
    SessionId
);

/// One log-in, on one device.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Session {
    pub id: SessionId,
    pub user_id: UserId,
    pub created_at: Timestamp,
    /// When it was last refreshed.
    pub used_at: Timestamp,
    /// Where that came from, if it is known; else empty.
    pub address: String,
    /// The network that it was begun in, if that is known; else empty.
    pub network: String,
    /// Once set, it stays.
    pub ended_at: Option<Timestamp>,
}

/// Sessions that began and were used after these times, and did not end, live.
pub struct Alive {
    pub created_after: Timestamp,
    pub used_after: Timestamp,
}

/// What to do about a refresh token that was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// Spend it for its successor.
    Spend,
    /// Answer the same successor again.
    Repeat,
    /// Somebody has a token that they should not have: end the session.
    End,
    /// The session is over.
    Refuse,
}

impl Session {
    pub fn new(user_id: UserId, address: String, now: Timestamp) -> Self {
        let (id, created_at, used_at) = (SessionId::new(), now, now);
        let network = network(&address).map(|network| network.to_string()).unwrap_or_default();
        Self { id, user_id, created_at, used_at, address, network, ended_at: None }
    }

    /// What tells at `now` whether a session still lives.
    pub fn alive(now: Timestamp) -> Alive {
        Alive { created_after: now.minus(LIFE), used_after: now.minus(IDLE_LIFE) }
    }

    /// Whether it can still be refreshed.
    pub fn lives(&self, now: Timestamp) -> bool {
        let Alive { created_after, used_after } = Self::alive(now);
        self.ended_at.is_none() && created_after < self.created_at && used_after < self.used_at
    }

    /// Decides about `token`, which is this session's; `successor` is what it was spent for, if it was.
    pub fn refresh(
        &self,
        token: &KeptToken,
        successor: Option<&KeptToken>,
        now: Timestamp,
    ) -> Refresh {
        if self.ended_at.is_some() || self.created_at.plus(LIFE) <= now {
            return Refresh::Refuse;
        }
        let Some(spent_at) = token.spent_at else {
            let idle = token.issued_at.plus(IDLE_LIFE) <= now;
            return if idle { Refresh::Refuse } else { Refresh::Spend };
        };
        let is_predecessor = successor.is_some_and(|successor| successor.spent_at.is_none());
        if is_predecessor && now <= spent_at.plus(GRACE) { Refresh::Repeat } else { Refresh::End }
    }
}

/// A refresh token in clear text, as only its holder has it.
#[derive(Clone, Debug)]
pub struct RefreshToken(Secret);

impl RefreshToken {
    /// The first of a session.
    pub fn random() -> Result<Self> {
        Secret::random().map(Self)
    }

    /// What it is spent for: always the same.
    pub fn successor(&self, key: &ChainKey) -> Self {
        Self(encode(hmac::sign(&key.0, self.0.reveal().as_bytes()).as_ref()).into())
    }

    /// What is kept of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash(self.0.hash())
    }

    /// For its holder.
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

impl From<String> for RefreshToken {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

/// SHA-256 of a refresh token.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct TokenHash(String);

/// What is kept of a refresh token.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct KeptToken {
    pub hash: TokenHash,
    pub session_id: SessionId,
    pub issued_at: Timestamp,
    /// When it was exchanged for its successor.
    pub spent_at: Option<Timestamp>,
}

impl KeptToken {
    pub fn new(token: &RefreshToken, session_id: SessionId, now: Timestamp) -> Self {
        Self { hash: token.hash(), session_id, issued_at: now, spent_at: None }
    }
}

/// Derives a refresh token from its predecessor.
#[derive(Clone)]
pub struct ChainKey(hmac::Key);

impl ChainKey {
    /// The key that `secret` is.
    pub fn read(secret: &Secret) -> Result<Self> {
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &decode(secret)?)))
    }

    /// A name for `text` out of which nobody can read it.
    pub fn blind(&self, text: &str) -> String {
        encode(hmac::sign(&self.0, text.as_bytes()).as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);
    const START: Timestamp = Timestamp::from_micros(1_767_323_045_000_000);

    fn session() -> Session {
        Session::new(UserId::new(), String::new(), START)
    }

    fn token(issued_at: Timestamp, spent_at: Option<Timestamp>) -> KeptToken {
        KeptToken {
            hash: TokenHash("hash".into()),
            session_id: SessionId::new(),
            issued_at,
            spent_at,
        }
    }

    #[test]
    fn a_live_token_is_spent_until_it_was_idle_for_seven_days() {
        let (session, live) = (session(), token(START, None));
        let almost = START.plus(7 * DAY).minus(Duration::from_micros(1));
        assert_eq!(session.refresh(&live, None, START), Refresh::Spend);
        assert_eq!(session.refresh(&live, None, almost), Refresh::Spend);
        assert_eq!(session.refresh(&live, None, START.plus(7 * DAY)), Refresh::Refuse);
    }

    #[test]
    fn no_session_lives_longer_than_thirty_days() {
        let (session, end) = (session(), START.plus(30 * DAY));
        let young = token(START.plus(29 * DAY), None);
        assert_eq!(session.refresh(&young, None, end.minus(DAY)), Refresh::Spend);
        assert_eq!(session.refresh(&young, None, end), Refresh::Refuse);
    }

    #[test]
    fn only_the_immediate_predecessor_is_answered_again_and_only_for_ten_seconds() {
        let (session, spent) = (session(), token(START, Some(START)));
        let (live, used) = (token(START, None), token(START, Some(START)));
        let last = START.plus(GRACE);
        assert_eq!(session.refresh(&spent, Some(&live), last), Refresh::Repeat);
        let late = last.plus(Duration::from_micros(1));
        assert_eq!(session.refresh(&spent, Some(&live), late), Refresh::End);
        assert_eq!(session.refresh(&spent, Some(&used), START), Refresh::End);
    }

    #[test]
    fn an_ended_session_stays_ended() {
        let session = Session { ended_at: Some(START), ..session() };
        assert_eq!(session.refresh(&token(START, None), None, START), Refresh::Refuse);
    }

    #[test]
    fn a_successor_depends_on_its_predecessor_and_the_key_alone() {
        let [key, other] = ["a2V5", "b3RoZXI"].map(|text| ChainKey::read(&text.into()).unwrap());
        let token = RefreshToken::random().unwrap();
        let successor = token.successor(&key);
        assert_eq!(successor.hash(), token.successor(&key).hash());
        assert_ne!(successor.hash(), token.successor(&other).hash());
        assert_ne!(successor.hash(), successor.successor(&key).hash());
        assert_eq!(successor.reveal().len(), 43);
    }
}
