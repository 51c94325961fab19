//! Up to when the chunks of series reach, so that whoever asks for last values that are recent needs to read no chunk.

use std::collections::HashMap;

use kit::Timestamp;

use super::Recent;
use crate::domain::{chunk::Row, journal::Seal, reading::Sample};

/// How far the chunks of each series reach, where that is known, or not as far.
#[derive(Debug, Default)]
pub struct Reach(HashMap<i64, End>);

#[derive(Debug)]
struct End {
    /// Up to when values were sealed since the journal is followed.
    sealed: Timestamp,
    /// When the last chunk ended that somebody read; unknown before.
    read: Option<Timestamp>,
}

impl Reach {
    /// Notes that values were sealed.
    pub fn seal(&mut self, Seal { series_id, through }: Seal) {
        let end = self.end(series_id);
        end.sealed = end.sealed.max(through);
    }

    /// Knows nothing any more: what was sealed meanwhile was not heard of.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn end(&mut self, series_id: i64) -> &mut End {
        let end = || End { sealed: Timestamp::MIN, read: None };
        self.0.entry(series_id).or_insert_with(end)
    }

    /// The time at or before which all chunks of a series end.
    fn of(&self, series_id: i64) -> Option<Timestamp> {
        let end = self.0.get(&series_id)?;
        Some(end.read?.max(end.sealed))
    }
}

impl Recent {
    /// The last value of a series, if it is recent and known to be later than all that is sealed.
    pub fn newest(&self, series_id: i64) -> Option<Sample> {
        let last = self.backwards(series_id, Timestamp::MAX, |row| row.value().is_some());
        let last = last.iter().find_map(Row::sample)?;
        // After the rows: what is sealed in between counts.
        let reach = self.read().reach.of(series_id)?;
        (reach <= last.at).then_some(last)
    }

    /// Notes when the last chunks of series end, by what was read since somebody [caught up](Self::catch_up); the earliest time
    /// where there is none.
    pub fn note_ends(&self, ends: impl IntoIterator<Item = (i64, Timestamp)>) {
        let mut state = self.write();
        for (series_id, at) in ends {
            let end = state.reach.end(series_id);
            end.read = end.read.max(Some(at));
        }
    }
}
