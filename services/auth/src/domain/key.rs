//! Keys that machines hold.

use kit::{Result, Timestamp, session::KEY_PREFIX};

use super::{audit::Event, equipment::EquipmentId, secret::Secret};

kit::id!(
    /// Names one key, for ever.
    KeyId
);

/// A machine's key.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Key {
    pub id: KeyId,
    /// What people call it.
    pub name: String,
    pub hash: KeyHash,
    /// The equipment that it may send data of.
    #[sqlx(skip)]
    pub equipment_ids: Vec<EquipmentId>,
    /// The admin who made it.
    pub created_by: String,
    pub created_at: Timestamp,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
    /// Once set, it stays.
    pub deleted_at: Option<Timestamp>,
}

impl Key {
    /// Whether it is good for anything.
    pub fn works(&self, now: Timestamp) -> bool {
        self.deleted_at.is_none() && self.expires_at.is_none_or(|at| now < at)
    }

    /// Tells the audit trail what it is good for, and until when: once it is deleted, nobody else knows.
    pub fn described(&self, event: Event) -> Event {
        let equipment_ids: Vec<_> = self.equipment_ids.iter().map(ToString::to_string).collect();
        let event = event.with("name", &self.name).with("equipment_ids", equipment_ids.join(","));
        match self.expires_at {
            Some(at) => event.with("expires_at", at),
            None => event,
        }
    }
}

/// SHA-256 of a key's secret. It is random: a plain hash can't be guessed back.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct KeyHash(String);

impl KeyHash {
    pub fn of(secret: &Secret) -> Self {
        Self(secret.hash())
    }
}

/// A new key's secret: `fl_`, by which people and scanners know one when they see it, and 256 random bits.
pub fn new_secret() -> Result<Secret> {
    Ok(format!("{KEY_PREFIX}{}", Secret::random()?.reveal()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_767_323_045_000_000);

    #[test]
    fn a_key_works_until_it_expires_or_is_deleted() {
        let key = Key {
            id: KeyId::new(),
            name: "pump house".into(),
            hash: KeyHash::of(&"secret".into()),
            equipment_ids: Vec::new(),
            created_by: String::new(),
            created_at: NOW,
            expires_at: None,
            deleted_at: None,
        };
        assert!(key.works(NOW));
        assert!(!Key { expires_at: Some(NOW), ..key.clone() }.works(NOW));
        assert!(!Key { deleted_at: Some(NOW), ..key }.works(NOW));
    }

    #[test]
    fn a_secret_is_known_by_its_prefix() {
        let secret = new_secret().unwrap();
        assert_eq!((&secret.reveal()[..3], secret.reveal().len()), ("fl_", 46));
    }
}
