//! Access tokens: how every service verifies them by itself, and how a service gets its own.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroUsize,
    ops::DerefMut,
    sync::{Arc, Mutex as BlockingMutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use lru::LruCache;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::sync::{Mutex, RwLock};
use tonic::Request;

use crate::{Clock, Error, Result, Timestamp, access::Role, call::authorize};

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
/// The shortest time between two fetches of keys, so that tokens with invented key names can't flood the issuer.
const REFETCH: Duration = Duration::from_secs(1);

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

/// When keys were last asked for, by a clock that never steps, and whether they came.
struct Fetched {
    at: Instant,
    is_done: bool,
}

/// Verifies access tokens with the issuer's public keys, which it fetches when it needs them.
#[derive(Clone)]
pub struct Verifier {
    fetch: Fetch,
    clock: Clock,
    keys: Arc<RwLock<HashMap<String, DecodingKey>>>,
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
        if let Some(key) = self.keys.read().await.get(kid) {
            return Ok(key.clone());
        }
        // One fetch at a time, beside those whose keys are known: they don't wait for it.
        let mut fetched = self.fetched.lock().await;
        if let Some(key) = self.keys.read().await.get(kid) {
            return Ok(key.clone());
        }
        if let Some(last) = fetched.as_ref().filter(|last| last.at.elapsed() < REFETCH) {
            // Without the keys of now the fault may not be the token's.
            return Err(if last.is_done { invalid() } else { no_keys() });
        }
        // Also a fetch that fails was one: whoever waits for it does not repeat it.
        *fetched = Some(Fetched { at: Instant::now(), is_done: false });
        let answer = (self.fetch)().await.map_err(|error| {
            tracing::warn!(%error, "can't fetch the keys that verify tokens");
            no_keys()
        })?;
        let keys: HashMap<_, _> = answer
            .into_iter()
            .filter_map(|key| Some((key.kid, DecodingKey::from_ed_components(&key.x).ok()?)))
            .collect();
        let key = keys.get(kid).cloned();
        *self.keys.write().await = keys;
        *fetched = Some(Fetched { at: Instant::now(), is_done: true });
        key.ok_or_else(invalid)
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

/// Asks the issuer for a token of this service; answers it and the seconds for which it is valid.
type FetchOwn = Arc<dyn Fn() -> BoxFuture<'static, Result<(String, i32)>> + Send + Sync>;

/// The token with which a service does what no person asked for.
#[derive(Clone)]
pub struct ServiceToken {
    fetch: FetchOwn,
    clock: Clock,
    current: Arc<Mutex<Option<Current>>>,
}

struct Current {
    token: Arc<str>,
    good_until: Timestamp,
}

impl ServiceToken {
    /// A token that is fetched by `fetch` when there is none or it is about to end.
    pub fn new(
        clock: Clock,
        fetch: impl Fn() -> BoxFuture<'static, Result<(String, i32)>> + Send + Sync + 'static,
    ) -> Self {
        Self { fetch: Arc::new(fetch), clock, current: Arc::default() }
    }

    /// A request to another service in this service's own name.
    ///
    /// # Errors
    ///
    /// The issuer is away or refuses this service.
    pub async fn request<T>(&self, message: T) -> Result<Request<T>> {
        let mut request = Request::new(message);
        authorize(&mut request, &self.token().await?);
        Ok(request)
    }

    async fn token(&self) -> Result<Arc<str>> {
        let mut current = self.current.lock().await;
        let now = self.clock.now();
        if let Some(Current { token, good_until }) = &*current
            && now < *good_until
        {
            return Ok(Arc::clone(token));
        }
        let (token, expires_in) = (self.fetch)().await.map_err(|error| {
            tracing::warn!(%error, "this service can't prove itself");
            Error::Unavailable("this service can't prove itself to the others")
        })?;
        let token: Arc<str> = token.into();
        // Renewed at half of its life: never used at its end.
        let half = Duration::from_secs(u64::try_from(expires_in).unwrap_or_default() / 2);
        *current = Some(Current { token: Arc::clone(&token), good_until: now.plus(half) });
        Ok(token)
    }
}

#[cfg(test)]
mod tests;
