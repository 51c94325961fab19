//! Which credentials are good no longer: ended sessions, changed roles, deleted keys.
//!
//! Auth tells every service of them and beats at least twice a second. While the beat is heard, what was not told of is good;
//! when it is missed, auth is asked about each credential, and when auth can't be asked, nobody is let in.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use lru::LruCache;
use metrics::gauge;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::{Error, Result, Timestamp, access::Role, token::Claims};

/// For how long a beat lets silence mean that nothing ended. Less than a second, in which an ended session must be dead
/// everywhere; more than the half second that lies between beats at most.
const BEAT: Duration = Duration::from_millis(900);
/// For how long news is kept: longer than any access token lives.
pub(crate) const KEPT: Duration = Duration::from_mins(10);
/// What every machine's key begins with; no signed token does.
pub const KEY_PREFIX: &str = "fl_";
/// What follows: 256 random bits in base64url.
const KEY_LENGTH: usize = 43;
/// Keys of machines that are remembered at once: of more, those that were used last.
const KEYS: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// Questions about keys that auth is asked at once.
const TURNS: usize = 32;

/// What auth tells.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// Sessions that are over, and since when.
    pub ended: Vec<(String, Timestamp)>,
    /// People whose role changed, or who are gone.
    pub users: Vec<UserNews>,
    /// Keys that are good no longer.
    pub deleted_keys: Vec<String>,
    /// Whether it is of a snapshot, which what came before is no part of.
    pub snapshot: bool,
    /// Whether everything older has been told.
    pub complete: bool,
}

/// A person as they are since a change.
#[derive(Clone, Debug)]
pub struct UserNews {
    /// Whom it is about.
    pub id: String,
    /// What they are trusted with; nothing once they are gone.
    pub role: Option<Role>,
    /// Since when.
    pub changed_at: Timestamp,
}

/// What a machine's key is good for.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its id, which is not its secret.
    pub id: String,
    /// The equipment that it may send data of.
    pub equipment_ids: Arc<[String]>,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
}

/// How auth is asked about one credential.
pub trait Ask: Send + Sync {
    /// What the person of a verified token is trusted with, if its session is one of theirs and not over.
    fn session(&self, claims: &Claims) -> BoxFuture<'_, Result<Option<Role>>>;

    /// What a key is good for, if it is one.
    fn key(&self, secret: String) -> BoxFuture<'_, Result<Option<Key>>>;
}

/// What this process knows of credentials.
#[derive(Clone)]
pub struct Sessions {
    ask: Arc<dyn Ask>,
    /// Questions about keys at once.
    turns: Arc<Semaphore>,
    known: Arc<Mutex<Known>>,
}

struct Known {
    /// When the last beat came.
    heard_at: Option<Instant>,
    complete: bool,
    ended: HashMap<String, Timestamp>,
    users: HashMap<String, UserNews>,
    /// By the hash of the secret, which is kept nowhere.
    keys: LruCache<Hash, Key>,
    /// Keys whose end was told, and when.
    deleted_keys: HashMap<String, Timestamp>,
}

impl Sessions {
    /// Knows nothing yet, and asks.
    pub fn new(ask: Arc<dyn Ask>) -> Self {
        let known = Arc::new(Mutex::new(Known::nothing()));
        Self { ask, turns: Arc::new(Semaphore::new(TURNS)), known }
    }

    /// Tells the metrics that auth was heard at `now`, or that it is listened to from then on: a process that never hears it is
    /// noticed, too.
    pub fn listen(now: Timestamp) {
        let since = now.since(Timestamp::from_micros(0));
        gauge!("flightline_session_beat_timestamp_seconds").set(since.as_secs_f64());
    }

    /// Takes in news, or a beat without any, that came at `heard_at`.
    pub fn hear(&self, news: News, now: Timestamp, heard_at: Instant) {
        Self::listen(now);
        let mut known = self.known();
        known.heard_at = Some(heard_at);
        known.complete = news.complete;
        if news.snapshot {
            // What was missed is more than it tells, and may be the end of any key.
            known.keys.clear();
        }
        known.keep(news, now);
    }

    /// Takes in news from this very process, at once; it is no beat.
    pub fn note(&self, news: News, now: Timestamp) {
        self.known().keep(news, now);
    }

    /// Whether the session of a verified token is still good, and what its person is trusted with now.
    ///
    /// # Errors
    ///
    /// `UNAUTHENTICATED` when it has ended; `UNAVAILABLE` when nobody knows.
    pub async fn check(&self, claims: &Claims, role: Role, now: Instant) -> Result<Role> {
        if let Some(role) = self.recall(claims, role, now)? {
            return Ok(role);
        }
        self.ask_session(claims, role).await
    }

    /// The same, by what auth says, whatever is known.
    pub(crate) async fn ask_session(&self, claims: &Claims, role: Role) -> Result<Role> {
        if role == Role::Service {
            return Ok(role);
        }
        self.ask.session(claims).await.map_err(|error| away(&error))?.ok_or_else(ended)
    }

    /// What is known without asking; `None`: nothing.
    pub(crate) fn recall(&self, claims: &Claims, role: Role, now: Instant) -> Result<Option<Role>> {
        if role == Role::Service {
            // A service has no session; its token is short.
            return Ok(Some(role));
        }
        let known = self.known();
        if known.ended.contains_key(&claims.sid) {
            return Err(ended());
        }
        let role = match known.users.get(&claims.sub) {
            Some(user) => user.role.ok_or_else(ended)?,
            None => role,
        };
        Ok(known.is_fresh(now).then_some(role))
    }

    /// What a machine's key is good for.
    ///
    /// # Errors
    ///
    /// `UNAUTHENTICATED` when it is no key, or none any more; `UNAVAILABLE` when nobody knows.
    pub async fn key(&self, secret: &str, clock: Timestamp, now: Instant) -> Result<Key> {
        if !is_key(secret) {
            return Err(no_key());
        }
        if let Some(key) = self.recall_key(secret, clock, now)? {
            return Ok(key);
        }
        self.ask_key(secret, clock).await
    }

    /// What is known of a key without asking; `None`: nothing.
    pub(crate) fn recall_key(
        &self,
        secret: &str,
        clock: Timestamp,
        now: Instant,
    ) -> Result<Option<Key>> {
        let hash = hash(secret);
        let mut known = self.known();
        if !known.is_fresh(now) {
            return Ok(None);
        }
        let key = known.keys.get(&hash).cloned();
        key.map(|key| unexpired(key, clock)).transpose()
    }

    /// Whether auth is heard: then silence about a session means that it is good, and a key that is not known is to be asked for.
    pub(crate) fn hears(&self, now: Instant) -> bool {
        self.known().is_fresh(now)
    }

    /// What a key is good for by what auth says, whatever is known.
    pub(crate) async fn ask_key(&self, secret: &str, clock: Timestamp) -> Result<Key> {
        // Whoever invents keys keeps auth busy with at most this many at once.
        let _turn = self.turns.acquire().await.map_err(anyhow::Error::from)?;
        let key = self
            .ask
            .key(secret.to_owned())
            .await
            .map_err(|error| away(&error))?
            .ok_or_else(no_key)?;
        let hash = hash(secret);
        let mut known = self.known();
        // News of its end may have come while auth was answering.
        if known.deleted_keys.contains_key(&key.id) {
            return Err(no_key());
        }
        known.keys.put(hash, key.clone());
        unexpired(key, clock)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Whoever panicked while it held the lock left whole entries.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn nothing() -> Self {
        Self {
            heard_at: None,
            complete: false,
            ended: HashMap::new(),
            users: HashMap::new(),
            keys: LruCache::new(KEYS),
            deleted_keys: HashMap::new(),
        }
    }

    fn keep(&mut self, news: News, now: Timestamp) {
        self.ended.extend(news.ended);
        for user in news.users {
            let is_older = |other: &UserNews| user.changed_at < other.changed_at;
            if !self.users.get(&user.id).is_some_and(is_older) {
                self.users.insert(user.id.clone(), user);
            }
        }
        if !news.deleted_keys.is_empty() {
            self.keys.retain(|_, key| !news.deleted_keys.contains(&key.id));
        }
        self.deleted_keys.extend(news.deleted_keys.into_iter().map(|id| (id, now)));
        let old = now.minus(KEPT);
        self.ended.retain(|_, ended_at| old < *ended_at);
        self.users.retain(|_, user| old < user.changed_at);
        self.deleted_keys.retain(|_, told_at| old < *told_at);
    }

    /// Whether silence about a credential means that it is good.
    fn is_fresh(&self, now: Instant) -> bool {
        let silence = |heard_at| now.saturating_duration_since(heard_at);
        self.complete && self.heard_at.is_some_and(|heard_at| silence(heard_at) < BEAT)
    }
}

/// A key that is good at the time `clock`.
fn unexpired(key: Key, clock: Timestamp) -> Result<Key> {
    if key.expires_at.is_some_and(|expires_at| expires_at <= clock) {
        return Err(no_key());
    }
    Ok(key)
}

/// Whether it can be one at all: auth is not asked about anything else.
fn is_key(secret: &str) -> bool {
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let random = secret.strip_prefix(KEY_PREFIX).unwrap_or_default();
    random.len() == KEY_LENGTH && random.bytes().all(is_base64url)
}

/// SHA-256 of a key's secret.
type Hash = [u8; 32];

fn hash(secret: &str) -> Hash {
    Sha256::digest(secret).into()
}

fn ended() -> Error {
    Error::Unauthenticated("the session has ended")
}

fn no_key() -> Error {
    Error::Unauthenticated("the key is not valid")
}

/// The issuer's refusal is no verdict on the credential: whoever can't be asked lets nobody in.
fn away(error: &Error) -> Error {
    tracing::warn!(%error, "auth can't be asked whether a credential is still good");
    Error::Unavailable("it can't be found out whether the credential is still good")
}

#[cfg(test)]
mod tests;
