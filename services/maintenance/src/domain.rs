//! What the service knows, and its rules. No I/O, no wire types.

pub mod comment;
pub mod equipment;
pub mod maintenance;
pub mod service_life;
pub mod task;
pub mod task_event;
pub mod timeline;
