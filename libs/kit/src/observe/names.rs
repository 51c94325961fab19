use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Says what every metric of the suite means.
pub fn describe() {
    for (name, meaning) in COUNTERS {
        describe_counter!(*name, *meaning);
    }
    for (name, meaning) in GAUGES {
        describe_gauge!(*name, *meaning);
    }
    for (name, meaning) in TIMES {
        describe_histogram!(*name, Unit::Seconds, *meaning);
    }
    for (name, meaning) in SIZES {
        describe_histogram!(*name, Unit::Count, *meaning);
    }
}

/// The names and meanings of all metrics.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    COUNTERS.iter().chain(GAUGES).chain(TIMES).chain(SIZES).copied()
}

/// Names and meanings of what only grows.
const COUNTERS: &[(&str, &str)] = &[
    ("flightline_alert_tasks_total", "Tasks that alerts asked for, by what came of it"),
    (
        "flightline_alerts_total",
        "Alerts that were raised, cleared, or removed as never having been",
    ),
    ("flightline_grpc_calls_total", "Calls by method and status code"),
    ("flightline_http_requests_total", "Requests at the gateway by route, method and status"),
    ("flightline_ingest_values_total", "Values of readings by what came of them"),
    ("flightline_password_hashes_total", "Passwords that were hashed or checked"),
    (
        "flightline_sessions_total",
        "Sessions that were begun, refreshed, or ended, by what ended them",
    ),
    ("flightline_transactions_total", "Transactions by database, purpose and outcome"),
];

/// Names and meanings of what goes up and down.
const GAUGES: &[(&str, &str)] = &[
    (
        "flightline_alerts_open",
        "Alerts that are not cleared, by severity, as the database has them",
    ),
    (
        "flightline_consumer_lag_seconds",
        "Age of the oldest change that a consumer has not dealt with",
    ),
    ("flightline_grpc_calls_in_progress", "Calls that have no answer yet"),
    ("flightline_database_up", "1 while the database answers"),
    ("flightline_database_connections", "Connections of the pool, idle and in use"),
    ("flightline_ingest_waiting_values", "Values of calls and of streams that wait to be written"),
    ("flightline_session_beat_timestamp_seconds", "When auth was last heard, since the epoch"),
];

/// Names and meanings of times.
const TIMES: &[(&str, &str)] = &[
    ("flightline_grpc_call_seconds", "Time from a call's arrival to the beginning of its answer"),
    ("flightline_http_request_seconds", "Time from a request's head to the head of its answer"),
    ("flightline_transaction_seconds", "Time from a transaction's begin to its end"),
    ("flightline_transaction_wait_seconds", "Time that a transaction waited for its connection"),
];

/// Names and meanings of sizes.
const SIZES: &[(&str, &str)] =
    &[("flightline_ingest_group_values", "Values that one transaction writes")];
