//! The times that people write into files.

use chrono::{DateTime, NaiveDateTime};
use kit::Timestamp;

/// Reads RFC 3339, `YYYY-MM-DD HH:MM:SS[.fff]` (also with a `T`) as UTC, or whole seconds since the epoch.
pub fn parse(text: &str) -> Result<Timestamp, String> {
    if let Ok(seconds) = text.parse::<i64>() {
        return from_epoch(seconds);
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc().into());
    }
    for format in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"] {
        if let Ok(at) = NaiveDateTime::parse_from_str(text, format) {
            return Ok(at.and_utc().into());
        }
    }
    Err(format!(
        "not a time: {text:?} (as in 2026-01-31 12:30:00, 2026-01-31T12:30:00Z or 1769862600)"
    ))
}

fn from_epoch(seconds: i64) -> Result<Timestamp, String> {
    match DateTime::from_timestamp_secs(seconds) {
        Some(at) if seconds < FIRST_OF_10000 => Ok(at.into()),
        _ => Err(format!("{seconds} seconds since the epoch is no year of ours; milliseconds?")),
    }
}

/// The end of the last year that RFC 3339 can write, in seconds since the epoch.
const FIRST_OF_10000: i64 = 253_402_300_800;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_read() {
        for (text, at) in [
            ("2013-12-02 21:15:00", "2013-12-02T21:15:00Z"),
            ("2013-12-02 21:15:00.250", "2013-12-02T21:15:00.250Z"),
            ("2013-12-02T21:15:00", "2013-12-02T21:15:00Z"),
            ("2013-12-02T21:15:00.000001", "2013-12-02T21:15:00.000001Z"),
            ("2013-12-02T21:15:00Z", "2013-12-02T21:15:00Z"),
            ("2013-12-02T21:15:00.5+02:00", "2013-12-02T19:15:00.500Z"),
            ("1386018900", "2013-12-02T21:15:00Z"),
            ("-1", "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(parse(text).map(|at| at.to_string()), Ok(at.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let milliseconds = "1386018900000";
        for text in ["", "yesterday", "2013-02-30 00:00:00", "2013-12-02", "1e9", milliseconds] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&i64::MAX.to_string()).is_err());
        assert!(parse(&i64::MIN.to_string()).is_err());
    }
}
