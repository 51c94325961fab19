//! What one transaction wrote, as the journal keeps it.

use kit::{Result, Timestamp, uuid::Uuid};
use prost::Message;

use super::rule::RuleId;

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

/// That what was written of a series until now lies in chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The series' number.
    pub series_id: i64,
    /// Up to this time of measurement.
    pub through: Timestamp,
}

/// What one transaction did.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// What it wrote.
    pub writes: Vec<Write>,
    /// When that arrived.
    pub arrived_at: Timestamp,
    /// What it sealed.
    pub seals: Vec<Seal>,
}

/// What a transaction did that is no write, but changes what readings come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Rules that were made, changed or deleted.
    pub rules: Vec<RuleId>,
    /// Series whose alerts something else than their readings began, ended or removed.
    pub series: Vec<i64>,
}

/// Columns, a row a write, a seal or a mark. Neighbours are alike, so a column holds what is added from row to row.
#[derive(Clone, PartialEq, Message)]
struct Columns {
    #[prost(sint64, repeated, tag = "1")]
    series_id: Vec<i64>,
    #[prost(sint64, repeated, tag = "2")]
    at: Vec<i64>,
    /// NaN, which no reading is, stands for a deletion.
    #[prost(double, repeated, tag = "3")]
    value: Vec<f64>,
    #[prost(sint64, tag = "4")]
    arrived_at: i64,
    #[prost(sint64, repeated, tag = "5")]
    sealed_series_id: Vec<i64>,
    #[prost(sint64, repeated, tag = "6")]
    sealed_through: Vec<i64>,
    #[prost(bytes, repeated, tag = "7")]
    marked_rules: Vec<Vec<u8>>,
    #[prost(sint64, repeated, tag = "8")]
    marked_series: Vec<i64>,
}

/// The journal's form of `writes`, which arrived at `arrived_at`; the better they are sorted, the shorter.
pub fn encode(writes: &[Write], arrived_at: Timestamp) -> Vec<u8> {
    let length = writes.len();
    let mut columns = Columns {
        series_id: Vec::with_capacity(length),
        at: Vec::with_capacity(length),
        value: Vec::with_capacity(length),
        arrived_at: arrived_at.micros(),
        ..Columns::default()
    };
    let (mut series_id, mut at) = (0_i64, 0_i64);
    for write in writes {
        columns.series_id.push(write.series_id.wrapping_sub(series_id));
        columns.at.push(write.at.micros().wrapping_sub(at));
        columns.value.push(write.value.unwrap_or(f64::NAN));
        (series_id, at) = (write.series_id, write.at.micros());
    }
    columns.encode_to_vec()
}

/// The journal's form of `seals`.
pub fn encode_seals(seals: &[Seal]) -> Vec<u8> {
    let columns = Columns {
        sealed_series_id: seals.iter().map(|seal| seal.series_id).collect(),
        sealed_through: seals.iter().map(|seal| seal.through.micros()).collect(),
        ..Columns::default()
    };
    columns.encode_to_vec()
}

/// What the journal holds in `data`.
///
/// # Errors
///
/// It is not the journal's form.
pub fn decode(data: &[u8]) -> Result<Record> {
    let columns = Columns::decode(data).map_err(anyhow::Error::from)?;
    let (mut series_id, mut at) = (0_i64, 0_i64);
    let rows = columns.series_id.into_iter().zip(columns.at).zip(columns.value);
    let write = |((series_step, at_step), value): ((i64, i64), f64)| {
        series_id = series_id.wrapping_add(series_step);
        at = at.wrapping_add(at_step);
        let value = Some(value).filter(|value| !value.is_nan());
        Write { series_id, at: Timestamp::from_micros(at), value }
    };
    let seals = columns.sealed_series_id.into_iter().zip(columns.sealed_through);
    let seal = |(series_id, through)| Seal { series_id, through: Timestamp::from_micros(through) };
    Ok(Record {
        writes: rows.map(write).collect(),
        arrived_at: Timestamp::from_micros(columns.arrived_at),
        seals: seals.map(seal).collect(),
    })
}

/// The journal's form of `marks`.
pub fn encode_marks(marks: &Marks) -> Vec<u8> {
    let columns = Columns {
        marked_rules: marks.rules.iter().map(|id| id.uuid().as_bytes().to_vec()).collect(),
        marked_series: marks.series.clone(),
        ..Columns::default()
    };
    columns.encode_to_vec()
}

/// The marks in what the journal holds.
///
/// # Errors
///
/// It is not the journal's form.
pub fn decode_marks(data: &[u8]) -> Result<Marks> {
    let columns = Columns::decode(data).map_err(anyhow::Error::from)?;
    let rule = |id: &Vec<u8>| Ok(Uuid::from_slice(id).map_err(anyhow::Error::from)?.into());
    let rules = columns.marked_rules.iter().map(rule).collect::<Result<_>>()?;
    Ok(Marks { rules, series: columns.marked_series })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_back_and_are_no_writes() {
        let marks = Marks { rules: vec![RuleId::new(), RuleId::new()], series: vec![i64::MAX, 1] };
        let data = encode_marks(&marks);
        assert_eq!(decode_marks(&data).unwrap(), marks);
        assert_eq!(decode(&data).unwrap().writes, []);

        let at = Timestamp::from_micros(1);
        let write = encode(&[Write { series_id: 1, at, value: None }], at);
        assert_eq!(decode_marks(&write).unwrap(), Marks::default());
    }

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
        let arrived_at = Timestamp::from_micros(-7);
        let record = Record { writes: writes.clone(), arrived_at, seals: Vec::new() };
        assert_eq!(decode(&encode(&writes, arrived_at)).unwrap(), record);
        assert!(decode(b"nonsense").is_err());
    }

    #[test]
    fn what_was_sealed_is_read_back() {
        let seal =
            |series_id, through| Seal { series_id, through: Timestamp::from_micros(through) };
        let seals = vec![seal(1, i64::MIN), seal(i64::MAX, -1), seal(2, i64::MAX)];
        assert_eq!(decode(&encode_seals(&seals)).unwrap().seals, seals);
    }

    #[test]
    fn a_value_of_each_of_many_series_takes_about_fourteen_bytes() {
        let at = Timestamp::from_micros(1_767_323_045_000_000);
        let write = |series_id| Write { series_id, at, value: Some(71.2) };
        let writes: Vec<_> = (1..=1000).map(write).collect();
        assert!(encode(&writes, at).len() < 14_010);
    }
}
