//! Access tokens: how every service verifies them by itself, and how a service gets its own.

mod own;

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroUsize,
    ops::DerefMut,
    sync::{Arc, Mutex as BlockingMutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use lru::LruCache;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    sync::{Mutex, OwnedMutexGuard, RwLock},
    time::Instant,
};
use tracing::Instrument;

pub use self::own::{Proof, ServiceToken};
use crate::{Clock, Error, Result, Timestamp, access::Role};

/// Issuer and audience of our tokens.
pub const ISSUER: &str = "flightline";
/// The token type of RFC 9068, which keeps any other JWT from passing as an access token.
pub const TYPE: &str = "at+jwt";
/// The token type and the audience of a ticket to a stream, which is no access token.
pub const TICKET_TYPE: &str = "ticket+jwt";
/// See [`TICKET_TYPE`].
pub const TICKET_AUDIENCE: &str = "flightline/stream";
/// How far two machines' clocks may differ.
const LEEWAY_SECONDS: i64 = 5;
/// Verified tokens that are remembered: verifying one costs more than most calls that it guards.
const VERIFIED: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// The shortest time between one fetch of keys and the next, so that tokens with invented key names can't flood the issuer.
const REFETCH: Duration = Duration::from_secs(1);
/// For how long fetched keys are trusted while the issuer can be asked again: it may have retired one.
const TRUSTED: Duration = Duration::from_hours(1);

/// What an access token says (RFC 9068).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it: [`ISSUER`].
    pub iss: String,
    /// Whom it is for: [`ISSUER`], the whole suite.
    pub aud: String,
    /// Whom it names: a user's id or `service:<name>`.
    pub sub: String,
    /// The session that it belongs to.
    pub sid: String,
    /// Its own id.
    pub jti: String,
    /// When it was issued, in seconds since the epoch.
    pub iat: i64,
    /// When it ends, in seconds since the epoch.
    pub exp: i64,
    /// When it begins, if later than `iat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// The name of a [`Role`].
    pub role: String,
}

/// What a ticket says: who may begin one stream, for a moment. It comes in an address, which others may see and keep, so
/// it is good for as little as can be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ticket {
    /// Who has it, in which session, and until when.
    #[serde(flatten)]
    pub claims: Claims,
    /// The stream: `/package.Service/Method`.
    pub method: String,
}

/// A public key that verifies tokens.
#[derive(Clone, Debug)]
pub struct PublicKey {
    /// Its name in a token's header.
    pub kid: String,
    /// The Ed25519 key, base64url without padding.
    pub x: String,
}

/// Asks the issuer for its keys.
type Fetch = Arc<dyn Fn() -> BoxFuture<'static, Result<Vec<PublicKey>>> + Send + Sync>;

/// What the issuer said last.
#[derive(Default)]
struct Keys {
    by_name: HashMap<String, DecodingKey>,
    /// When it was asked, by a clock that never steps.
    asked_at: Option<Instant>,
}

impl Keys {
    /// The key `kid`, if the issuer need not be asked for it.
    fn trusted(&self, kid: &str) -> Option<DecodingKey> {
        let is_new = self.asked_at.is_some_and(|at| at.elapsed() < TRUSTED);
        self.by_name.get(kid).filter(|_| is_new).cloned()
    }
}

/// When the last answer about keys came, by a clock that never steps, and whether it had them.
struct Fetched {
    at: Instant,
    is_done: bool,
}

/// Verifies access tokens with the issuer's public keys, which it fetches when it needs them.
#[derive(Clone)]
pub struct Verifier {
    fetch: Fetch,
    clock: Clock,
    keys: Arc<RwLock<Keys>>,
    fetched: Arc<Mutex<Option<Fetched>>>,
    verified: Arc<BlockingMutex<LruCache<String, (Claims, Role)>>>,
}

impl Verifier {
    /// A verifier that gets its keys from `fetch`.
    pub fn new(
        clock: Clock,
        fetch: impl Fn() -> BoxFuture<'static, Result<Vec<PublicKey>>> + Send + Sync + 'static,
    ) -> Self {
        let verified = Arc::new(BlockingMutex::new(LruCache::new(VERIFIED)));
        let (keys, fetched) = (Arc::default(), Arc::default());
        Self { fetch: Arc::new(fetch), clock, keys, fetched, verified }
    }

    /// Checks what a token says by itself: who signed it, for whom, when and as what. Whether its session has ended is
    /// another question.
    ///
    /// # Errors
    ///
    /// `UNAUTHENTICATED` for anything but a valid token; `UNAVAILABLE` when the issuer's keys can't be had.
    pub async fn verify(&self, token: &str) -> Result<(Claims, Role)> {
        if let Some((claims, role)) = self.verified().get(token).cloned() {
            self.check_times(&claims)?;
            return Ok((claims, role));
        }
        let claims: Claims = self.read(token, TYPE, ISSUER).await?;
        self.check_times(&claims)?;
        let role = Role::from_name(&claims.role).ok_or_else(invalid)?;
        // Without a session there would be nothing to end; a service has none.
        if claims.sub.is_empty() || (claims.sid.is_empty() && role != Role::Service) {
            return Err(invalid());
        }
        self.verified().put(token.to_owned(), (claims.clone(), role));
        Ok((claims, role))
    }

    /// Checks what a ticket to the stream of `method` says by itself, as [`verify`](Self::verify) does.
    ///
    /// # Errors
    ///
    /// `UNAUTHENTICATED` for anything but a valid ticket to that stream; `UNAVAILABLE` when the issuer's keys can't be had.
    pub async fn verify_ticket(&self, ticket: &str, method: &str) -> Result<(Claims, Role)> {
        let wrong = |error| match error {
            Error::Unauthenticated(_) => no_ticket(),
            error => error,
        };
        let ticket: Ticket =
            self.read(ticket, TICKET_TYPE, TICKET_AUDIENCE).await.map_err(wrong)?;
        self.check_times(&ticket.claims).map_err(wrong)?;
        let role = Role::from_name(&ticket.claims.role).ok_or_else(no_ticket)?;
        let is_persons = !ticket.claims.sub.is_empty() && !ticket.claims.sid.is_empty();
        if ticket.method != method || !is_persons {
            return Err(no_ticket());
        }
        Ok((ticket.claims, role))
    }

    /// What a token of `kind` for `audience` says, if one of the issuer's keys signed it.
    async fn read<T: DeserializeOwned>(
        &self,
        token: &str,
        kind: &str,
        audience: &str,
    ) -> Result<T> {
        let header = decode_header(token).map_err(|_| invalid())?;
        // What `crit` lists must be understood (RFC 7515); we understand nothing of the kind.
        if header.alg != Algorithm::EdDSA
            || header.typ.as_deref() != Some(kind)
            || header.crit.is_some()
        {
            return Err(invalid());
        }
        let key = self.key(header.kid.as_deref().ok_or_else(invalid)?).await?;
        Ok(decode(token, &key, &validation(audience)).map_err(|_| invalid())?.claims)
    }

    /// The time by which tokens are judged.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn verified(&self) -> impl DerefMut<Target = LruCache<String, (Claims, Role)>> {
        // Whoever panicked while it held the lock left whole entries.
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_times(&self, claims: &Claims) -> Result<()> {
        let now = self.clock.now().micros().div_euclid(1_000_000);
        if claims.exp.saturating_add(LEEWAY_SECONDS) < now {
            return Err(Error::Unauthenticated("the access token has expired"));
        }
        let begins = claims.nbf.unwrap_or(claims.iat).max(claims.iat);
        if now + LEEWAY_SECONDS < begins {
            return Err(Error::Unauthenticated("the access token is not valid yet"));
        }
        Ok(())
    }

    async fn key(&self, kid: &str) -> Result<DecodingKey> {
        if let Some(key) = self.keys.read().await.trusted(kid) {
            return Ok(key);
        }
        // One fetch at a time, beside those whose keys are known: they don't wait for it.
        let fetched = Arc::clone(&self.fetched).lock_owned().await;
        if let Some(key) = self.keys.read().await.trusted(kid) {
            return Ok(key);
        }
        let is_done = match &*fetched {
            Some(last) if last.at.elapsed() < REFETCH => last.is_done,
            // Goes on when this caller gives up: else whoever has no patience would keep the keys from everybody.
            _ => {
                let fetch = self.clone().fetch_keys(fetched).in_current_span();
                tokio::spawn(fetch).await.unwrap_or(false)
            }
        };
        // Also one that was fetched long ago, if the issuer is away.
        let key = self.keys.read().await.by_name.get(kid).cloned();
        // Without the keys of now the fault may not be the token's.
        key.ok_or_else(|| if is_done { invalid() } else { no_keys() })
    }

    /// Fetches the keys and notes when that ended; answers whether they came. Also a fetch that fails was one: whoever
    /// waited for it does not repeat it.
    async fn fetch_keys(self, mut fetched: OwnedMutexGuard<Option<Fetched>>) -> bool {
        let asked_at = Some(Instant::now());
        let answer = (self.fetch)().await;
        let is_done = answer.is_ok();
        match answer {
            Ok(keys) => {
                let read =
                    |key: PublicKey| Some((key.kid, DecodingKey::from_ed_components(&key.x).ok()?));
                let by_name = keys.into_iter().filter_map(read).collect();
                *self.keys.write().await = Keys { by_name, asked_at };
            }
            Err(error) => tracing::warn!(%error, "can't fetch the keys that verify tokens"),
        }
        *fetched = Some(Fetched { at: Instant::now(), is_done });
        is_done
    }
}

fn no_keys() -> Error {
    Error::Unavailable("the keys that verify tokens are away")
}

/// One wording for every defect: an attacker learns nothing from the difference.
fn invalid() -> Error {
    Error::Unauthenticated("the access token is not valid")
}

/// Likewise; whoever holds one that ran out gets a new one.
fn no_ticket() -> Error {
    Error::Unauthenticated("the ticket is not valid for this stream, or no longer")
}

/// The library's defaults accept a token without audience or issuer; these don't. Times are checked against our clock.
fn validation(audience: &str) -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&[audience]);
    validation.set_issuer(&[ISSUER]);
    validation.required_spec_claims =
        HashSet::from(["exp", "iss", "aud", "sub"].map(str::to_owned));
    validation.validate_exp = false;
    validation
}

#[cfg(test)]
mod tests;
