//! SQL, and nothing else. Functions take a connection, so that the caller picks the transaction.

pub mod alert;
pub mod journal;
pub mod reading;
pub mod rule;
