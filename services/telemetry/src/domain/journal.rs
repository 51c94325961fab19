//! What one transaction wrote, as the journal keeps it.

use kit::{Result, Timestamp};
use prost::Message;

/// A value of a series, or that there is none any more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Write {
    /// The series' number.
    pub series_id: i64,
    /// When it was measured.
    pub at: Timestamp,
    /// In the metric's unit; none if it was deleted.
    pub value: Option<f64>,
}

/// Three columns, a row a write. Neighbours are alike, so a column holds what is added from row to row.
#[derive(Clone, PartialEq, Message)]
struct Columns {
    #[prost(sint64, repeated, tag = "1")]
    series_id: Vec<i64>,
    #[prost(sint64, repeated, tag = "2")]
    at: Vec<i64>,
    /// NaN, which no reading is, stands for a deletion.
    #[prost(double, repeated, tag = "3")]
    value: Vec<f64>,
}

/// The journal's form of `writes`; the better they are sorted, the shorter.
pub fn encode(writes: impl IntoIterator<Item = Write>) -> Vec<u8> {
    let mut columns = Columns::default();
    let (mut series_id, mut at) = (0_i64, 0_i64);
    for write in writes {
        columns.series_id.push(write.series_id.wrapping_sub(series_id));
        columns.at.push(write.at.micros().wrapping_sub(at));
        columns.value.push(write.value.unwrap_or(f64::NAN));
        (series_id, at) = (write.series_id, write.at.micros());
    }
    columns.encode_to_vec()
}

/// The writes in what the journal holds.
///
/// # Errors
///
/// It is not the journal's form.
pub fn decode(data: &[u8]) -> Result<Vec<Write>> {
    let columns = Columns::decode(data).map_err(anyhow::Error::from)?;
    let (mut series_id, mut at) = (0_i64, 0_i64);
    let rows = columns.series_id.into_iter().zip(columns.at).zip(columns.value);
    let write = |((series_step, at_step), value): ((i64, i64), f64)| {
        series_id = series_id.wrapping_add(series_step);
        at = at.wrapping_add(at_step);
        let value = Some(value).filter(|value| !value.is_nan());
        Write { series_id, at: Timestamp::from_micros(at), value }
    };
    Ok(rows.map(write).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back_whatever_it_was() {
        let mut writes = Vec::new();
        for at in [i64::MIN, -1, 0, 1, i64::MAX] {
            for value in [None, Some(-0.0), Some(f64::MAX), Some(f64::MIN_POSITIVE), Some(71.2)] {
                for series_id in [1, i64::MAX, 2] {
                    writes.push(Write { series_id, at: Timestamp::from_micros(at), value });
                }
            }
        }
        assert_eq!(decode(&encode(writes.iter().copied())).unwrap(), writes);
        assert!(decode(b"nonsense").is_err());
    }

    #[test]
    fn a_value_of_each_of_many_series_takes_about_fourteen_bytes() {
        let at = Timestamp::from_micros(1_767_323_045_000_000);
        let writes = (1..=1000).map(|series_id| Write { series_id, at, value: Some(71.2) });
        assert!(encode(writes).len() < 14_000);
    }
}
