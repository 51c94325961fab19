//! The values of one metric of one piece of equipment, summed up in buckets of equal length.

use std::time::Duration;

use kit::{Error, Result, Timestamp};

use super::{
    chunk::{Row, Summary},
    reading::Sample,
};

/// The shortest bucket.
const SHORTEST: Duration = Duration::from_millis(1);
/// Buckets of a series if nobody says how many.
const POINTS: i64 = 300;
/// Buckets of all series of one query: an answer of so many stays below the 4 MiB that gRPC clients take by default.
pub const BUCKETS: i64 = 50_000;
/// Series of which one call answers the latest values: so many readings stay below that, too.
pub const LATEST: usize = 25_000;
/// Values that one query may look at.
const VALUES: usize = 10_000_000;

/// A span of time cut into buckets. The last one may reach beyond its end, but holds nothing from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Where the first bucket begins.
    pub start: Timestamp,
    /// What lies here or later is left out.
    pub end: Timestamp,
    /// How long a bucket is, in microseconds.
    interval: i64,
    /// What its length was asked for by.
    field: &'static str,
}

/// What is said of the values of one bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    /// Where it begins.
    pub start: Timestamp,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// All together.
    pub sum: f64,
    /// The last one by time.
    pub last: f64,
    /// How many.
    pub count: i64,
}

impl Grid {
    /// A grid of buckets as long as `interval`, or else as short as `max_points` of them allow.
    ///
    /// # Errors
    ///
    /// There is no time between, both are given, or the buckets are too short.
    pub fn new(
        (start, end): (Timestamp, Timestamp),
        interval: Option<Duration>,
        max_points: i64,
    ) -> Result<Self> {
        if end <= start {
            return Err(Error::invalid("end_time", "must be after start_time"));
        }
        if interval.is_some() && max_points != 0 {
            return Err(Error::invalid("max_points", "give either interval or max_points"));
        }
        let shortest = micros(SHORTEST);
        let (interval, field) = if let Some(interval) = interval {
            (micros(interval), "interval")
        } else {
            let points = if max_points == 0 { POINTS } else { max_points };
            (ceiling(end.micros() - start.micros(), points).max(shortest), "max_points")
        };
        if interval < shortest {
            return Err(Error::invalid("interval", "must be at least a millisecond"));
        }
        Ok(Self { start, end, interval, field })
    }

    /// How long a bucket is.
    pub fn interval(&self) -> Duration {
        Duration::from_micros(self.interval.unsigned_abs())
    }

    /// How many buckets there are.
    pub fn len(&self) -> i64 {
        ceiling(self.end.micros() - self.start.micros(), self.interval)
    }

    /// Refuses to answer more than [`BUCKETS`] for so many series.
    pub fn check(&self, series: usize) -> Result<()> {
        let series = i64::try_from(series).unwrap_or(i64::MAX);
        let buckets = self.len().saturating_mul(series);
        if buckets <= BUCKETS {
            return Ok(());
        }
        let problem = format!(
            "{series} series of {} buckets are {buckets}; one query answers at most {BUCKETS}",
            self.len()
        );
        // With one bucket each, fewer of them are no way out.
        let field = if self.len() == 1 { "equipment_ids" } else { self.field };
        Err(Error::invalid(field, problem))
    }

    /// Where the bucket that holds `at` begins.
    fn bucket(&self, at: Timestamp) -> Timestamp {
        let since = at.micros() - self.start.micros();
        Timestamp::from_micros(at.micros() - since.rem_euclid(self.interval))
    }
}

/// Refuses to answer the latest values of more than [`LATEST`] series.
pub fn check_latest(series: usize) -> Result<()> {
    if series <= LATEST {
        return Ok(());
    }
    let problem =
        format!("have {series} series that are asked for; one call answers at most {LATEST}");
    Err(Error::invalid("equipment_ids", problem))
}

impl Bucket {
    /// The arithmetic mean. Of values so large that their sum can't be written, the middle.
    pub fn mean(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "2^53 values would fill any disk")]
        let mean = self.sum / self.count as f64;
        if mean.is_finite() { mean } else { self.min / 2.0 + self.max / 2.0 }
    }
}

/// The buckets of a grid, filled in the order of time.
pub struct Buckets<'g> {
    grid: &'g Grid,
    buckets: Vec<Bucket>,
}

impl<'g> Buckets<'g> {
    /// None yet.
    pub fn new(grid: &'g Grid) -> Self {
        Self { grid, buckets: Vec::new() }
    }

    /// Adds the samples of `rows`, which are in order and later than all before.
    pub fn extend(&mut self, rows: &[Row]) {
        for sample in rows.iter().filter_map(Row::sample) {
            self.push(sample);
        }
    }

    /// Adds a sample, later than all before.
    pub fn push(&mut self, sample: Sample) {
        let Sample { at, value } = sample;
        let one = Bucket { start: at, min: value, max: value, sum: value, last: value, count: 1 };
        self.join(at, &one);
    }

    /// Adds samples, later than all before, that lie in one bucket.
    pub fn add(&mut self, all: &Summary) {
        let Summary { first_at: start, min, max, sum, last, count, .. } = *all;
        self.join(start, &Bucket { start, min, max, sum, last, count });
    }

    fn join(&mut self, at: Timestamp, more: &Bucket) {
        let is_in = |bucket: &Bucket| at.micros() - bucket.start.micros() < self.grid.interval;
        match self.buckets.last_mut().filter(|bucket| is_in(bucket)) {
            Some(bucket) => {
                bucket.min = bucket.min.min(more.min);
                bucket.max = bucket.max.max(more.max);
                bucket.sum += more.sum;
                bucket.last = more.last;
                bucket.count += more.count;
            }
            None => self.buckets.push(Bucket { start: self.grid.bucket(at), ..more.clone() }),
        }
    }

    /// Those that hold something.
    pub fn filled(self) -> Vec<Bucket> {
        self.buckets
    }
}

/// How many values one query may still look at.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    left: usize,
}

impl Budget {
    /// So many, and none looked at.
    pub fn new(limit: usize) -> Self {
        Self { limit, left: limit }
    }

    /// Notes that so many were looked at.
    ///
    /// # Errors
    ///
    /// They are more than were left.
    pub fn spend(&mut self, values: usize) -> Result<()> {
        let left = self.left.checked_sub(values).ok_or_else(|| {
            let problem = format!(
                "more than {} values lie between, the most that one query reads",
                self.limit
            );
            Error::invalid("end_time", problem)
        })?;
        self.left = left;
        Ok(())
    }
}

impl Default for Budget {
    /// Of a query that has looked at nothing.
    fn default() -> Self {
        Self::new(VALUES)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// `whole / part`, rounded up; both are positive.
fn ceiling(whole: i64, part: i64) -> i64 {
    whole / part + i64::from(whole % part != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn grid(end: i64, interval: Option<u64>, max_points: i64) -> Result<Grid> {
        Grid::new((at(500), at(end)), interval.map(Duration::from_micros), max_points)
    }

    #[test]
    fn a_grid_never_has_more_points_than_asked_for() {
        for max_points in [1, 2, 3, 7, 299, 300] {
            for end in [501, 12_345, 1_000_500, 987_654_321] {
                let grid = grid(end, None, max_points).unwrap();
                assert!(grid.len() <= max_points, "{grid:?}");
                assert!(end <= 500 + grid.len() * grid.interval, "{grid:?}");
            }
        }
        assert_eq!(grid(300_000_500, None, 0).unwrap().interval(), Duration::from_secs(1));
    }

    #[test]
    fn a_grid_that_makes_no_sense_is_refused_by_field() {
        for (grid, field) in [
            (grid(500, None, 10), "end_time"),
            (grid(1_000_500, Some(1_000), 10), "max_points"),
            (grid(1_000_500, Some(999), 0), "interval"),
            (
                grid(50_001_500, Some(1_000), 0).and_then(|grid| grid.check(1).map(|()| grid)),
                "interval",
            ),
        ] {
            let Err(Error::Invalid { field: named, .. }) = grid else { panic!("{grid:?} passed") };
            assert_eq!(named, field);
        }
    }

    #[test]
    fn too_many_buckets_are_refused_by_what_made_them_so_many() {
        for (interval, max_points, series, field) in [
            (Some(1_000), 0, 51, "interval"),
            (None, 1_000, 51, "max_points"),
            (None, 0, 167, "max_points"),
            (None, 1, 50_001, "equipment_ids"),
        ] {
            let grid = grid(1_000_500, interval, max_points).unwrap();
            grid.check(series - 1).unwrap();
            let Err(Error::Invalid { field: named, .. }) = grid.check(series) else {
                panic!("{grid:?} passed")
            };
            assert_eq!(named, field);
        }
    }

    #[test]
    fn latest_values_of_too_many_series_are_refused() {
        check_latest(LATEST).unwrap();
        let Err(Error::Invalid { field, problem }) = check_latest(LATEST + 1) else {
            panic!("they passed")
        };
        assert_eq!(field, "equipment_ids");
        assert!(problem.contains("25001 series"), "{problem}");
    }

    #[test]
    fn a_query_that_looks_at_too_much_is_refused_and_the_limit_named() {
        let mut budget = Budget::new(10);
        budget.spend(7).unwrap();
        budget.spend(3).unwrap();
        let Err(Error::Invalid { field, problem }) = budget.spend(1) else { panic!("it passed") };
        assert_eq!(field, "end_time");
        assert!(problem.contains(" 10 "), "{problem}");
    }

    #[test]
    fn a_bucket_begins_at_its_start_and_ends_before_the_next() {
        let grid = grid(3_000_500, Some(1_000_000), 0).unwrap();
        let mut buckets = Buckets::new(&grid);
        for (micros, value) in [(500, 4.0), (1_000_499, -2.0), (2_000_500, 7.0)] {
            buckets.push(Sample { at: at(micros), value });
        }
        let first = Bucket { start: at(500), min: -2.0, max: 4.0, sum: 2.0, last: -2.0, count: 2 };
        let second =
            Bucket { start: at(2_000_500), min: 7.0, max: 7.0, sum: 7.0, last: 7.0, count: 1 };
        assert_eq!(buckets.filled(), [first, second]);
    }

    #[test]
    fn a_mean_is_a_number_whatever_the_values() {
        let grid = grid(3_000_500, Some(1_000_000), 0).unwrap();
        let mut buckets = Buckets::new(&grid);
        for micros in [500, 501, 502] {
            buckets.push(Sample { at: at(micros), value: f64::MAX });
        }
        assert!(buckets.filled()[0].mean().is_finite());
    }
}
