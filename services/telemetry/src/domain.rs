//! What the service knows, and its rules. No I/O, no wire types.

pub mod alert;
pub mod chunk;
pub mod course;
pub mod journal;
pub mod reading;
pub mod replay;
pub mod retention;
pub mod rule;
pub mod series;
pub mod tail;
pub mod tally;
