//! SQL and, for readings, the union with what is not in tables yet. Functions take a connection, so that the caller picks the transaction.

pub mod alert;
pub mod chunk;
pub mod journal;
pub mod reading;
pub mod rule;
pub mod sample;
pub mod series;
