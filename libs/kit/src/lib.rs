//! What every service needs that is not about its domain.
//!
//! | module | what it gives |
//! | --- | --- |
//! | [`error`] | the one error type, mapped to a gRPC status in one place |
//! | [`id!`], [`names!`], [`time`], [`mod@page`], [`order`], [`mask`], [`etag`] | values: ids, enums, times, pages, in which order, what an update changes, and of which state |
//! | [`call`], [`access`], [`token`], [`session`] | who calls, what they may call, how they prove it, and until when |
//! | [`db`], [`changes`], [`once`], [`search`], [`seal`] | storage on both engines, the change log, idempotency keys, search in text, what only the service can read |
//! | [`databases`], [`health`] | whether the databases of the process answer, and who is told |
//! | [`peer`], [`suite`], [`codec`] | the other services, what a service is started with, and messages as bytes |
//! | [`tls`] | how the ends of a connection know each other, and nobody else hears them |
//! | [`stack`], [`process`], [`carried`], [`request_id`], [`observe`], [`trace`] | the layers around every service, the process around them, answers that go on until it ends, the name of a request in its logs, and what the process tells of itself |

pub mod access;
pub mod call;
pub mod carried;
pub mod changes;
pub mod codec;
pub mod databases;
pub mod db;
pub mod error;
pub mod etag;
pub mod forwarded;
#[cfg(test)]
mod fuzz;
pub mod health;
pub mod id;
pub mod mask;
pub mod names;
pub mod observe;
pub mod once;
pub mod order;
pub mod page;
pub mod peer;
pub mod process;
pub mod request_id;
pub mod seal;
pub mod search;
pub mod session;
pub mod stack;
pub mod suite;
pub mod time;
pub mod tls;
pub mod token;
pub mod trace;

pub use call::{Call, Caller};
pub use db::Db;
pub use error::{Error, Result};
pub use page::Page;
pub use suite::Suite;
pub use time::{Clock, Timestamp};

#[doc(hidden)]
pub use {serde, sqlx, uuid};
