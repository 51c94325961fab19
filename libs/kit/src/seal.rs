//! Text that only this service can have written and only it can read: what a client carries from one page to the next.

use std::{fmt, sync::Arc};

use anyhow::Context;
use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    rand,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{Result, db::Conn, on};

/// The key to such texts. It is made once and lies in the service's database: all replicas have it, and a restart doesn't
/// change it.
#[derive(Clone)]
pub struct Seal(Arc<RandomizedNonceKey>);

impl Seal {
    /// The key of the service whose database `db` is of.
    pub(crate) async fn of(db: &mut Conn) -> Result<Self> {
        if let Some(key) = find(db).await? {
            return Self::new(&key);
        }
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(anyhow::Error::from)?;
        insert(db, &key).await?;
        // Several replicas may have started at once: the first one's key it is.
        Self::new(&find(db).await?.context("the key to page tokens was not kept")?)
    }

    fn new(key: &[u8]) -> Result<Self> {
        let key = RandomizedNonceKey::new(&AES_256_GCM_SIV, key).map_err(anyhow::Error::from)?;
        Ok(Self(Arc::new(key)))
    }

    /// `text`, sealed, as base64url.
    ///
    /// # Errors
    ///
    /// The system has no randomness.
    pub fn close(&self, mut text: Vec<u8>) -> Result<String> {
        let nonce = self.0.seal_in_place_append_tag(Aad::empty(), &mut text);
        let nonce = nonce.map_err(anyhow::Error::from)?;
        Ok(BASE64_URL_SAFE_NO_PAD.encode([nonce.as_ref().as_slice(), &text].concat()))
    }

    /// What was sealed; nothing, if it wasn't by this key, or was altered.
    pub fn open(&self, sealed: &str) -> Option<Vec<u8>> {
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, text) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        Some(self.0.open_in_place(nonce, Aad::empty(), text).ok()?.to_vec())
    }

    /// A key that nobody else has.
    #[cfg(test)]
    pub(crate) fn random() -> Self {
        let mut key = [0; 32];
        rand::fill(&mut key).unwrap();
        Self::new(&key).unwrap()
    }
}

impl fmt::Debug for Seal {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

/// The key's name among the keys of the service.
const NAME: &str = "page tokens";

async fn find(db: &mut Conn) -> Result<Option<Vec<u8>>> {
    Ok(on!(db, c => sqlx::query_scalar("select value from seals where name = $1")
        .bind(NAME)
        .fetch_optional(c)
        .await?))
}

async fn insert(db: &mut Conn, key: &[u8]) -> Result<()> {
    on!(db, c => sqlx::query(
        "insert into seals (name, value) values ($1, $2) on conflict do nothing")
        .bind(NAME)
        .bind(key)
        .execute(c)
        .await
        .map(|_| ())?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_is_read_again_and_by_its_own_key_only() {
        let seal = Seal::random();
        let sealed = seal.close(b"pump 7".to_vec()).unwrap();

        assert_eq!(seal.open(&sealed).unwrap(), b"pump 7");
        assert!(Seal::random().open(&sealed).is_none());
    }

    #[test]
    fn nobody_else_can_read_it_or_tell_that_two_are_the_same() {
        let seal = Seal::random();
        let sealed = seal.close(b"pump 7".to_vec()).unwrap();
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&sealed).unwrap();

        assert!(!bytes.windows(4).any(|part| part == b"pump"));
        assert_ne!(seal.close(b"pump 7".to_vec()).unwrap(), sealed);
    }

    #[test]
    fn what_was_altered_or_cut_anywhere_is_not_opened() {
        let seal = Seal::random();
        let sealed = seal.close(b"pump 7".to_vec()).unwrap();
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        for index in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[index] ^= 1;
            assert!(seal.open(&BASE64_URL_SAFE_NO_PAD.encode(altered)).is_none(), "{index}");
            assert!(seal.open(&BASE64_URL_SAFE_NO_PAD.encode(&bytes[..index])).is_none());
        }
        for nonsense in ["", "é", "=", "pump 7", &format!("{sealed}=")] {
            assert!(seal.open(nonsense).is_none(), "{nonsense}");
        }
    }
}
