//! SQL, and nothing else. Functions take a connection, so that the caller picks the transaction.

pub mod equipment;
pub mod status_interval;
