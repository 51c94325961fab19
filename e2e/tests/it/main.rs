//! The suite from outside.
#![expect(clippy::unwrap_used, reason = "what a test doesn't expect should stop it")]

mod access;
mod data;
mod errors;
mod first_loop;
mod grpcurl;
mod history;
mod openapi;
mod readme;
mod rest;
mod session;
mod site;
