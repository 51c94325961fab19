//! Ports that are known before anybody listens on them.

use std::net::{Ipv4Addr, TcpListener};

use uuid::Uuid;

/// A port of this machine that is free: for whom others must know before it starts. It lies below those that the system
/// hands out by itself, so that nobody else gets it meanwhile.
///
/// # Panics
///
/// None is free.
#[must_use]
pub fn free_port() -> u16 {
    let random = |_| u16::try_from(10_000 + Uuid::now_v7().as_u128() % 20_000).unwrap();
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (0..1000).map(random).find(is_free).unwrap()
}
