//! Passwords that are tried: how many, and how soon after one another.
//!
//! Each try is counted before anything is hashed, so that many at once cost no more than a few in a row. Nobody is
//! locked out for good: the longest wait is a minute. A try from a network from which the account's owner has not logged in is
//! counted twice: for that network, and for all such networks together. The waits of the latter are shorter, so that one network
//! that guesses without a pause leaves time for the owner in another.

use std::{
    collections::HashMap,
    mem,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use kit::{Error, Result, Timestamp};

const TOO_MANY_GUESSES: &str = "too many passwords were tried: wait a moment";
/// How long they are remembered after the last.
pub const MEMORY: Duration = Duration::from_hours(24);

const LONG_AGO: Timestamp = Timestamp::from_micros(0);

/// How soon tries may follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Tries that cost nothing: people mistype.
    free: i64,
    /// The longest wait between two.
    longest: Duration,
}

impl Pace {
    /// For one account from one network.
    pub const NETWORK: Self = Self { free: 5, longest: Duration::from_mins(1) };
    /// For one account from all networks where its owner has not been.
    pub const STRANGERS: Self = Self { free: 5, longest: Duration::from_secs(20) };
    /// None: counted where nobody waits, so that it takes as long.
    pub const NONE: Self = Self { free: i64::MAX, longest: Duration::ZERO };

    /// The wait after the `count`th try: none, then 1 s, 2 s, 4 s, to the longest.
    fn wait(self, count: i64) -> Duration {
        match count - self.free {
            // Any more is the longest.
            beyond @ 1..=30 => Duration::from_secs(1 << (beyond - 1)).min(self.longest),
            31.. => self.longest,
            _ => Duration::ZERO,
        }
    }
}

/// The tries for one account since the last right one, from one network or from many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Guesses {
    pub count: i64,
    pub last_at: Timestamp,
    /// No other is looked at before; long ago while nobody has to wait, so that of two at one moment, whose clocks may differ a
    /// little, each is looked at.
    pub free_at: Timestamp,
    /// Whether the audit trail knows that one came too soon after the last that was looked at.
    pub is_throttle_told: bool,
}

impl Guesses {
    /// Before the first.
    pub fn none(now: Timestamp) -> Self {
        Self { count: 0, last_at: now, free_at: LONG_AGO, is_throttle_told: false }
    }

    /// Whether the next may be looked at.
    ///
    /// # Errors
    ///
    /// Not yet.
    pub fn check(&self, now: Timestamp) -> Result<()> {
        if self.free_at <= now {
            return Ok(());
        }
        let micros = u64::try_from(self.free_at.micros() - now.micros()).unwrap_or_default();
        let retry_after = Duration::from_micros(micros);
        Err(Error::TooSoon { message: TOO_MANY_GUESSES, retry_after })
    }

    /// Counts one more.
    ///
    /// # Errors
    ///
    /// It came too soon, and is neither counted nor to be looked at.
    pub fn count(&mut self, now: Timestamp, pace: Pace) -> Result<()> {
        self.check(now)?;
        if self.last_at.plus(MEMORY) <= now {
            self.count = 0;
        }
        self.count += 1;
        self.last_at = now;
        let wait = pace.wait(self.count);
        self.free_at = if wait.is_zero() { LONG_AGO } else { now.plus(wait) };
        self.is_throttle_told = false;
        Ok(())
    }
}

/// What one address may send at once: wrong passwords, or accounts to make. A hangar has many people behind one.
const BURST: u32 = 100;
/// How soon it may send one more.
const REFILL: Duration = Duration::from_secs(1);
/// Addresses that are remembered; those that were quiet are forgotten first.
const ADDRESSES: usize = 10_000;

/// What each address may still do, at this replica.
pub struct Addresses {
    /// What whoever has nothing left is told.
    message: &'static str,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

/// A token bucket, by the time at which it is full again.
struct Bucket {
    full_at: Timestamp,
    is_throttle_told: bool,
}

/// A try that an address has not got.
#[derive(Debug)]
pub struct Throttled {
    /// What its sender is told.
    pub error: Error,
    /// Whether it is the first since the last try that was let through.
    pub is_news: bool,
}

impl Addresses {
    /// Those that try passwords: wrong ones alone are charged.
    pub fn of_guesses() -> Self {
        Self { message: TOO_MANY_GUESSES, buckets: Mutex::default() }
    }

    /// Those that parts of the deployment prove themselves from: a part that has a wrong secret tries again and again, and people
    /// who share its address log in all the same.
    pub fn of_secrets() -> Self {
        let message = "too many secrets were tried: wait a moment";
        Self { message, buckets: Mutex::default() }
    }

    /// Those that people register from: whether there was an account in it or not, each has cost a hash.
    pub fn of_registrations() -> Self {
        let message = "too many accounts were asked for: wait a moment";
        Self { message, buckets: Mutex::default() }
    }

    /// Takes one try from `address`; [`give_back`](Self::give_back) returns it when the password was right.
    ///
    /// # Errors
    ///
    /// It has none left.
    pub fn take(&self, address: &str, now: Timestamp) -> Result<(), Throttled> {
        let Some(address) = charged(address) else { return Ok(()) };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES {
            buckets.retain(|_, bucket| now < bucket.full_at);
        }
        let full_at = buckets.get(&address).map_or(now, |bucket| bucket.full_at.max(now));
        let empty_at = now.plus(REFILL * BURST);
        let next = full_at.plus(REFILL);
        if empty_at < next {
            let bucket = buckets.get_mut(&address);
            let is_told = |bucket: &mut Bucket| mem::replace(&mut bucket.is_throttle_told, true);
            return Err(Throttled {
                error: Error::TooSoon { message: self.message, retry_after: REFILL },
                is_news: !bucket.is_some_and(is_told),
            });
        }
        if buckets.len() < ADDRESSES || buckets.contains_key(&address) {
            buckets.insert(address, Bucket { full_at: next, is_throttle_told: false });
        }
        Ok(())
    }

    /// Returns a try: it was no guess.
    pub fn give_back(&self, address: &str) {
        let Some(address) = charged(address) else { return };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(&address) {
            bucket.full_at = bucket.full_at.minus(REFILL);
        }
    }
}

/// Whom an address is charged to: its network. The machine itself is not charged, since a proxy on it may speak for anybody;
/// neither is who comes from nowhere known.
fn charged(address: &str) -> Option<IpAddr> {
    network(address).filter(|network| !network.is_loopback())
}

/// What one subscriber has: an address, or in IPv6 a network, of which the smallest that is given to a household is a /56.
pub fn network(address: &str) -> Option<IpAddr> {
    let address: IpAddr = address.parse().ok()?;
    Some(match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d & 0xff00, 0, 0, 0, 0))
        }
        address => address,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_767_323_045_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    fn retry_after(error: &Error) -> Duration {
        let Error::TooSoon { retry_after, .. } = error else { panic!("{error:?}") };
        *retry_after
    }

    #[test]
    fn of_two_tries_at_one_moment_each_is_looked_at() {
        let mut guesses = Guesses::none(START.plus(SECOND));
        for _ in 0..Pace::NETWORK.free {
            guesses.count(START.plus(SECOND), Pace::NETWORK).unwrap();
            guesses.check(START).unwrap();
        }

        guesses.count(START, Pace::NETWORK).unwrap();
        guesses.check(START).unwrap_err();
    }

    #[test]
    fn the_wait_doubles_after_some_tries_to_the_longest() {
        for (pace, expected) in [
            (Pace::NETWORK, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]),
            (Pace::STRANGERS, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 20, 20, 20, 20, 20, 20]),
        ] {
            let (mut guesses, mut now) = (Guesses::none(START), START);
            let waits = [(); 16].map(|()| {
                guesses.count(now, pace).unwrap();
                let wait = guesses.check(now).err().as_ref().map_or(Duration::ZERO, retry_after);
                now = now.plus(wait);
                wait.as_secs()
            });
            assert_eq!(waits, expected);
        }
        assert_eq!(Pace::NETWORK.wait(i64::MAX), Pace::NETWORK.longest);
    }

    #[test]
    fn a_try_that_came_too_soon_makes_the_wait_no_longer() {
        let free_at = START.plus(SECOND * 60);
        let mut guesses = Guesses { count: 20, free_at, ..Guesses::none(START) };
        let before = guesses;
        for second in 0..60 {
            guesses.count(START.plus(SECOND * second), Pace::NETWORK).unwrap_err();
        }
        assert_eq!(guesses, before);
        guesses.count(START.plus(SECOND * 60), Pace::NETWORK).unwrap();
    }

    #[test]
    fn tries_are_forgotten_after_a_day() {
        let mut guesses = Guesses { count: 20, ..Guesses::none(START) };
        guesses.count(START.plus(MEMORY), Pace::NETWORK).unwrap();
        assert_eq!(guesses.count, 1);
    }

    #[test]
    fn an_address_has_a_hundred_wrong_tries_and_one_more_each_second() {
        let addresses = Addresses::of_guesses();
        for _ in 0..100 {
            addresses.take("192.0.2.1", START).unwrap();
        }
        for is_first in [true, false] {
            assert_eq!(addresses.take("192.0.2.1", START).unwrap_err().is_news, is_first);
        }
        addresses.take("192.0.2.2", START).unwrap();
        addresses.take("192.0.2.1", START.plus(SECOND)).unwrap();
        assert!(addresses.take("192.0.2.1", START.plus(SECOND)).unwrap_err().is_news);
        addresses.give_back("192.0.2.1");
        addresses.take("192.0.2.1", START.plus(SECOND)).unwrap();
    }

    #[test]
    fn one_subscriber_has_one_network_and_the_machine_itself_is_not_charged() {
        assert_eq!(charged("2001:db8::1"), charged("2001:db8:0:0:ffff::2"));
        assert_eq!(charged("2001:db8::1"), charged("2001:db8:0:ff::1"));
        assert_ne!(charged("2001:db8::1"), charged("2001:db8:0:100::1"));
        assert_eq!(charged("::ffff:192.0.2.1"), charged("192.0.2.1"));
        for nobody in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "", "unknown"] {
            assert_eq!(charged(nobody), None, "{nobody:?}");
        }
    }

    #[test]
    fn addresses_are_remembered_within_bounds() {
        let addresses = Addresses::of_guesses();
        for number in 0..20_000_u32 {
            addresses
                .take(&std::net::Ipv4Addr::from(0x0a00_0000 + number).to_string(), START)
                .unwrap();
        }
        assert_eq!(addresses.buckets.lock().unwrap().len(), ADDRESSES);
        addresses.take("192.0.2.1", START.plus(SECOND * 2)).unwrap();
        assert_eq!(addresses.buckets.lock().unwrap().len(), 1);
    }
}
