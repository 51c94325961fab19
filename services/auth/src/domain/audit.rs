//! The audit trail: who did what to whom.

use std::{collections::BTreeMap, fmt::Display};

use kit::{Caller, Timestamp};

kit::id!(
    /// Names one event, for ever.
    EventId
);

kit::names! {
    /// What was done.
    pub enum Kind {
        /// Somebody logged in.
        SessionCreated = "session.created",
        /// Somebody logged out, ended a session elsewhere, or did what ends sessions: then `cause` says what.
        SessionEnded = "session.ended",
        /// A spent refresh token came back, and its session ended.
        TokenReused = "session.token_reused",
        /// A password was looked at and lets nobody in, at a log-in or where somebody changes theirs.
        PasswordWrong = "password.wrong",
        /// Passwords came too soon after one another, and were not looked at.
        PasswordThrottled = "password.throttled",
        /// Somebody gave a wrong secret in the name of a part of the suite.
        ServiceRefused = "service.refused",
        /// Somebody made an account for themselves.
        UserRegistered = "user.registered",
        /// An admin made an account.
        UserCreated = "user.created",
        /// A profile or role was changed.
        UserUpdated = "user.updated",
        /// An account was deleted.
        UserDeleted = "user.deleted",
        /// Somebody chose a new password.
        PasswordChanged = "user.password_changed",
        /// An admin made a token for a new password.
        ResetStarted = "user.password_reset_started",
        /// Such a token was used.
        PasswordReset = "user.password_reset",
        /// An admin made a key for a machine.
        KeyCreated = "key.created",
        /// An admin deleted one.
        KeyDeleted = "key.deleted",
    }
}

/// Something that somebody did.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Event {
    pub id: EventId,
    pub at: Timestamp,
    pub actor: String,
    pub kind: Kind,
    pub resource: String,
    /// Where they called from, if it is known; else empty.
    pub address: String,
    #[sqlx(try_from = "String")]
    pub details: Details,
}

impl Event {
    /// What `caller` does to `resource`.
    pub fn new(caller: &Caller, kind: Kind, resource: String, now: Timestamp) -> Self {
        Self {
            id: EventId::new(),
            at: now,
            actor: caller.id.clone(),
            kind,
            resource,
            address: caller.address.clone(),
            details: Details::default(),
        }
    }

    /// What the command line, which whoever runs the service holds, does to `resource`.
    pub fn by_command(kind: Kind, resource: String, now: Timestamp) -> Self {
        Self {
            id: EventId::new(),
            at: now,
            actor: "command".to_owned(),
            kind,
            resource,
            address: String::new(),
            details: Details::default(),
        }
    }

    /// What this one did beside, to `resource`.
    #[must_use]
    pub fn entails(&self, kind: Kind, resource: String) -> Self {
        let event = Self {
            id: EventId::new(),
            kind,
            resource,
            details: Details::default(),
            ..self.clone()
        };
        event.with("cause", self.kind.name())
    }

    /// Done by `actor`, who proved it otherwise than by an access token.
    #[must_use]
    pub fn by(mut self, actor: impl Display) -> Self {
        self.actor = format!("{actor}");
        self
    }

    /// Adds what is worth knowing. Never a secret.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Display) -> Self {
        self.details.0.insert(key.to_owned(), format!("{value}"));
        self
    }
}

/// More about an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details(pub BTreeMap<String, String>);

impl Details {
    /// As the database has it.
    pub fn to_json(&self) -> String {
        // Strings to strings: nothing in it can fail to be written.
        serde_json::to_string(&self.0).unwrap_or_default()
    }
}

impl TryFrom<String> for Details {
    type Error = serde_json::Error;

    fn try_from(json: String) -> Result<Self, serde_json::Error> {
        serde_json::from_str(&json).map(Self)
    }
}
