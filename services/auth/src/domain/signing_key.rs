//! The keys that access tokens are signed with. Each signs for a term; the one before and the one after are published
//! beside it, so that no token ends before its time and no verifier meets a key that it can't know.

use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use kit::{Result, Timestamp};

use super::secret::{Secret, encode};

kit::id!(
    /// Names one key, in the header of every token that it signed.
    SigningKeyId
);

/// The least time for which a key is published before it signs, however overdue it is: verifiers fetch anew meanwhile.
const NOTICE: Duration = Duration::from_mins(10);

/// An Ed25519 key pair.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SigningKey {
    pub id: SigningKeyId,
    /// PKCS#8, base64url.
    pub private: Secret,
    /// `x` of the JSON Web Key.
    pub public: String,
    pub created_at: Timestamp,
    /// When it begins to sign.
    pub active_from: Timestamp,
}

impl SigningKey {
    pub fn generate(now: Timestamp, active_from: Timestamp) -> Result<Self> {
        let pair = Ed25519KeyPair::generate().map_err(anyhow::Error::from)?;
        let private = pair.to_pkcs8v1().map_err(anyhow::Error::from)?;
        Ok(Self {
            id: SigningKeyId::new(),
            private: encode(private.as_ref()).into(),
            public: encode(pair.public_key().as_ref()),
            created_at: now,
            active_from,
        })
    }
}

/// Which of `keys`, oldest first, signs at `now`.
pub fn current(keys: &[SigningKey], now: Timestamp) -> Option<usize> {
    keys.iter().rposition(|key| key.active_from <= now)
}

/// When the key after the current one shall begin, if there is none yet.
pub fn successor_from(keys: &[SigningKey], now: Timestamp, term: Duration) -> Option<Timestamp> {
    let current = current(keys, now)?;
    let is_last = current + 1 == keys.len();
    is_last.then(|| keys[current].active_from.plus(term).max(now.plus(NOTICE)))
}

/// How many of the oldest come before the previous one: nothing that they signed is valid any more.
pub fn outdated(keys: &[SigningKey], now: Timestamp) -> usize {
    current(keys, now).unwrap_or_default().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_767_323_045_000_000);
    const DAY: Duration = Duration::from_hours(24);

    fn keys(days: &[u32]) -> Vec<SigningKey> {
        let key = |days: &u32| SigningKey::generate(START, START.plus(DAY * *days)).unwrap();
        days.iter().map(key).collect()
    }

    #[test]
    fn a_key_follows_after_a_term_and_the_last_but_one_goes() {
        let (term, start) = (30 * DAY, |days: u32| START.plus(DAY * days));
        assert_eq!(successor_from(&keys(&[0]), start(1), term), Some(start(30)));
        assert_eq!(successor_from(&keys(&[0, 30]), start(29), term), None);
        assert_eq!(successor_from(&keys(&[0, 30]), start(30), term), Some(start(60)));
        assert_eq!(outdated(&keys(&[0, 30, 60]), start(59)), 0);
        assert_eq!(outdated(&keys(&[0, 30, 60, 90]), start(60)), 1);
    }

    #[test]
    fn an_overdue_key_is_published_before_it_signs() {
        let late = START.plus(DAY * 100);
        assert_eq!(successor_from(&keys(&[0]), late, 30 * DAY), Some(late.plus(NOTICE)));
    }
}
