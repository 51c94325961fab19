//! Service life (EN 13306): what a history of states and of work says of how well a piece of equipment has served.
//!
//! The terms and their formulas:
//!
//! - mean operating time between failures, MTBF (IEC 60050-192, EN 13306): operating time / number of failures;
//! - mean time to restoration, MTTR (ISO/TR 12489, IEC 60050-192): the time from failure to restoration, summed / number of
//!   restorations; its parts are the waiting before the work, the repair, and the return to service after it;
//! - availability (IEC 60050-192): up time / (up time + downtime), within required time (EN 13306).
//!
//! Without events a figure is absent: no failure is no MTBF of 0.
//!
//! # Worked example
//!
//! A pump was installed on 2026-01-02. These are the ten days, 240 h, to 2026-01-12:
//!
//! | from | to | what | counts as |
//! | --- | --- | --- | --- |
//! | 02 00:00 | 03 00:00 | nothing is known: it was registered at the end of it | 24 h operating, assumed |
//! | 04 06:00 | 04 10:00 | `DOWN`; corrective work from 07:00 to 09:30 | failure 1, 4 h unplanned |
//! | 06 00:00 | 06 08:00 | `MAINTENANCE`; preventive work from 00:30 to 07:30 | 8 h planned |
//! | 07 12:00 | 07 15:00 | `OPERATIONAL`; corrective work from 12:00 to 14:00 and from 13:00 to 15:00 | failure 2, 3 h unplanned |
//! | 08 00:00 | 09 00:00 | `STANDBY` | 24 h not required |
//! | 09 00:00 | 09 12:00 | `DEGRADED` | operating |
//! | 11 18:00 | lasts | `DOWN` | failure 3, 6 h unplanned |
//!
//! In all other time it was `OPERATIONAL`. So:
//!
//! - required time 240 h − 24 h = 216 h; downtime 4 h + 3 h + 6 h = 13 h unplanned and 8 h planned; operating time
//!   216 h − 13 h − 8 h = 195 h;
//! - MTBF 195 h / 3 failures = 65 h;
//! - MTTR (4 h + 3 h) / 2 restorations = 3.5 h, since failure 3 lasts; of it waiting (1 h + 0 h) / 2 = 0.5 h, repair
//!   (2.5 h + 3 h) / 2 = 2.75 h, return to service (0.5 h + 0 h) / 2 = 0.25 h;
//! - availability 195 h / 216 h = 0.90277….

mod outage;
mod span;

use std::time::Duration;

use kit::Timestamp;

use self::outage::Outage;
pub use self::span::Span;
use self::span::{common, merge, total};

/// What a status means for service life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Performs as required, if perhaps reduced.
    Up,
    /// Down after a failure.
    Down,
    /// Down for planned work.
    Planned,
    /// Able, but not required.
    Standby,
    /// Out of service for good.
    Gone,
}

/// A time in one state; the next one begins where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    pub state: State,
    pub since: Timestamp,
    /// Absent while it lasts.
    pub until: Option<Timestamp>,
}

/// What service life is reckoned from.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Oldest first.
    pub intervals: Vec<Interval>,
    /// When corrective work was done.
    pub repairs: Vec<Span>,
}

/// How well equipment has served in some time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceLife {
    pub operating: Duration,
    /// The part of it before the first known state.
    pub assumed: Duration,
    pub not_required: Duration,
    pub unplanned: Duration,
    /// Failures that it was down after, also those that began before.
    pub unplanned_events: u32,
    pub planned: Duration,
    pub planned_events: u32,
    /// Failures that began in this time.
    pub failures: u32,
    pub mtbf: Option<Duration>,
    /// Failures that began and ended in this time.
    pub restorations: u32,
    pub mttr: Option<Duration>,
    /// Restorations of which records say when the work was done.
    pub recorded: u32,
    pub parts: Option<Parts>,
    pub availability: Option<f64>,
    /// When the failure began that lasts at the end.
    pub down_since: Option<Timestamp>,
}

/// What the mean of the recorded restorations consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    pub waiting: Duration,
    pub repair: Duration,
    pub return_to_service: Duration,
}

impl History {
    /// What it says of the time of `window`.
    pub fn reckon(&self, window: Span) -> ServiceLife {
        let mut life = ServiceLife::default();
        self.divide(window, &mut life);
        let outages = outage::all(self);
        count(&outages, window, &mut life);
        restore(&outages, window, &mut life);
        life
    }

    /// Divides the time of `window` among what it counts as. The state decides; recorded work counts where it was up.
    fn divide(&self, window: Span, life: &mut ServiceLife) {
        let down = self.in_state(State::Down, window);
        let planned = self.in_state(State::Planned, window);
        let standby = self.in_state(State::Standby, window);
        let gone = self.in_state(State::Gone, window);
        let work = merge(self.repairs.iter().filter_map(|repair| repair.within(window)).collect());
        let not_up = [&down, &planned, &standby, &gone].map(|state| common(&work, state));

        let recorded = total(&work).saturating_sub(not_up.into_iter().sum());
        life.unplanned = total(&down) + recorded;
        life.planned = total(&planned);
        life.planned_events = number(planned.len());
        life.not_required = total(&standby) + total(&gone);
        let required = window.length().saturating_sub(life.not_required);
        life.operating = required.saturating_sub(life.unplanned + life.planned);
        life.assumed = self.unknown(window).map_or(Duration::ZERO, |unknown| {
            unknown.length().saturating_sub(common(&work, &[unknown]))
        });
        if !required.is_zero() {
            life.availability = Some(life.operating.as_secs_f64() / required.as_secs_f64());
        }
    }

    /// When it was in `state` within `window`, in order and without overlap.
    fn in_state(&self, state: State, window: Span) -> Vec<Span> {
        let intervals = self.intervals.iter().filter(|interval| interval.state == state);
        intervals.filter_map(|interval| interval.span(window.end).within(window)).collect()
    }

    /// The part of `window` before the first known state.
    fn unknown(&self, window: Span) -> Option<Span> {
        let known = self.intervals.first().map_or(window.end, |first| first.since);
        Span { start: window.start, end: known }.within(window)
    }
}

impl Interval {
    /// Its time; up to `end`, if it lasts.
    fn span(&self, end: Timestamp) -> Span {
        Span { start: self.since, end: self.until.unwrap_or(end.max(self.since)) }
    }
}

/// Counts failures, and has the operating time divided by them.
fn count(outages: &[Outage], window: Span, life: &mut ServiceLife) {
    let failures = |outages: &mut dyn Iterator<Item = &Outage>| {
        outages.map(|outage| outage.failures).sum::<u32>()
    };
    let touches = |outage: &&Outage| {
        outage.start < window.end && outage.end.is_none_or(|end| window.start < end)
    };
    let begins = |outage: &&Outage| window.start <= outage.start && outage.start < window.end;
    life.failures = failures(&mut outages.iter().filter(begins));
    life.unplanned_events =
        failures(&mut outages.iter().filter(|outage| touches(outage) || begins(outage)));
    // Whatever failed before it had operated at all has no time between failures.
    life.mtbf = mean(life.operating, life.failures).filter(|mtbf| !mtbf.is_zero());
    let lasting = outages.iter().filter(|outage| outage.start < window.end);
    life.down_since = lasting
        .filter(|outage| outage.reach.is_none_or(|reach| window.end < reach))
        .map(|outage| outage.start)
        .next_back();
}

/// Says how long restorations took, and of what that consists.
fn restore(outages: &[Outage], window: Span, life: &mut ServiceLife) {
    let (mut whole, mut parts) = (Duration::ZERO, Parts::default());
    for outage in outages {
        let Some(restored) = outage.restored().filter(|at| *at <= window.end) else { continue };
        if outage.start < window.start {
            continue;
        }
        life.restorations += outage.failures;
        whole += restored.since(outage.start);
        if let Some(work) = outage.work {
            life.recorded += outage.failures;
            parts.waiting += work.start.since(outage.start);
            parts.repair += work.length();
            parts.return_to_service += restored.since(work.end);
        }
    }
    life.mttr = mean(whole, life.restorations);
    life.parts = mean(parts.waiting, life.recorded).map(|waiting| Parts {
        waiting,
        repair: parts.repair / life.recorded,
        return_to_service: parts.return_to_service / life.recorded,
    });
}

/// What each of `events` took of `whole`; absent without events.
fn mean(whole: Duration, events: u32) -> Option<Duration> {
    (events > 0).then(|| whole / events)
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
