//! Tells the metrics of one call.

use std::time::Instant;

use http::Response;
use metrics::{counter, gauge, histogram};
use tonic::{Code, body::Body};

/// One call in progress. Dropped without an end, its caller has gone.
pub struct Measure {
    method: &'static str,
    began: Instant,
    code: &'static str,
}

impl Measure {
    /// A call that has just come.
    pub fn begin(method: &'static str) -> Self {
        gauge!("flightline_grpc_calls_in_progress").increment(1);
        Self { method, began: Instant::now(), code: "CANCELLED" }
    }

    /// Its answer begins. What ends a stream later is not known here.
    pub fn end(mut self, response: &Response<Body>) {
        let status = response.headers().get("grpc-status");
        self.code = status.map_or("OK", |status| name(Code::from_bytes(status.as_bytes())));
    }
}

impl Drop for Measure {
    fn drop(&mut self) {
        let Self { method, began, code } = *self;
        gauge!("flightline_grpc_calls_in_progress").decrement(1);
        counter!("flightline_grpc_calls_total", "method" => method, "code" => code).increment(1);
        histogram!("flightline_grpc_call_seconds", "method" => method).record(began.elapsed());
    }
}

/// As the gRPC specification writes it.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
