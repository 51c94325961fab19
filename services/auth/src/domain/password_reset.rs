//! Tokens with which people set a new password.

use std::time::Duration;

use kit::{Result, Timestamp, access::Role};

use super::{secret::Secret, user::UserId};

/// How long one is good.
const LIFE: Duration = Duration::from_hours(1);

/// What is kept of a token. A person has at most one.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct PasswordReset {
    /// Whose password it sets.
    pub user_id: UserId,
    pub hash: ResetHash,
    /// The admin who made it.
    pub created_by: UserId,
    pub expires_at: Timestamp,
}

impl PasswordReset {
    /// A new token for `user_id`, and what is kept of it.
    pub fn new(user_id: UserId, created_by: UserId, now: Timestamp) -> Result<(Secret, Self)> {
        let token = Secret::random()?;
        let (hash, expires_at) = (ResetHash::of(&token), now.plus(LIFE));
        Ok((token, Self { user_id, hash, created_by, expires_at }))
    }

    /// Whether it sets a password at `now`, while who made it has the role `creator`, or has gone.
    pub fn is_good(&self, creator: Option<Role>, now: Timestamp) -> bool {
        now < self.expires_at && creator == Some(Role::Admin)
    }
}

/// SHA-256 of a token. It is random: a plain hash can't be guessed back.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct ResetHash(String);

impl ResetHash {
    pub fn of(token: &Secret) -> Self {
        Self(token.hash())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_an_hour_and_while_who_made_it_is_an_admin() {
        let now = Timestamp::from_micros(1_767_323_045_000_000);
        let (token, reset) = PasswordReset::new(UserId::new(), UserId::new(), now).unwrap();
        let last = now.plus(LIFE).minus(Duration::from_micros(1));

        assert_eq!(reset.hash, ResetHash::of(&token));
        assert!(reset.is_good(Some(Role::Admin), last));
        assert!(!reset.is_good(Some(Role::Admin), now.plus(LIFE)));
        assert!(!reset.is_good(Some(Role::Technician), now));
        assert!(!reset.is_good(None, now));
    }
}
