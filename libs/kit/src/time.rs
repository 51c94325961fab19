//! Time as a value: where it comes from, and how it is kept.

use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, Datelike, SecondsFormat, Utc};

/// A point in time to the microsecond: what both engines keep, as microseconds since the epoch.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    sqlx::Type,
    serde::Serialize,
    serde::Deserialize,
)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Before all others.
    pub const MIN: Self = Self(i64::MIN);
    /// After all others.
    pub const MAX: Self = Self(i64::MAX);

    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Reads a time of the wire that came in as `field`; digits beyond the microsecond are cut.
    ///
    /// # Errors
    ///
    /// The time lies outside the years 1 to 9999, which is what RFC 3339 can write.
    pub fn parse(field: &str, wire: &prost_types::Timestamp) -> crate::Result<Self> {
        /// 0001-01-01 and the last second of 9999, in seconds since the epoch.
        const YEARS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
        if !YEARS.contains(&wire.seconds) || !(0..1_000_000_000).contains(&wire.nanos) {
            return Err(crate::Error::invalid(field, "must lie between the years 1 and 9999"));
        }
        Ok(Self(wire.seconds * 1_000_000 + i64::from(wire.nanos) / 1_000))
    }

    /// Reads a time of the wire, if there is one, that came in as `field`.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse).
    pub fn parse_optional(
        field: &str,
        wire: Option<&prost_types::Timestamp>,
    ) -> crate::Result<Option<Self>> {
        wire.map(|wire| Self::parse(field, wire)).transpose()
    }

    /// The day in UTC, `YYYY-MM-DD`.
    pub fn date(self) -> String {
        DateTime::from_timestamp_micros(self.0).unwrap_or_default().date_naive().to_string()
    }

    /// The time `duration` later; at the end of time, that.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }

    /// The time `duration` earlier; at the beginning of time, that.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }

    /// How long it was from `earlier` to here; nothing, if that is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or_default())
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl From<Timestamp> for prost_types::Timestamp {
    fn from(at: Timestamp) -> Self {
        let nanos = at.0.rem_euclid(1_000_000) * 1_000;
        Self {
            seconds: at.0.div_euclid(1_000_000),
            nanos: i32::try_from(nanos).unwrap_or_default(),
        }
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(at: DateTime<Utc>) -> Self {
        Self(at.timestamp_micros())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_timestamp_micros(self.0) {
            Some(at) => f.write_str(&at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            None => write!(f, "{} µs", self.0),
        }
    }
}

/// A source of the current time. Tests freeze it; nothing else reads the system clock.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that may")]
        Self(Arc::new(|| Utc::now().into()))
    }

    /// A clock that answers whatever `read` does.
    pub fn new(read: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

/// Checks a date of the wire (`YYYY-MM-DD`) that came in as `field`.
///
/// # Errors
///
/// There is no such day.
pub fn parse_date(field: &str, text: &str) -> crate::Result<String> {
    match text.parse::<chrono::NaiveDate>() {
        // What has a midnight that the wire can carry.
        Ok(date) if (1..=9999).contains(&date.year()) => Ok(date.to_string()),
        _ => Err(crate::Error::invalid(field, "must be a day of the calendar, YYYY-MM-DD")),
    }
}

/// The midnight, in UTC, at which a day begins (`YYYY-MM-DD`); nothing, if there is no such day.
pub fn midnight(date: &str) -> Option<Timestamp> {
    let date: chrono::NaiveDate = date.parse().ok()?;
    Some(date.and_time(chrono::NaiveTime::MIN).and_utc().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_before_the_epoch_survives_the_wire() {
        let at = Timestamp::from_micros(-1);
        let wire = prost_types::Timestamp::from(at);
        assert_eq!((wire.seconds, wire.nanos), (-1, 999_999_000));
        assert_eq!(Timestamp::parse("at", &wire).unwrap(), at);
    }

    #[test]
    fn a_time_that_rfc_3339_cannot_write_is_refused() {
        for (seconds, nanos) in [(i64::MAX, 0), (i64::MIN, 0), (0, -1), (0, 1_000_000_000)] {
            assert!(Timestamp::parse("at", &prost_types::Timestamp { seconds, nanos }).is_err());
        }
    }

    #[test]
    fn no_time_passes_backwards() {
        let (early, late) = (Timestamp::from_micros(-2), Timestamp::from_micros(3));
        assert_eq!(late.since(early), Duration::from_micros(5));
        assert_eq!(early.since(late), Duration::ZERO);
    }

    #[test]
    fn a_day_begins_at_midnight_in_utc() {
        assert_eq!(Timestamp::from_micros(-1).date(), "1969-12-31");
        assert_eq!(Timestamp::from_micros(0).date(), "1970-01-01");
        assert_eq!(midnight("1970-01-02"), Some(Timestamp::from_micros(86_400_000_000)));
        assert_eq!(midnight("1970-02-30"), None);
    }

    #[test]
    fn a_date_must_be_in_the_calendar() {
        assert_eq!(parse_date("due_date", "2024-02-29").unwrap(), "2024-02-29");
        for none in ["2023-02-29", "0000-01-01", "10000-01-01"] {
            assert!(parse_date("due_date", none).is_err(), "{none}");
        }
    }
}
