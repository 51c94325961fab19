//! Stretches of time.

use std::time::Duration;

use kit::Timestamp;

/// A time from `start` to `end`, which is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Span {
    pub start: Timestamp,
    pub end: Timestamp,
}

impl Span {
    pub fn length(self) -> Duration {
        self.end.since(self.start)
    }

    /// What of it lies in `window`, if anything does.
    pub fn within(self, window: Self) -> Option<Self> {
        let (start, end) = (self.start.max(window.start), self.end.min(window.end));
        (start < end).then_some(Self { start, end })
    }
}

/// The same time in order, without overlap.
pub fn merge(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable_by_key(|span| span.start);
    let mut merged: Vec<Span> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}

pub fn total(spans: &[Span]) -> Duration {
    spans.iter().map(|span| span.length()).sum()
}

/// How much time is in both; each is in order and without overlap.
pub fn common(mut one: &[Span], mut other: &[Span]) -> Duration {
    let mut sum = Duration::ZERO;
    while let ([a, rest_of_one @ ..], [b, rest_of_other @ ..]) = (one, other) {
        sum += a.within(*b).map_or(Duration::ZERO, Span::length);
        if a.end < b.end {
            one = rest_of_one;
        } else {
            other = rest_of_other;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(times: &[(i64, i64)]) -> Vec<Span> {
        let at = Timestamp::from_micros;
        times.iter().map(|(start, end)| Span { start: at(*start), end: at(*end) }).collect()
    }

    #[test]
    fn merged_time_is_the_same_without_overlap() {
        for (given, expected) in [
            (vec![], vec![]),
            (vec![(5, 7), (1, 2)], vec![(1, 2), (5, 7)]),
            (vec![(1, 4), (2, 3), (4, 6)], vec![(1, 6)]),
            (vec![(1, 9), (2, 3), (8, 10)], vec![(1, 10)]),
        ] {
            assert_eq!(merge(spans(&given)), spans(&expected), "{given:?}");
        }
    }

    #[test]
    fn common_time_is_what_both_have() {
        for (one, other, micros) in [
            (vec![], vec![(1, 2)], 0),
            (vec![(1, 5)], vec![(5, 6)], 0),
            (vec![(1, 5), (7, 9)], vec![(0, 2), (4, 8)], 3),
            (vec![(0, 100)], vec![(1, 2), (3, 4), (99, 101)], 3),
        ] {
            let expected = Duration::from_micros(micros);
            let (one, other) = (spans(&one), spans(&other));
            assert_eq!(common(&one, &other), expected, "{one:?} {other:?}");
            assert_eq!(common(&other, &one), expected, "{other:?} {one:?}");
        }
    }
}
