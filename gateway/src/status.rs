//! What a gRPC status says over HTTP.

use std::error::Error;

use http::StatusCode;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::problem::{FieldError, Problem, sentence};

/// The problem that `status` is. `rename` turns the path of a field of the gRPC request into what the HTTP client
/// called it.
pub fn problem(status: &Status, rename: impl Fn(&str) -> String) -> Problem {
    if status.source().is_some() {
        // It did not come from the service: the call never got through, or its answer broke off.
        return if status.code() == Code::Cancelled { too_slow() } else { unreachable() };
    }
    let http = http_status(status.code());
    if http == StatusCode::INTERNAL_SERVER_ERROR {
        return Problem::internal();
    }

    let mut problem = Problem::new(http, reason(status.code()), status.message());
    if let Some(info) = status.get_details_error_info() {
        problem.reason = info.reason;
        problem.metadata = info.metadata.into_iter().collect();
    }
    if let Some(delay) = status.get_details_retry_info().and_then(|info| info.retry_delay) {
        // Whole seconds only, and never sooner than asked.
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() != 0);
        problem.retry_after(seconds);
    }
    if let Some(bad_request) = status.get_details_bad_request() {
        let error = |violation: tonic_types::FieldViolation| FieldError {
            field: rename(&violation.field),
            message: violation.description,
        };
        problem.errors = bad_request.field_violations.into_iter().map(error).collect();
    }
    if !problem.errors.is_empty() {
        problem.detail = sentence(&problem.errors);
    }
    problem
}

/// No answer from the service in time.
pub fn too_slow() -> Problem {
    let detail = "the call took too long";
    Problem::new(StatusCode::GATEWAY_TIMEOUT, "TIMED_OUT", detail)
}

/// No answer from the service.
pub fn unreachable() -> Problem {
    let detail = "a part of the system cannot be reached";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", detail)
}

/// A stream is cut short, because its connection or this process ends.
pub fn ending() -> Problem {
    let detail = "the gateway ends; go on at another, or here again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", detail)
}

/// Whether the log should hold what the client is not told.
pub fn is_fault(status: &Status) -> bool {
    status.source().is_some() || http_status(status.code()) == StatusCode::INTERNAL_SERVER_ERROR
}

fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::Aborted | Code::AlreadyExists | Code::FailedPrecondition => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        // A client that cancels reads no answer: for one that does, time ran out.
        Code::DeadlineExceeded | Code::Cancelled => StatusCode::GATEWAY_TIMEOUT,
        // No service says that something is out of range; tonic does, of an answer that is too long.
        Code::Internal | Code::Unknown | Code::DataLoss | Code::OutOfRange => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

/// What kit's errors call it, for a status that gives no reason of its own.
fn reason(code: Code) -> &'static str {
    match code {
        Code::InvalidArgument => "INVALID_FIELD",
        Code::Unauthenticated => "UNAUTHENTICATED",
        Code::PermissionDenied => "FORBIDDEN",
        Code::NotFound => "NOT_FOUND",
        Code::Aborted => "STALE",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::FailedPrecondition => "REFUSED",
        Code::ResourceExhausted => "EXHAUSTED",
        Code::Unimplemented => "NO_METHOD",
        Code::Unavailable => "UNAVAILABLE",
        Code::DeadlineExceeded | Code::Cancelled => "TIMED_OUT",
        Code::Ok | Code::Internal | Code::Unknown | Code::DataLoss | Code::OutOfRange => "INTERNAL",
    }
}
