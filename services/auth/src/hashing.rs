//! Where passwords are hashed and judged: on as many threads as there are cores, because each takes a core and 19 MiB for a while.

use std::{sync::Arc, time::Duration};

use kit::{Error, Result};
use metrics::counter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::password::{Password, PasswordHash};

/// Hashes that may wait for a thread; more would only keep their callers waiting.
const WAITING: usize = 64;
/// When to come again if there is no place: about the time in which half of the queue is gone.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The bounded pool of threads.
#[derive(Clone)]
pub struct Hashing {
    /// One for each core.
    running: Arc<Semaphore>,
    /// One for each hash that runs or waits.
    places: Arc<Semaphore>,
    /// Stands in for the hash of people who are not there.
    dummy: PasswordHash,
}

/// A place in the queue. Whoever has one is not turned away any more.
pub struct Place {
    hashing: Hashing,
    held: Arc<OwnedSemaphorePermit>,
}

impl Hashing {
    /// A pool for this machine.
    pub async fn new() -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let dummy = blocking(|| Password::typed("nobody's password").hash()).await?;
        Ok(Self {
            running: Arc::new(Semaphore::new(cores)),
            places: Arc::new(Semaphore::new(cores + WAITING)),
            dummy,
        })
    }

    /// A place in the queue.
    ///
    /// # Errors
    ///
    /// `RESOURCE_EXHAUSTED`: there is none.
    pub fn place(&self) -> Result<Place> {
        let held = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Error::TooSoon {
            message: "too many passwords are being checked: try again in a moment",
            retry_after: RETRY_AFTER,
        })?;
        Ok(Place { hashing: self.clone(), held: Arc::new(held) })
    }
}

impl Place {
    /// A new password, as [`Password::chosen`]: a clever one is as dear to judge as to hash.
    pub async fn choose(&self, field: &str, text: &str, names: [&str; 2]) -> Result<Password> {
        let (field, text, names) = (field.to_owned(), text.to_owned(), names.map(str::to_owned));
        self.run(move || Password::chosen(&field, &text, names.iter().map(String::as_str))).await
    }

    /// What to keep of a new password.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash> {
        self.run(move || {
            count();
            password.hash()
        })
        .await
    }

    /// What to keep from now on of a password that was typed, if it is that of `kept`: `kept`, or a stronger hash where
    /// that is outdated. `None` if it is wrong; without `kept` that takes as long.
    pub async fn check(
        &self,
        password: Password,
        kept: Option<PasswordHash>,
    ) -> Result<Option<PasswordHash>> {
        let dummy = self.hashing.dummy.clone();
        self.run(move || {
            count();
            match kept {
                None => password.matches(&dummy).map(|_| None),
                Some(kept) if !password.matches(&kept)? => Ok(None),
                Some(kept) if kept.is_outdated() => password.hash().map(Some),
                Some(kept) => Ok(Some(kept)),
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let running = Arc::clone(&self.hashing.running).acquire_owned().await;
        let running = running.map_err(anyhow::Error::from)?;
        let place = Arc::clone(&self.held);
        blocking(move || {
            // Held until the work is done, also when nobody waits for it any more.
            let _held = (place, running);
            work()
        })
        .await
    }
}

/// Counts a password that is hashed, whether it is new or typed.
fn count() {
    counter!("flightline_password_hashes_total").increment(1);
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(anyhow::Error::from)?
}

#[cfg(test)]
mod tests {
    use std::{future::ready, pin::pin};

    use super::*;

    fn password() -> Password {
        Password::typed("correct horse battery")
    }

    #[tokio::test]
    async fn a_password_is_checked_against_its_own_hash() {
        let place = Hashing::new().await.unwrap().place().unwrap();
        let hash = place.hash(password()).await.unwrap();

        let right = place.check(password(), Some(hash.clone())).await.unwrap();
        let wrong = place.check(Password::typed("wrong"), Some(hash.clone())).await.unwrap();
        let nobody = place.check(Password::typed("nobody's password"), None).await.unwrap();

        assert_eq!((right, wrong, nobody), (Some(hash), None, None));
    }

    #[tokio::test]
    async fn a_new_password_is_judged_in_its_turn_and_not_where_calls_are_answered() {
        let hashing = Hashing::new().await.unwrap();
        let place = hashing.place().unwrap();
        let cores = u32::try_from(hashing.running.available_permits()).unwrap();
        let others = hashing.running.acquire_many(cores).await.unwrap();
        let mut judged = pin!(place.choose("password", "correct horse battery", ["ana", ""]));

        tokio::select! {
            biased;
            _ = &mut judged => panic!("it did not wait for its turn"),
            () = ready(()) => {}
        }
        drop(others);

        judged.await.unwrap();
        for (text, names) in [("password1234", ["", ""]), ("wilhelmina-78", ["wilhelmina", ""])] {
            assert!(place.choose("password", text, names).await.is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn sixty_four_wait_and_the_next_is_refused() {
        let hashing = Hashing::new().await.unwrap();
        let cores = hashing.running.available_permits();
        let mut places: Vec<_> = (0..cores + WAITING).map(|_| hashing.place().unwrap()).collect();

        let refused = hashing.place().err().unwrap();
        places.pop();
        let place = hashing.place().unwrap();

        assert!(matches!(refused, Error::TooSoon { .. }), "{refused:?}");
        place.hash(password()).await.unwrap();
        assert_eq!(hashing.places.available_permits(), 0, "it is held for as long as it is wanted");
    }
}
