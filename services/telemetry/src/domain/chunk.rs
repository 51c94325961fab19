//! Runs of values of one series, packed.

use std::ops::Range;

use kit::{Result, Timestamp};
use pco::{ChunkConfig, data_types::Number, standalone};

use super::reading::Sample;

/// Beyond this level nothing gets smaller that counts.
const LEVEL: usize = 4;

/// What is said of a series at one time.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// When it was measured.
    pub at: Timestamp,
    /// When it arrived. Of a sealed row, only which rules it came after.
    pub arrived_at: Timestamp,
    /// NaN, which no reading is, stands for a deletion.
    number: f64,
}

/// What is known of the values of a chunk without unpacking it.
#[derive(Clone, Copy, Debug, PartialEq, sqlx::FromRow)]
pub struct Summary {
    /// The time of the first.
    pub first_at: Timestamp,
    /// The time of the last.
    pub last_at: Timestamp,
    /// How many.
    pub count: i64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// All together.
    pub sum: f64,
    /// The last one by time.
    pub last: f64,
    /// When the first of them arrived.
    pub first_arrived_at: Timestamp,
    /// When the last of them arrived.
    pub last_arrived_at: Timestamp,
}

/// A run of values of one series.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Chunk {
    /// What is known without unpacking.
    #[sqlx(flatten)]
    pub summary: Summary,
    /// Times, values and, where they differ, arrivals; each column packed.
    pub data: Vec<u8>,
}

impl Row {
    /// That the series has this `value` at `at`, or none.
    pub fn new(at: Timestamp, value: Option<f64>, arrived_at: Timestamp) -> Self {
        Self { at, arrived_at, number: value.unwrap_or(f64::NAN) }
    }

    /// None if it was deleted.
    pub fn value(&self) -> Option<f64> {
        Some(self.number).filter(|number| !number.is_nan())
    }

    /// The value with its time; none if it was deleted.
    pub fn sample(&self) -> Option<Sample> {
        Some(Sample { at: self.at, value: self.value()? })
    }
}

impl Summary {
    /// Whether one of `rows`, which are in order, lies between its first and its last value.
    pub fn encloses(&self, rows: &[Row]) -> bool {
        let next = rows.partition_point(|row| row.at < self.first_at);
        rows.get(next).is_some_and(|row| row.at <= self.last_at)
    }
}

impl Chunk {
    /// Packs `rows`, which are in order and hold a value each; `None` if there are none.
    ///
    /// # Errors
    ///
    /// They can't be packed: never.
    pub fn seal(rows: &[Row]) -> Result<Option<Self>> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(None) };
        let arrivals = || rows.iter().map(|row| row.arrived_at);
        let values = || rows.iter().map(|row| row.number);
        let summary = Summary {
            first_at: first.at,
            last_at: last.at,
            count: i64::try_from(rows.len()).map_err(anyhow::Error::from)?,
            min: values().fold(f64::INFINITY, f64::min),
            max: values().fold(f64::NEG_INFINITY, f64::max),
            sum: values().sum(),
            last: last.number,
            first_arrived_at: arrivals().fold(first.arrived_at, Timestamp::min),
            last_arrived_at: arrivals().fold(first.arrived_at, Timestamp::max),
        };
        let mut data = Vec::new();
        push(&mut data, &rows.iter().map(|row| row.at.micros()).collect::<Vec<_>>())?;
        push(&mut data, &values().collect::<Vec<_>>())?;
        if summary.first_arrived_at != summary.last_arrived_at {
            push(&mut data, &arrivals().map(Timestamp::micros).collect::<Vec<_>>())?;
        }
        Ok(Some(Self { summary, data }))
    }

    /// Its rows, in order.
    ///
    /// # Errors
    ///
    /// The data is damaged.
    pub fn rows(&self) -> Result<Vec<Row>> {
        let mut data = self.data.as_slice();
        let times: Vec<i64> = pull(&mut data)?;
        let values: Vec<f64> = pull(&mut data)?;
        let Summary { first_arrived_at, last_arrived_at, .. } = self.summary;
        let arrivals: Vec<i64> =
            if first_arrived_at == last_arrived_at { Vec::new() } else { pull(&mut data)? };
        let arrived_at = |place: usize| {
            arrivals.get(place).map_or(first_arrived_at, |micros| Timestamp::from_micros(*micros))
        };
        let rows = times.into_iter().zip(values).enumerate();
        let row = |(place, (at, number))| Row {
            at: Timestamp::from_micros(at),
            arrived_at: arrived_at(place),
            number,
        };
        Ok(rows.map(row).collect())
    }
}

/// Adds a packed column, after its length.
fn push<T: Number>(data: &mut Vec<u8>, numbers: &[T]) -> Result<()> {
    let config = ChunkConfig::default().with_compression_level(LEVEL);
    let packed = standalone::simple_compress(numbers, &config).map_err(anyhow::Error::from)?;
    let length = u32::try_from(packed.len()).map_err(anyhow::Error::from)?;
    data.extend(length.to_le_bytes());
    data.extend(packed);
    Ok(())
}

/// Takes the next packed column.
fn pull<T: Number>(data: &mut &[u8]) -> Result<Vec<T>> {
    let damaged = || anyhow::anyhow!("a chunk is damaged");
    let (length, rest) = data.split_first_chunk().ok_or_else(damaged)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(anyhow::Error::from)?;
    let (packed, rest) = rest.split_at_checked(length).ok_or_else(damaged)?;
    *data = rest;
    Ok(standalone::simple_decompress(packed).map_err(anyhow::Error::from)?)
}

/// The rows of `old` and `new`, both in order, in order; of one time, the new row.
pub fn merge(old: &[Row], new: &[Row]) -> Vec<Row> {
    let mut all = Vec::with_capacity(old.len() + new.len());
    let mut old = old.iter().peekable();
    for row in new {
        while let Some(before) = old.next_if(|old| old.at < row.at) {
            all.push(*before);
        }
        old.next_if(|old| old.at == row.at);
        all.push(*row);
    }
    all.extend(old);
    all
}

/// How to cut so many rows into chunks of about `size` rows.
pub fn pieces(rows: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    let count = ((rows + size / 2) / size).max(1);
    (0..count).map(move |piece| (rows * piece / count)..(rows * (piece + 1) / count))
}

/// The last of `changes` by `arrived_at`: all that a rule can ask of an arrival, and mostly the same for a whole chunk.
pub fn last_change(changes: &[Timestamp], arrived_at: Timestamp) -> Timestamp {
    let before = changes.partition_point(|change| *change <= arrived_at);
    let place = before.checked_sub(1);
    place.map_or(Timestamp::MIN, |place| changes[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn rows(of: &[(i64, Option<f64>, i64)]) -> Vec<Row> {
        of.iter().map(|(time, value, arrived)| Row::new(at(*time), *value, at(*arrived))).collect()
    }

    /// Bits, so that no zero is like another.
    fn bits(rows: &[Row]) -> Vec<(i64, u64, i64)> {
        let of = |row: &Row| (row.at.micros(), row.number.to_bits(), row.arrived_at.micros());
        rows.iter().map(of).collect()
    }

    #[test]
    fn what_was_sealed_is_read_back_whatever_it_was() {
        let values = [-0.0, 0.0, f64::MAX, f64::MIN_POSITIVE, 71.2, -1e-300];
        let times = [i64::MIN, -1, 0, 1, 2, i64::MAX];
        for arrivals in [[7; 6], [i64::MIN, 7, 7, i64::MAX, 0, -7]] {
            let rows: Vec<_> = (0..6)
                .map(|place| Row::new(at(times[place]), Some(values[place]), at(arrivals[place])))
                .collect();
            let chunk = Chunk::seal(&rows).unwrap().unwrap();
            assert_eq!(bits(&chunk.rows().unwrap()), bits(&rows));
        }
        assert_eq!(Chunk::seal(&[]).unwrap(), None);
    }

    #[test]
    fn a_summary_says_what_is_in_the_chunk() {
        let rows = rows(&[(1, Some(3.0), 9), (2, Some(-1.0), 7), (5, Some(2.0), 8)]);
        let expected = Summary {
            first_at: at(1),
            last_at: at(5),
            count: 3,
            min: -1.0,
            max: 3.0,
            sum: 4.0,
            last: 2.0,
            first_arrived_at: at(7),
            last_arrived_at: at(9),
        };
        assert_eq!(Chunk::seal(&rows).unwrap().unwrap().summary, expected);
    }

    #[test]
    fn a_summary_encloses_what_lies_between_its_first_value_and_its_last() {
        let chunk = Chunk::seal(&rows(&[(3, Some(3.0), 0), (7, Some(4.0), 0)])).unwrap().unwrap();
        for (times, encloses) in [
            (&[][..], false),
            (&[2, 8], false),
            (&[2, 3, 8], true),
            (&[2, 5], true),
            (&[7, 8], true),
            (&[8], false),
        ] {
            let recent: Vec<_> =
                times.iter().map(|time| Row::new(at(*time), None, at(0))).collect();
            assert_eq!(chunk.summary.encloses(&recent), encloses, "{times:?}");
        }
    }

    #[test]
    fn damaged_data_is_an_error() {
        let rows = rows(&[(1, Some(3.0), 9), (2, Some(-1.0), 7)]);
        let chunk = Chunk::seal(&rows).unwrap().unwrap();
        for length in 0..chunk.data.len() {
            let cut = Chunk { data: chunk.data[..length].to_vec(), ..chunk.clone() };
            assert!(cut.rows().is_err(), "{length}");
        }
    }

    #[test]
    fn of_two_rows_of_one_time_the_new_one_counts() {
        let old = rows(&[(1, Some(1.0), 0), (3, Some(3.0), 0), (4, Some(4.0), 0)]);
        let new = rows(&[(0, Some(0.5), 1), (3, None, 1), (4, Some(4.5), 1), (9, Some(9.0), 1)]);
        let all = [
            (0, Some(0.5), 1),
            (1, Some(1.0), 0),
            (3, None, 1),
            (4, Some(4.5), 1),
            (9, Some(9.0), 1),
        ];
        assert_eq!(bits(&merge(&old, &new)), bits(&rows(&all)));
        assert_eq!(bits(&merge(&old, &[])), bits(&old));
    }

    #[test]
    fn pieces_are_about_as_large_as_asked_for() {
        let cut = |rows, size| pieces(rows, size).collect::<Vec<_>>();
        assert_eq!(cut(14, 10), vec![0..14; 1]);
        assert_eq!(cut(15, 10), [0..7, 7..15]);
        assert_eq!(cut(40, 10), [0..10, 10..20, 20..30, 30..40]);
        assert_eq!(cut(3, 10), vec![0..3; 1]);
    }

    #[test]
    fn an_arrival_tells_every_rule_what_it_told_before() {
        let changes = [at(10), at(20), at(20), at(30)];
        for arrived in 0..40 {
            let kept = last_change(&changes, at(arrived));
            for change in changes {
                assert_eq!(change <= kept, change <= at(arrived));
            }
            assert_eq!(last_change(&changes, kept), kept);
        }
    }
}
