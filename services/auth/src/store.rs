//! SQL, and nothing else. Functions take a connection, so that the caller picks the transaction.

pub mod audit;
pub mod guess;
pub mod key;
pub mod password_reset;
pub mod refresh_token;
pub mod secret;
pub mod session;
pub mod signing_key;
pub mod user;
