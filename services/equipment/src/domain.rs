//! What the service knows, and its rules. No I/O, no wire types.

pub mod equipment;
pub mod status_interval;
