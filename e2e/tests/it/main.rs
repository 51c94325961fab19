//! The suite from outside.
#![expect(clippy::unwrap_used, reason = "what a test doesn't expect should stop it")]

mod access;
mod address;
mod canary;
mod clients;
mod contract;
mod data;
mod earshot;
mod errors;
mod first_loop;
mod forged;
mod grpcurl;
mod history;
mod life;
mod load;
mod mask;
mod once;
mod openapi;
mod readme;
mod refresh;
mod rest;
mod rolling;
mod session;
mod site;
mod storm;
mod stream;
mod ticket;
mod walk;
