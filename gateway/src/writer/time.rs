//! Times and durations, which JSON has as text.

use super::{
    Result, Unwritable,
    scalar::low,
    wire::{MISMATCH, Reader, Value},
};

/// Seconds from 0001-01-01 to 9999-12-31, which RFC 3339 can write.
const YEARS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// Seconds in 10,000 years, as protobuf bounds a duration.
const LONGEST: i64 = 315_576_000_000;
const DAY: i64 = 86_400;

/// Writes a `google.protobuf.Timestamp`: `"2026-01-31T12:00:00.250Z"`.
pub fn timestamp(bytes: &[u8], json: &mut Vec<u8>) -> Result<()> {
    let (seconds, nanos) = parts(bytes)?;
    if !YEARS.contains(&seconds) || !(0..1_000_000_000).contains(&nanos) {
        return Err(Unwritable("a time is not between the years 1 and 9999"));
    }
    let (year, month, day) = date(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    json.push(b'"');
    digits(year, 4, json);
    for (mark, number) in [
        (b'-', month),
        (b'-', day),
        (b'T', second / 3600),
        (b':', second / 60 % 60),
        (b':', second % 60),
    ] {
        json.push(mark);
        digits(number, 2, json);
    }
    fraction(nanos.into(), json);
    json.extend_from_slice(b"Z\"");
    Ok(())
}

/// Writes a `google.protobuf.Duration`: `"1.500s"`.
pub fn duration(bytes: &[u8], json: &mut Vec<u8>) -> Result<()> {
    let (seconds, nanos) = parts(bytes)?;
    let is_one = (0 <= seconds && 0 <= nanos) || (seconds <= 0 && nanos <= 0);
    if !is_one || LONGEST < seconds.abs() || 999_999_999 < nanos.abs() {
        return Err(Unwritable("a duration is out of its range"));
    }
    json.push(b'"');
    if seconds < 0 || nanos < 0 {
        json.push(b'-');
    }
    json.extend_from_slice(seconds.abs().to_string().as_bytes());
    fraction(nanos.abs().into(), json);
    json.extend_from_slice(b"s\"");
    Ok(())
}

/// Seconds and nanoseconds.
fn parts(bytes: &[u8]) -> Result<(i64, i32)> {
    let (mut seconds, mut nanos) = (0, 0);
    let mut reader = Reader::new(bytes);
    while let Some((number, value)) = reader.next()? {
        match (number, value) {
            (1, Value::Varint(bits)) => seconds = bits.cast_signed(),
            (2, Value::Varint(bits)) => nanos = low(bits),
            (1 | 2, _) => return Err(MISMATCH),
            _ => {}
        }
    }
    Ok((seconds, nanos))
}

/// Year, month and day of a day since 1970, by the calendar of today: years begin in March, so that the leap day is their
/// last, and 400 of them always have as many days (H. Hinnant, "chrono-compatible low-level date algorithms").
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (400 * era + year + i64::from(month <= 2), month, day)
}

/// As many decimals as are needed, in threes.
fn fraction(nanos: i64, json: &mut Vec<u8>) {
    let (number, places) = match nanos {
        0 => return,
        _ if nanos % 1_000_000 == 0 => (nanos / 1_000_000, 3),
        _ if nanos % 1000 == 0 => (nanos / 1000, 6),
        _ => (nanos, 9),
    };
    json.push(b'.');
    digits(number, places, json);
}

/// A number that is not negative, filled up with zeros.
fn digits(mut number: i64, places: usize, json: &mut Vec<u8>) {
    let start = json.len();
    json.resize(start + places, b'0');
    for place in json[start..].iter_mut().rev() {
        // One digit fits a byte.
        *place = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}
