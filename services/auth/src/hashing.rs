//! Where passwords are hashed: on as many threads as there are cores, because each takes a core and 19 MiB for a while.

use std::sync::Arc;

use kit::{Error, Result};
use tokio::sync::Semaphore;

use crate::domain::password::{Password, PasswordHash};

/// Hashes that may wait for a thread; more would only keep their callers waiting.
const WAITING: usize = 64;

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

    /// What to keep of a new password.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash> {
        self.run(move || password.hash()).await
    }

    /// What to keep from now on of a password that was typed, if it is that of `kept`: `kept`, or a stronger hash where
    /// that is outdated. `None` if it is wrong; without `kept` that takes as long.
    pub async fn check(
        &self,
        password: Password,
        kept: Option<PasswordHash>,
    ) -> Result<Option<PasswordHash>> {
        let dummy = self.dummy.clone();
        self.run(move || match kept {
            None => password.matches(&dummy).map(|_| None),
            Some(kept) if !password.matches(&kept)? => Ok(None),
            Some(kept) if kept.is_outdated() => password.hash().map(Some),
            Some(kept) => Ok(Some(kept)),
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Err(Error::Exhausted("too many passwords to check at once"));
        };
        let running = Arc::clone(&self.running).acquire_owned().await;
        let running = running.map_err(anyhow::Error::from)?;
        blocking(move || {
            // Held until the work is done, also when nobody waits for it any more.
            let _held = (place, running);
            work()
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(anyhow::Error::from)?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password() -> Password {
        Password::typed("correct horse battery")
    }

    #[tokio::test]
    async fn a_password_is_checked_against_its_own_hash() {
        let hashing = Hashing::new().await.unwrap();
        let hash = hashing.hash(password()).await.unwrap();

        let right = hashing.check(password(), Some(hash.clone())).await.unwrap();
        let wrong = hashing.check(Password::typed("wrong"), Some(hash.clone())).await.unwrap();
        let nobody = hashing.check(Password::typed("nobody's password"), None).await.unwrap();

        assert_eq!((right, wrong, nobody), (Some(hash), None, None));
    }

    #[tokio::test]
    async fn sixty_four_wait_and_the_next_is_refused() {
        let hashing = Hashing::new().await.unwrap();
        let cores = hashing.running.available_permits();
        let _all_busy = hashing.running.acquire_many(u32::try_from(cores).unwrap()).await.unwrap();
        let _theirs = hashing.places.acquire_many(u32::try_from(cores).unwrap()).await.unwrap();

        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..WAITING {
            let hashing = hashing.clone();
            waiting.spawn(async move { hashing.hash(password()).await });
        }
        while hashing.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }

        let refused = hashing.hash(password()).await.unwrap_err();
        assert!(matches!(refused, Error::Exhausted(_)), "{refused:?}");
    }
}
