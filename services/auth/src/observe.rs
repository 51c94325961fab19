//! What the metrics are told of sessions.

use kit::db::Tx;
use metrics::counter;

use crate::domain::audit;

/// What becomes of a session.
#[derive(Clone, Copy)]
pub enum Event {
    /// Somebody logged in.
    Begun,
    /// Its refresh token was spent, and the next one given.
    Refreshed,
    /// Its owner ended it.
    LoggedOut,
    /// A spent refresh token came back.
    Reused,
    /// Its owner has a new password.
    Password,
    /// Its owner is gone.
    Deleted,
    /// Its owner had one too many.
    Crowded,
    /// It was too old, or idle for too long.
    Expired,
}

impl Event {
    const ALL: [Self; 8] = [
        Self::Begun,
        Self::Refreshed,
        Self::LoggedOut,
        Self::Reused,
        Self::Password,
        Self::Deleted,
        Self::Crowded,
        Self::Expired,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Refreshed => "refreshed",
            Self::LoggedOut => "logged_out",
            Self::Reused => "token_reused",
            Self::Password => "password_changed",
            Self::Deleted => "user_deleted",
            Self::Crowded => "too_many",
            Self::Expired => "expired",
        }
    }

    /// The end of all sessions of somebody to whom that was done.
    pub fn of(cause: &audit::Event) -> Self {
        match cause.kind {
            audit::Kind::UserDeleted => Self::Deleted,
            _ => Self::Password,
        }
    }

    /// Notes that it happens to so many sessions in the transaction.
    pub fn note(self, tx: &mut Tx, sessions: usize) {
        let sessions = u64::try_from(sessions).unwrap_or(u64::MAX);
        tx.count("flightline_sessions_total", ("event", self.name()), sessions);
    }
}

/// Tells what has not happened yet as 0, so that its first time shows.
pub fn start() {
    for event in Event::ALL {
        counter!("flightline_sessions_total", "event" => event.name()).increment(0);
    }
}
