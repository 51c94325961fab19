//! The one error type that crosses an RPC boundary.

mod constraint;
mod problems;

use std::{collections::HashMap, fmt::Display, time::Duration};

pub use constraint::OnConstraint;
pub use problems::Problems;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

/// The result of anything a caller may be told about.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where our reasons come from, as `google.rpc.ErrorInfo` wants it.
const DOMAIN: &str = "flightline";

/// When to try again what was more than a service could take: a queue that is full empties in less.
const RETRY: Duration = Duration::from_secs(1);

/// Why a call failed, in the words that the caller may see.
///
/// A small subset of gRPC's codes on purpose: add a variant only when some caller acts on it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field of the request breaks a rule.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field's path, as the `.proto` names it: `task.equipment_id`.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Several fields do; each stands beside what is wrong with it, as in [`Invalid`](Self::Invalid).
    #[error("{}", sentence(.0))]
    InvalidFields(Vec<(String, String)>),
    /// The message is none of the method's, or larger than it may be.
    #[error("the message cannot be read: {0}")]
    Unreadable(String),
    /// No such thing, or none that this caller may see.
    #[error("no {kind} {id}")]
    NotFound {
        /// What was looked for.
        kind: &'static str,
        /// Its id, as the caller gave it.
        id: String,
    },
    /// It is there already.
    #[error("{0}")]
    AlreadyExists(&'static str),
    /// A value that one thing alone may have is another's.
    #[error("{message}")]
    Taken {
        /// The field of the resource that has it: `serial_number`.
        field: &'static str,
        /// For people.
        message: &'static str,
    },
    /// The request is well formed, but the state of things forbids it.
    #[error("{message}")]
    Refused {
        /// For programs: `TASK_HELD`.
        reason: &'static str,
        /// For people.
        message: String,
        /// What a program needs to go on: `holder_id`.
        metadata: HashMap<String, String>,
    },
    /// The caller has not proved who they are.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// The caller may not do this.
    #[error("{0}")]
    Forbidden(&'static str),
    /// More than the service can take now. A retry later may work.
    #[error("{0}")]
    Exhausted(&'static str),
    /// Somebody else changed the thing since the caller read it.
    #[error("{0}")]
    Stale(&'static str),
    /// Too often. A retry may work once the time has passed.
    #[error("{message}")]
    TooSoon {
        /// For people.
        message: &'static str,
        /// How long to wait.
        retry_after: Duration,
    },
    /// There is no such method.
    #[error("no such method")]
    NoMethod,
    /// The caller's time, or the longest that any call may take, was over.
    #[error("the call took too long")]
    TimedOut,
    /// Something that the service needs is away. A retry later may work.
    #[error("{0}")]
    Unavailable(&'static str),
    /// What another service answered to a call made in this caller's name.
    #[error("{}", .0.message())]
    Upstream(Box<Status>),
    /// Our fault. The cause is for the log alone.
    #[error("internal error")]
    Internal(#[from] anyhow::Error),
}

impl Error {
    /// The field at `field` breaks a rule.
    pub fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), problem: problem.into() }
    }

    /// There is no `kind` with this `id`.
    pub fn not_found(kind: &'static str, id: impl Display) -> Self {
        Self::NotFound { kind, id: format!("{id}") }
    }

    /// What tonic says of a message that it was sent: that it can't be read is the sender's fault, and tonic calls it ours.
    pub fn unread(status: Status) -> Self {
        match status.code() {
            Code::Internal | Code::OutOfRange => Self::Unreadable(status.message().to_owned()),
            _ => Self::Upstream(Box::new(status)),
        }
    }

    /// The state of things forbids it.
    pub fn refused(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Refused { reason, message: message.into(), metadata: HashMap::new() }
    }

    /// Adds what a program needs to go on, to a refusal.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Display) -> Self {
        if let Self::Refused { metadata, .. } = &mut self {
            metadata.insert(key.to_owned(), format!("{value}"));
        }
        self
    }

    /// As gRPC has it.
    pub fn code(&self) -> Code {
        match self {
            Self::Invalid { .. } | Self::InvalidFields(_) | Self::Unreadable(_) => {
                Code::InvalidArgument
            }
            Self::NotFound { .. } => Code::NotFound,
            Self::AlreadyExists(_) | Self::Taken { .. } => Code::AlreadyExists,
            Self::Refused { .. } => Code::FailedPrecondition,
            Self::Unauthenticated(_) => Code::Unauthenticated,
            Self::Forbidden(_) => Code::PermissionDenied,
            Self::Exhausted(_) | Self::TooSoon { .. } => Code::ResourceExhausted,
            Self::Stale(_) => Code::Aborted,
            Self::NoMethod => Code::Unimplemented,
            Self::TimedOut => Code::DeadlineExceeded,
            Self::Unavailable(_) => Code::Unavailable,
            Self::Upstream(status) => status.code(),
            Self::Internal(_) => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid { .. } | Self::InvalidFields(_) => "INVALID_FIELD",
            Self::Unreadable(_) => "UNREADABLE",
            Self::NotFound { .. } => "NOT_FOUND",
            Self::AlreadyExists(_) | Self::Taken { .. } => "ALREADY_EXISTS",
            Self::Refused { reason, .. } => reason,
            Self::Unauthenticated(_) => "UNAUTHENTICATED",
            Self::Forbidden(_) => "FORBIDDEN",
            Self::Exhausted(_) => "EXHAUSTED",
            Self::NoMethod => "NO_METHOD",
            Self::TimedOut => "TIMED_OUT",
            Self::Stale(_) => "STALE",
            Self::TooSoon { .. } => "TOO_SOON",
            Self::Unavailable(_) | Self::Upstream(_) => "UNAVAILABLE",
            Self::Internal(_) => "INTERNAL",
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        if let Error::Upstream(status) = error {
            return *status;
        }
        if let Error::Internal(cause) = &error {
            tracing::error!(error = causes(cause), "request failed");
        }
        let (code, reason, message) = (error.code(), error.reason(), error.to_string());
        let mut details = ErrorDetails::new();
        match error {
            Error::Invalid { field, problem } => {
                details.set_bad_request(vec![FieldViolation::new(field, problem)]);
                details.set_error_info(reason, DOMAIN, HashMap::new());
            }
            Error::InvalidFields(fields) => {
                let violation = |(field, problem)| FieldViolation::new(field, problem);
                details.set_bad_request(fields.into_iter().map(violation).collect::<Vec<_>>());
                details.set_error_info(reason, DOMAIN, HashMap::new());
            }
            Error::Taken { field, .. } => {
                let metadata = HashMap::from([("field".to_owned(), field.to_owned())]);
                details.set_error_info(reason, DOMAIN, metadata);
            }
            Error::Refused { metadata, .. } => {
                details.set_error_info(reason, DOMAIN, metadata);
            }
            Error::TooSoon { retry_after, .. } => {
                details.set_retry_info(Some(retry_after));
                details.set_error_info(reason, DOMAIN, HashMap::new());
            }
            Error::Exhausted(_) => {
                details.set_retry_info(Some(RETRY));
                details.set_error_info(reason, DOMAIN, HashMap::new());
            }
            _ => {
                details.set_error_info(reason, DOMAIN, HashMap::new());
            }
        }
        Status::with_error_details(code, message, details)
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        match status.code() {
            // What another service could not say, or this one not read, is no fault of the caller's. With details it was logged where
            // it arose.
            Code::Internal if status.details().is_empty() => Self::Internal(status.into()),
            _ => Self::Upstream(Box::new(status)),
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as Sqlx;
        let code = match &error {
            Sqlx::PoolTimedOut
            | Sqlx::PoolClosed
            | Sqlx::WorkerCrashed
            | Sqlx::Io(_)
            | Sqlx::Tls(_) => None,
            Sqlx::Database(database) => Some(database.code().unwrap_or_default().into_owned()),
            _ => return Self::Internal(error.into()),
        };
        tracing::warn!(error = %error, "storage did not answer");
        match code.as_deref() {
            // SQLite FULL; PostgreSQL disk full.
            Some("13" | "53100") => Self::Unavailable("storage is full"),
            // SQLite BUSY, LOCKED and kin; PostgreSQL serialization, deadlock, lock and statement timeouts.
            Some("5" | "6" | "261" | "517" | "40001" | "40P01" | "55P03" | "57014") => {
                Self::Unavailable("storage is busy")
            }
            None => Self::Unavailable("storage is away"),
            Some(code) if is_away(code) => Self::Unavailable("storage is away"),
            Some(_) => Self::Internal(error.into()),
        }
    }
}

/// Whether PostgreSQL lets nobody in with this code: the connection broke, it knows no such user or password, it takes no more
/// connections or none to this database, or there is none; it is starting or shutting down.
fn is_away(code: &str) -> bool {
    // SQLite's codes are shorter.
    let is_of = |class: &&str| code.len() == 5 && code.starts_with(*class);
    ["08", "28", "57P"].iter().any(is_of) || ["3D000", "53300", "55000"].contains(&code)
}

/// An error and what caused it, in one line. What an error says of its cause already isn't said again.
pub fn causes(error: &anyhow::Error) -> String {
    let mut said: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        if said.last().is_none_or(|last| !last.contains(&cause)) {
            said.push(cause);
        }
    }
    said.join(": ")
}

fn sentence(fields: &[(String, String)]) -> String {
    let said: Vec<_> =
        fields.iter().map(|(field, problem)| format!("{field}: {problem}")).collect();
    said.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_internal_cause_is_never_told_to_the_caller() {
        let status = Status::from(Error::Internal(anyhow::anyhow!("password is hunter2")));
        assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
    }

    #[test]
    fn a_cause_is_said_once() {
        let refused = sqlx::Error::Io(std::io::Error::other("refused"));
        let error = anyhow::Error::new(refused).context("can't reach the database server");

        let said = "can't reach the database server: error communicating with database: refused";
        assert_eq!(causes(&error), said);
    }

    #[test]
    fn what_is_too_much_now_says_when_to_try_again() {
        let status = Status::from(Error::Exhausted("too many readings are waiting"));
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(RETRY));
    }

    #[test]
    fn what_is_taken_is_named() {
        let error = Error::Taken { field: "serial_number", message: "serial_number is taken" };
        let status = Status::from(error);
        assert_eq!(status.code(), Code::AlreadyExists);
        assert_eq!(status.get_details_error_info().unwrap().metadata["field"], "serial_number");
    }

    #[test]
    fn a_refusal_carries_what_a_program_needs() {
        let error = Error::refused("TASK_HELD", "Ana holds it").with("holder_id", "7");
        let status = Status::from(error);

        let info = status.get_details_error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("TASK_HELD", "flightline"));
        assert_eq!(info.metadata["holder_id"], "7");
    }
}
