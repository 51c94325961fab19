use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Says what every metric of the suite means.
pub fn describe() {
    for (name, meaning) in COUNTERS {
        describe_counter!(*name, *meaning);
    }
    for (name, meaning) in GAUGES {
        describe_gauge!(*name, *meaning);
    }
    for (name, meaning) in HISTOGRAMS {
        describe_histogram!(*name, Unit::Seconds, *meaning);
    }
}

/// The names and meanings of all metrics.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    COUNTERS.iter().chain(GAUGES).chain(HISTOGRAMS).copied()
}

/// Names and meanings of what only grows.
const COUNTERS: &[(&str, &str)] = &[
    ("flightline_grpc_calls_total", "Calls by method and status code"),
    ("flightline_http_requests_total", "Requests at the gateway by route, method and status"),
    ("flightline_password_hashes_total", "Passwords that were hashed or checked"),
    ("flightline_transactions_total", "Transactions by database, purpose and outcome"),
];

/// Names and meanings of what goes up and down.
const GAUGES: &[(&str, &str)] = &[
    ("flightline_grpc_calls_in_progress", "Calls that have no answer yet"),
    ("flightline_database_up", "1 while the database answers"),
    ("flightline_database_connections", "Connections of the pool, idle and in use"),
];

/// Names and meanings of times.
const HISTOGRAMS: &[(&str, &str)] = &[
    ("flightline_grpc_call_seconds", "Time from a call's arrival to the beginning of its answer"),
    ("flightline_http_request_seconds", "Time from a request's head to the head of its answer"),
    ("flightline_transaction_seconds", "Time from a transaction's begin to its end"),
    ("flightline_transaction_wait_seconds", "Time that a transaction waited for its connection"),
];
