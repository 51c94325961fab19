//! What the metrics are told of readings.

use kit::{Error, Result};
use metrics::{counter, histogram};

use super::{Job, Work, Written};

/// All that may come of values.
pub const OUTCOMES: [&str; 5] = ["kept", "repeated", "refused", "failed", "turned_away"];

/// What came of the values of one job.
pub fn came(work: &Work, outcome: &'static str) {
    count(work.values(), outcome);
}

/// So many values of a batch were refused by what they say; a reading without any counts as one.
pub fn refused(values: usize) {
    count(values.max(1), "refused");
}

fn count(values: usize, outcome: &'static str) {
    let values = u64::try_from(values).unwrap_or(u64::MAX);
    counter!("flightline_ingest_values_total", "outcome" => outcome).increment(values);
}

/// What came of the values of one job, by what its sender is told.
pub fn told(work: &Work, written: &Result<Written>) {
    if let (Work::Add { readings, .. }, Ok(Written::Partly(places))) = (work, written) {
        let refused = places.iter().filter_map(|place| readings.get(*place));
        let refused = refused.map(|reading| reading.metrics.len()).sum();
        count(refused, "refused");
        count(work.values() - refused, "kept");
        return;
    }
    let outcome = match written {
        Ok(Written::Replayed(_)) => "repeated",
        Ok(_) => "kept",
        Err(Error::Unavailable(_) | Error::Internal(_)) => "failed",
        Err(_) => "refused",
    };
    came(work, outcome);
}

/// How many values one transaction wrote.
pub fn group(group: &[Job]) {
    let values = group.iter().map(Job::values).sum::<usize>();
    // A group is far smaller than what a float can count.
    let values = u32::try_from(values).unwrap_or(u32::MAX);
    histogram!("flightline_ingest_group_values").record(values);
}
