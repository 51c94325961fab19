//! The keys that access tokens are signed with.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use kit::{Result, Timestamp};

use super::secret::{Secret, encode};

kit::id!(
    /// Names one key, in the header of every token that it signed.
    KeyId
);

/// An Ed25519 key pair.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SigningKey {
    pub id: KeyId,
    /// PKCS#8, base64url.
    pub private: Secret,
    /// `x` of the JSON Web Key.
    pub public: String,
    pub created_at: Timestamp,
}

impl SigningKey {
    pub fn generate(now: Timestamp) -> Result<Self> {
        let pair = Ed25519KeyPair::generate().map_err(anyhow::Error::from)?;
        let private = pair.to_pkcs8v1().map_err(anyhow::Error::from)?;
        Ok(Self {
            id: KeyId::new(),
            private: encode(private.as_ref()).into(),
            public: encode(pair.public_key().as_ref()),
            created_at: now,
        })
    }
}
