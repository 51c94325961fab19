//! The gateway from outside: HTTP in, and what reaches the services and comes back.
#![expect(clippy::unwrap_used, reason = "what a test does not expect should stop it")]

mod answer;
mod body;
mod condition;
mod conventions;
mod cors;
mod design;
mod edge;
mod encoding;
mod example;
mod garbage;
mod grpc;
mod hold;
mod items;
mod log;
mod neighbour;
mod openapi;
mod pages;
mod problem;
mod protos;
mod public;
mod query;
mod routes;
mod start;
mod stream;
mod swagger;
mod world;
