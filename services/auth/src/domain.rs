//! What the service knows, and its rules. No I/O, no wire types.

pub mod audit;
pub mod equipment;
pub mod guess;
pub mod key;
pub mod password;
pub mod password_reset;
pub mod secret;
pub mod session;
pub mod signing_key;
pub mod token;
pub mod user;
