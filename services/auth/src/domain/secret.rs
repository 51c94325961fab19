//! What must not be seen.

use std::{convert::Infallible, fmt, str::FromStr};

use aws_lc_rs::{constant_time, digest, rand};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use kit::Result;

/// A password, token or key in clear text. Its `Debug` form shows nothing of it, so that no log ever does.
#[derive(Clone, sqlx::Type)]
#[sqlx(transparent)]
pub struct Secret(String);

impl Secret {
    /// 256 random bits, as 43 characters of base64url.
    ///
    /// # Errors
    ///
    /// The system has no randomness.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).map_err(anyhow::Error::from)?;
        Ok(encode(&bytes).into())
    }

    /// The clear text: for its owner's eyes, or to be hashed.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of one that is random: a plain hash of it can't be guessed back.
    pub fn hash(&self) -> String {
        encode(sha256(self.0.as_bytes()).as_ref())
    }

    /// Whether both are the same, in a time that tells nothing of where they differ, nor of their lengths.
    pub fn equals(&self, other: &Self) -> bool {
        let [ours, theirs] = [self, other].map(|secret| sha256(secret.0.as_bytes()));
        constant_time::verify_slices_are_equal(ours.as_ref(), theirs.as_ref()).is_ok()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

fn sha256(bytes: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, bytes)
}

/// As all our keys, tokens and hashes are written.
pub fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads what [`encode`] wrote.
pub fn decode(text: &Secret) -> Result<Vec<u8>> {
    // Not the decoder's own words: they quote what they could not read.
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.reveal());
    Ok(bytes.map_err(|_| anyhow::anyhow!("a stored secret is not base64url"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_equals_itself_alone() {
        assert!(Secret::from("abc").equals(&"abc".into()));
        for other in ["", "ab", "abd", "abcd", "ABC"] {
            assert!(!Secret::from("abc").equals(&other.into()), "{other:?}");
        }
    }

    #[test]
    fn no_two_random_secrets_are_the_same() {
        let (one, other) = (Secret::random().unwrap(), Secret::random().unwrap());
        assert_eq!(one.reveal().len(), 43);
        assert!(!one.equals(&other));
    }
}
