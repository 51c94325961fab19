//! The token of a service.

use std::{mem, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::sync::{Mutex, watch};
use tonic::{Code, Request};

use crate::{Clock, Error, Result, Timestamp, call::authorize};

/// Asks the issuer for a token of this service; answers it and the seconds for which it is valid.
type FetchOwn = Arc<dyn Fn() -> BoxFuture<'static, Result<(String, i32)>> + Send + Sync>;

/// When an issuer that gave no token is asked again.
const RETRY: Duration = Duration::from_secs(1);
const UNPROVEN: &str = "this service can't prove itself to the others";

/// The token with which a service does what no person asked for.
#[derive(Clone)]
pub struct ServiceToken {
    fetch: FetchOwn,
    clock: Clock,
    current: Arc<Mutex<Option<Current>>>,
    proof: Proof,
}

/// Whether the issuer lets a process prove itself, by its last answer: one that is away, or has no time, answered nothing.
#[derive(Clone, Debug, Default)]
pub struct Proof(Arc<watch::Sender<bool>>);

impl Proof {
    /// Whether the last answer was a refusal.
    pub fn is_refused(&self) -> bool {
        *self.0.borrow()
    }

    /// The same, and every change of it.
    pub fn refused(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }

    fn note(&self, asked: Result<(), &Error>) {
        let is_refused = match asked.map_err(Error::code) {
            Ok(()) => false,
            Err(Code::Unauthenticated | Code::PermissionDenied | Code::InvalidArgument) => true,
            Err(_) => return,
        };
        self.0.send_if_modified(|was| mem::replace(was, is_refused) != is_refused);
    }
}

struct Current {
    token: Arc<str>,
    /// When another one is asked for.
    renewed_at: Timestamp,
    ends_at: Timestamp,
}

impl ServiceToken {
    /// A token that is fetched by `fetch` when there is none, or half of its life is over.
    pub fn new(
        clock: Clock,
        fetch: impl Fn() -> BoxFuture<'static, Result<(String, i32)>> + Send + Sync + 'static,
    ) -> Self {
        let (current, proof) = (Arc::default(), Proof::default());
        Self { fetch: Arc::new(fetch), clock, current, proof }
    }

    /// The same, which tells `proof` whether it is given a token.
    #[must_use]
    pub fn telling(self, proof: &Proof) -> Self {
        Self { proof: proof.clone(), ..self }
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

    /// Asks the issuer, though the token at hand may be good: what becomes of it, the proof is told.
    pub async fn prove(&self) {
        // Whoever needs a token is told of the error.
        self.renewed(&mut *self.current.lock().await).await.ok();
    }

    async fn token(&self) -> Result<Arc<str>> {
        let mut current = self.current.lock().await;
        let now = self.clock.now();
        match &*current {
            Some(Current { token, renewed_at, .. }) if now < *renewed_at => Ok(Arc::clone(token)),
            _ => self.renewed(&mut current).await,
        }
    }

    async fn renewed(&self, current: &mut Option<Current>) -> Result<Arc<str>> {
        let now = self.clock.now();
        let fetched = (self.fetch)().await;
        self.proof.note(fetched.as_ref().map(|_| ()));
        let current = match fetched {
            Ok((token, expires_in)) => {
                let life = Duration::from_secs(u64::try_from(expires_in).unwrap_or_default());
                // At half of its life: the issuer may be away for as long as the other half.
                let (renewed_at, ends_at) = (now.plus(life / 2), now.plus(life));
                current.insert(Current { token: token.into(), renewed_at, ends_at })
            }
            Err(error) => {
                tracing::warn!(%error, "this service can't prove itself anew");
                let now = self.clock.now();
                let kept = current.as_mut().filter(|current| now < current.ends_at);
                let kept = kept.ok_or(Error::Unavailable(UNPROVEN))?;
                kept.renewed_at = now.plus(RETRY);
                kept
            }
        };
        Ok(Arc::clone(&current.token))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

    use super::*;

    /// A service's token that is good for 100 seconds from an issuer who answers the first `answers` times; its clock in
    /// seconds; and how often the issuer was asked.
    fn service_token(answers: usize) -> (ServiceToken, Arc<AtomicI64>, Arc<AtomicUsize>) {
        let (seconds, asked) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicUsize::new(0)));
        let (time, count) = (Arc::clone(&seconds), Arc::clone(&asked));
        let clock =
            Clock::new(move || Timestamp::from_micros(time.load(Ordering::SeqCst) * 1_000_000));
        let token = ServiceToken::new(clock, move || {
            let number = count.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                if answers <= number {
                    return Err(Error::Unavailable("away"));
                }
                Ok((format!("token {number}"), 100))
            })
        });
        (token, seconds, asked)
    }

    #[tokio::test]
    async fn a_service_keeps_its_token_to_the_end_while_the_issuer_is_away() {
        let (token, seconds, asked) = service_token(2);
        let at = async |second| {
            seconds.store(second, Ordering::SeqCst);
            token.token().await.ok().map(|token| token.to_string())
        };

        assert_eq!(at(0).await.as_deref(), Some("token 0"));
        assert_eq!(at(49).await.as_deref(), Some("token 0"));
        assert_eq!(at(50).await.as_deref(), Some("token 1"));
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        for (second, asks) in [(100, 3), (100, 3), (101, 4), (149, 5)] {
            assert_eq!(at(second).await.as_deref(), Some("token 1"), "at {second} s");
            assert_eq!(asked.load(Ordering::SeqCst), asks, "at {second} s");
        }
        assert_eq!(at(150).await, None, "it has ended");
    }

    #[tokio::test]
    async fn a_service_is_refused_by_an_answer_and_not_by_silence() {
        let refused = || Error::from(tonic::Status::unauthenticated("the secret is wrong"));
        let (away, busy) = (|| Error::Unavailable("away"), || Error::Exhausted("busy"));
        let answers: [(Result<(String, i32)>, bool); 8] = [
            (Err(away()), false),
            (Err(refused()), true),
            (Err(away()), true),
            (Err(busy()), true),
            (Ok(("token".into(), 0)), false),
            (Err(busy()), false),
            (Err(refused()), true),
            (Ok(("token".into(), 0)), false),
        ];
        let (answers, expected): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
        let answers = std::sync::Mutex::new(answers.into_iter());
        let proof = Proof::default();
        let token = ServiceToken::new(Clock::system(), move || {
            let answer = answers.lock().unwrap().next().unwrap();
            Box::pin(async move { answer })
        });
        let token = token.telling(&proof);

        for (number, expected) in expected.into_iter().enumerate() {
            token.token().await.ok();
            assert_eq!(proof.is_refused(), expected, "answer {number}");
        }
    }

    #[tokio::test]
    async fn a_service_with_a_good_token_is_asked_for_no_proof_unless_it_wants_to_be() {
        let refused = || Error::from(tonic::Status::unauthenticated("the secret is wrong"));
        let token = || Ok(("token".to_owned(), 100));
        let answers = std::sync::Mutex::new([token(), Err(refused()), token()].into_iter());
        let proof = Proof::default();
        let service = ServiceToken::new(Clock::new(|| Timestamp::from_micros(0)), move || {
            let answer = answers.lock().unwrap().next().unwrap();
            Box::pin(async move { answer })
        });
        let service = service.telling(&proof);

        service.token().await.unwrap();
        service.prove().await;
        assert!(proof.is_refused());
        assert_eq!(&*service.token().await.unwrap(), "token");
        assert!(proof.is_refused(), "nobody was asked");
        service.prove().await;
        assert!(!proof.is_refused());
    }
}
