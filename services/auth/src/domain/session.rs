//! Sessions, and the refresh tokens that they live on.
//!
//! A session is a chain of refresh tokens. Each is spent for the next, which is derived from it with a key of ours: a
//! client that lost the answer gets the same successor again, although nothing but hashes is kept. Whoever comes with a
//! token from further back is not its rightful holder, or somebody else is: the session ends.
//!
//! Two hashes a session are enough for that: of the live token and of its predecessor. A token from further back says itself
//! whose it was, under a seal that we alone can make; so a client that refreshes without a pause fills no table. Tokens from
//! before say nothing: a session that began with one goes on with those, and all of them are kept.

use std::time::Duration;

use aws_lc_rs::{constant_time, hmac};
use kit::{Result, Timestamp, uuid::Uuid};

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

    /// Decides about a token of this session, which is not kept if it is from further back;
    /// `successor` is what it was spent for, if it was.
    pub fn refresh(
        &self,
        token: Option<&KeptToken>,
        successor: Option<&KeptToken>,
        now: Timestamp,
    ) -> Refresh {
        if self.ended_at.is_some() || self.created_at.plus(LIFE) <= now {
            return Refresh::Refuse;
        }
        let Some(token) = token else { return Refresh::End };
        let Some(spent_at) = token.spent_at else {
            let idle = token.issued_at.plus(IDLE_LIFE) <= now;
            return if idle { Refresh::Refuse } else { Refresh::Spend };
        };
        let is_predecessor = successor.is_some_and(|successor| successor.spent_at.is_none());
        if is_predecessor && now <= spent_at.plus(GRACE) { Refresh::Repeat } else { Refresh::End }
    }
}

/// A refresh token in clear text, as only its holder has it: 256 bits that nobody can guess, the session that it is of, and a
/// seal that proves so.
#[derive(Clone, Debug)]
pub struct RefreshToken(Secret);

/// How many bytes each part of a token has.
const SECRET: usize = 32;
const SESSION: usize = 16;
const SEAL: usize = 16;

impl RefreshToken {
    /// The first of a session.
    pub fn first(session_id: SessionId, key: &ChainKey) -> Result<Self> {
        let secret = decode(&Secret::random()?)?;
        Ok(Self::sealed(&secret, session_id, key))
    }

    /// What it is spent for: always the same. One from before tokens said whose they are is spent for another such, as a process
    /// from before spends it: both may serve one session while replicas are replaced.
    pub fn successor(&self, key: &ChainKey) -> Self {
        let secret = hmac::sign(&key.0, self.0.reveal().as_bytes());
        match self.session(key) {
            Some(session_id) => Self::sealed(secret.as_ref(), session_id, key),
            None => Self(encode(secret.as_ref()).into()),
        }
    }

    fn sealed(secret: &[u8], session_id: SessionId, key: &ChainKey) -> Self {
        let uuid = session_id.uuid();
        let content = [secret, uuid.as_bytes().as_slice()].concat();
        let seal = key.seal(&content);
        Self(encode(&[content.as_slice(), &seal[..]].concat()).into())
    }

    /// The session that it is or was of, whether it is remembered or not; none if it is not one of ours. It lets nobody in by
    /// that: who reads the database can make a seal, but no token that is live.
    pub fn session(&self, key: &ChainKey) -> Option<SessionId> {
        let bytes = decode(&self.0).ok().filter(|bytes| bytes.len() == SECRET + SESSION + SEAL)?;
        let (content, seal) = bytes.split_at(SECRET + SESSION);
        constant_time::verify_slices_are_equal(&key.seal(content), seal).ok()?;
        Uuid::from_slice(&content[SECRET..]).ok().map(SessionId::from)
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

    /// What nobody else can make for `content`.
    fn seal(&self, content: &[u8]) -> [u8; SEAL] {
        let mut signer = hmac::Context::with_key(&self.0);
        signer.update(b"refresh token of a session");
        signer.update(content);
        let mut seal = [0; SEAL];
        seal.copy_from_slice(&signer.sign().as_ref()[..SEAL]);
        seal
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
        assert_eq!(session.refresh(Some(&live), None, START), Refresh::Spend);
        assert_eq!(session.refresh(Some(&live), None, almost), Refresh::Spend);
        assert_eq!(session.refresh(Some(&live), None, START.plus(7 * DAY)), Refresh::Refuse);
    }

    #[test]
    fn no_session_lives_longer_than_thirty_days() {
        let (session, end) = (session(), START.plus(30 * DAY));
        let young = token(START.plus(29 * DAY), None);
        assert_eq!(session.refresh(Some(&young), None, end.minus(DAY)), Refresh::Spend);
        assert_eq!(session.refresh(Some(&young), None, end), Refresh::Refuse);
    }

    #[test]
    fn only_the_immediate_predecessor_is_answered_again_and_only_for_ten_seconds() {
        let (session, spent) = (session(), token(START, Some(START)));
        let (live, used) = (token(START, None), token(START, Some(START)));
        let last = START.plus(GRACE);
        assert_eq!(session.refresh(Some(&spent), Some(&live), last), Refresh::Repeat);
        let late = last.plus(Duration::from_micros(1));
        assert_eq!(session.refresh(Some(&spent), Some(&live), late), Refresh::End);
        assert_eq!(session.refresh(Some(&spent), Some(&used), START), Refresh::End);
    }

    #[test]
    fn a_token_that_is_kept_no_longer_is_from_too_far_back() {
        assert_eq!(session().refresh(None, None, START), Refresh::End);
    }

    #[test]
    fn an_ended_session_stays_ended() {
        let session = Session { ended_at: Some(START), ..session() };
        assert_eq!(session.refresh(None, None, START), Refresh::Refuse);
        assert_eq!(session.refresh(Some(&token(START, None)), None, START), Refresh::Refuse);
    }

    fn keys() -> [ChainKey; 2] {
        ["a2V5", "b3RoZXI"].map(|text| ChainKey::read(&text.into()).unwrap())
    }

    #[test]
    fn a_successor_depends_on_its_predecessor_its_session_and_the_key_alone() {
        let ([key, other], id) = (keys(), SessionId::new());
        let token = RefreshToken::first(id, &key).unwrap();
        let successor = token.successor(&key);
        assert_eq!(successor.hash(), token.successor(&key).hash());
        assert_ne!(successor.hash(), token.successor(&other).hash());
        assert_ne!(successor.hash(), successor.successor(&key).hash());
        assert_ne!(token.hash(), RefreshToken::first(id, &key).unwrap().hash());
    }

    #[test]
    fn a_token_from_before_is_spent_as_it_was_then() {
        let [key, _] = keys();
        let token = RefreshToken::from("b2xkIHRva2VucyB3ZXJlIDQzIGxldHRlcnMgbG9uZyE".to_owned());
        assert_eq!(token.successor(&key).reveal(), "yDB9hiKAU_u9PtkJ6yl1YDZX8qnDQbBWestKYmggRMo");
        assert_eq!(token.session(&key), None);
    }

    #[test]
    fn a_token_says_whose_it_was_and_no_changed_one_does() {
        let ([key, other], id) = (keys(), SessionId::new());
        let first = RefreshToken::first(id, &key).unwrap();
        for token in [&first, &first.successor(&key)] {
            assert_eq!(token.session(&key), Some(id));
            assert_eq!(token.session(&other), None);
        }

        let bytes = decode(&first.0).unwrap();
        let of = |bytes: &[u8]| RefreshToken::from(encode(bytes)).session(&key);
        for place in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[place] ^= 1;
            assert_eq!(of(&bytes), None, "byte {place}");
        }
        assert_eq!(of(&bytes[1..]), None);
        assert_eq!(of(&[bytes.as_slice(), &[0]].concat()), None);
        assert_eq!(RefreshToken::from(String::new()).session(&key), None);
    }
}
