//! How many connections one address holds.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The addresses that hold connections. A whole site may sit behind one, so there is a limit for those who want it.
#[derive(Clone)]
pub struct Addresses {
    limit: Option<usize>,
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection of an address, for as long as this lives.
pub struct Held {
    address: IpAddr,
    addresses: Addresses,
}

impl Addresses {
    pub fn new(limit: Option<usize>) -> Self {
        Self { limit, held: Arc::default() }
    }

    /// One connection more for `address`, unless it holds as many as it may.
    pub fn hold(&self, address: IpAddr) -> Option<Held> {
        let mut held = self.lock();
        let count = held.get(&address).copied().unwrap_or_default();
        if self.limit.is_some_and(|limit| limit <= count) {
            return None;
        }
        held.insert(address, count + 1);
        Some(Held { address, addresses: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.addresses.lock();
        if let Some(count) = held.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn an_address_holds_no_more_than_its_limit_and_leaves_nothing_behind() {
        let addresses = Addresses::new(Some(2));
        let (first, second) = (addresses.hold(ONE), addresses.hold(ONE));
        assert!(first.is_some() && second.is_some());
        assert!(addresses.hold(ONE).is_none());
        assert!(addresses.hold(OTHER).is_some());

        drop(first);
        assert!(addresses.hold(ONE).is_some());

        drop(second);
        assert!(addresses.lock().is_empty());
    }

    #[test]
    fn without_a_limit_an_address_holds_any_number() {
        let addresses = Addresses::new(None);
        let held = (0..10_000).map(|_| addresses.hold(ONE)).collect::<Vec<_>>();
        assert!(held.iter().all(Option::is_some));
    }
}
