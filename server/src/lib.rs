//! The binary `flightline` as a library: the whole suite in one process or one part of it, its administration, import
//! and demo.
//!
//! [`Running::start`] is what `flightline serve` calls, and whatever else needs a suite at work.

mod admin;
mod backup;
mod banner;
mod certificates;
mod cli;
mod config;
mod data;
mod demo;
mod environment;
mod export;
mod health;
mod identity;
mod import;
mod migrate;
mod moving;
mod part;
mod restore;
mod serve;
mod session;
mod sessions;
mod sheet;
#[cfg(test)]
mod testing;
mod tls;

pub use cli::{Cli, run};
pub use config::{Config, Neighbours};
pub use demo::large;
pub use part::Part;
pub use serve::Running;
pub use tls::{Profile, Tls};
