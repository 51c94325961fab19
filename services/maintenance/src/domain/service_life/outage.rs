//! Failures, and what followed them.

use kit::Timestamp;

use super::{History, Interval, Span, State};

/// A time in the down state after a failure. Intervals that touch, because they were connected by work, are one outage with a
/// failure each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    pub start: Timestamp,
    /// When the down state after the failure ended; absent while it lasts. Planned work may follow.
    pub end: Option<Timestamp>,
    pub failures: u32,
    /// From the beginning of the first recorded work to the end of the last.
    pub work: Option<Span>,
    /// When it was not down any more, neither after the failure nor for planned work that followed at once; absent while that
    /// lasts. Work that begins up to here belongs to it: it was not up in between, so nothing can have failed anew.
    pub reach: Option<Timestamp>,
    /// It ended because the equipment was given up.
    is_abandoned: bool,
}

impl Outage {
    /// When it was up again, if it was.
    pub fn restored(&self) -> Option<Timestamp> {
        self.reach.filter(|_| !self.is_abandoned)
    }

    /// The outage of the interval, which `following` ones come after.
    fn of_interval(interval: &Interval, following: &[Interval]) -> Self {
        let planned = following.first().filter(|next| next.state == State::Planned);
        let after = following.get(usize::from(planned.is_some()));
        Self {
            start: interval.since,
            end: interval.until,
            failures: 1,
            work: None,
            reach: planned.map_or(interval.until, |planned| planned.until),
            is_abandoned: after.is_some_and(|after| after.state == State::Gone),
        }
    }

    /// The outage for which there was such `work`, before the equipment was `gone`, if it ever was.
    fn of_work(work: Span, gone: Option<&Interval>) -> Self {
        let end = Some(work.end);
        Self {
            start: work.start,
            end,
            failures: 0,
            work: Some(work),
            reach: end,
            is_abandoned: gone.is_some_and(|gone| gone.since < work.end),
        }
    }

    /// Whether `next`, which began no earlier, is part of this.
    fn takes(&self, next: &Self) -> bool {
        let until = if next.failures == 0 { self.reach } else { self.end };
        until.is_none_or(|until| next.start <= until)
    }

    fn take(&mut self, next: &Self) {
        self.end = later(self.end, next.end);
        self.reach = later(self.reach, next.reach);
        self.failures += next.failures;
        self.is_abandoned |= next.is_abandoned;
        self.work = match (self.work, next.work) {
            (Some(own), Some(other)) => {
                Some(Span { start: own.start.min(other.start), end: own.end.max(other.end) })
            }
            (own, other) => own.or(other),
        };
    }
}

/// The later time; absent is never.
fn later(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    Some(one?.max(other?))
}

/// All outages, oldest first.
pub fn all(history: &History) -> Vec<Outage> {
    let intervals = &history.intervals;
    let gone = intervals.iter().find(|interval| interval.state == State::Gone);
    // What is done to it after that is no repair: nothing fails that is not required.
    let repairs =
        history.repairs.iter().filter(|work| gone.is_none_or(|gone| work.start <= gone.since));
    let down = intervals.iter().enumerate().filter(|(_, interval)| interval.state == State::Down);
    let mut outages: Vec<_> = down
        .map(|(index, interval)| Outage::of_interval(interval, &intervals[index + 1..]))
        .chain(repairs.map(|work| Outage::of_work(*work, gone)))
        .collect();
    // Of what begins at once the interval comes first: work may reach further through what follows it.
    outages.sort_by_key(|outage| (outage.start, outage.failures == 0));

    let mut merged: Vec<Outage> = Vec::new();
    for outage in outages {
        match merged.last_mut() {
            Some(last) if last.takes(&outage) => last.take(&outage),
            _ => merged.push(outage),
        }
    }
    for outage in &mut merged {
        // Work that belongs to no interval is a failure of its own.
        outage.failures = outage.failures.max(1);
    }
    merged
}
