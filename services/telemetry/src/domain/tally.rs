//! What a rule would have come to: alerts, tasks and time in alert, day by day.

use std::{collections::BTreeMap, time::Duration};

use kit::Timestamp;

use super::course::Breach;

const DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// What there was in some span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Alerts raised in it.
    pub alerts: u32,
    /// How long alerts lasted in it.
    pub time_in_alert: Duration,
}

/// Counts the alerts of a test.
#[derive(Debug)]
pub struct Tally {
    /// Where an alert ends that no reading clears.
    end: Timestamp,
    /// By the day's number since the epoch; those without an alert are left out.
    days: BTreeMap<i64, Count>,
}

impl Tally {
    /// Of a test that ends at `end`.
    pub fn new(end: Timestamp) -> Self {
        Self { end, days: BTreeMap::new() }
    }

    /// Counts one alert.
    pub fn count(&mut self, breach: &Breach) {
        let (mut begin, end) = (breach.raised_at.micros(), breach.cleared_at.unwrap_or(self.end));
        self.days.entry(begin.div_euclid(DAY)).or_default().alerts += 1;
        while begin < end.micros() {
            let day = begin.div_euclid(DAY);
            let until = end.micros().min((day + 1) * DAY);
            let time = Duration::from_micros(until.abs_diff(begin));
            self.days.entry(day).or_default().time_in_alert += time;
            begin = until;
        }
    }

    /// Each day with an alert, by its beginning in UTC, oldest first.
    pub fn days(&self) -> impl Iterator<Item = (Timestamp, Count)> {
        self.days.iter().map(|(day, count)| (Timestamp::from_micros(day * DAY), *count))
    }

    /// All days together.
    pub fn total(&self) -> Count {
        self.days.values().fold(Count::default(), |total, day| Count {
            alerts: total.alerts + day.alerts,
            time_in_alert: total.time_in_alert + day.time_in_alert,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = DAY / 24;

    fn breach(from: i64, to: Option<i64>) -> Breach {
        let at = |hours: i64| Timestamp::from_micros(hours * HOUR);
        Breach { raised_at: at(from), value: None, cleared_at: to.map(at) }
    }

    #[test]
    fn an_alert_counts_where_it_begins_and_its_time_where_it_passes() {
        let mut tally = Tally::new(Timestamp::from_micros(100 * HOUR));
        tally.count(&breach(-1, Some(1)));
        tally.count(&breach(2, Some(2)));
        tally.count(&breach(20, Some(52)));
        tally.count(&breach(98, None));

        let hours = |hours| Duration::from_hours(hours);
        let days: Vec<_> = tally
            .days()
            .map(|(day, count)| (day.micros() / DAY, count.alerts, count.time_in_alert))
            .collect();
        assert_eq!(
            days,
            [
                (-1, 1, hours(1)),
                (0, 2, hours(5)),
                (1, 0, hours(24)),
                (2, 0, hours(4)),
                (4, 1, hours(2))
            ]
        );
        assert_eq!(tally.total(), Count { alerts: 4, time_in_alert: hours(36) });
    }
}
