//! SQL, and nothing else. Functions take a connection, so that the caller picks the transaction.

pub mod comment;
pub mod maintenance;
pub mod service_life;
pub mod task;
pub mod task_event;
