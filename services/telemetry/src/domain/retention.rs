//! How long readings are kept.

use std::{fmt, str::FromStr, time::Duration};

use kit::Timestamp;

/// How long the readings of each metric are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Those of metrics that are not named.
    pub all: Days,
    /// Those of metrics that are.
    pub metrics: ByMetric,
}

/// A number of days, or for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Days(Option<u32>);

/// Days of single metrics; of those that fit a metric the first counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByMetric(Vec<(String, Days)>);

impl Retention {
    /// From when on values of `metric` are kept by `now`.
    pub fn begin(&self, metric: &str, now: Timestamp) -> Timestamp {
        let named = self.metrics.0.iter().find(|(pattern, _)| fits(pattern, metric));
        match named.map_or(self.all, |(_, days)| *days) {
            Days(Some(days)) => now.minus(Duration::from_hours(24 * u64::from(days))),
            Days(None) => Timestamp::MIN,
        }
    }

    /// Whether all is kept for ever.
    pub fn is_endless(&self) -> bool {
        self.all.0.is_none() && self.metrics.0.iter().all(|(_, days)| days.0.is_none())
    }
}

/// Whether `metric` is `pattern`, or begins with it if that ends with a star.
fn fits(pattern: &str, metric: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => metric.starts_with(beginning),
        None => pattern == metric,
    }
}

impl FromStr for Days {
    type Err = String;

    /// A whole number from 1 on, or `forever`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            // A variable that is set to nothing is not set.
            "" | "forever" => Ok(Self(None)),
            _ => match text.parse() {
                Ok(days) if 0 < days => Ok(Self(Some(days))),
                _ => Err(format!("{text:?} is neither a number of days nor \"forever\"")),
            },
        }
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(days) => days.fmt(f),
            None => f.write_str("forever"),
        }
    }
}

impl FromStr for ByMetric {
    type Err = String;

    /// `temperature=365,debug_*=7`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = text.split(',').map(str::trim).filter(|named| !named.is_empty());
        let one = |named: &str| {
            let (pattern, days) =
                named.split_once('=').ok_or_else(|| format!("{named:?} is not metric=days"))?;
            let name = pattern.strip_suffix('*').unwrap_or(pattern);
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if !name.chars().all(is_name) || pattern.is_empty() || days.is_empty() {
                return Err(format!("{named:?} is not metric=days"));
            }
            Ok((pattern.to_owned(), days.parse()?))
        };
        named.map(one).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;

    fn retention(all: &str, metrics: &str) -> Retention {
        Retention { all: all.parse().unwrap(), metrics: metrics.parse().unwrap() }
    }

    #[test]
    fn the_first_that_fits_counts() {
        let retention = retention("30", "temperature=365, debug_level=forever,debug_*=7");
        let now = Timestamp::from_micros(1000 * DAY);
        for (metric, days) in
            [("temperature", 365), ("temperature_2", 30), ("debug_x", 7), ("debug_", 7), ("a", 30)]
        {
            let begin = Timestamp::from_micros((1000 - days) * DAY);
            assert_eq!(retention.begin(metric, now), begin, "{metric}");
        }
        assert_eq!(retention.begin("debug_level", now), Timestamp::MIN);
        assert!(!retention.is_endless());
    }

    #[test]
    fn nothing_said_is_for_ever() {
        assert!(retention("", "").is_endless());
        assert!(retention("forever", "a=forever").is_endless());
        assert!(!retention("forever", "a=1").is_endless());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for days in ["0", "-1", "1.5", "a year"] {
            assert!(days.parse::<Days>().is_err(), "{days}");
        }
        for metrics in ["a", "a=", "=7", "a=0", "A=7", "a*b=7", "a=7;b=8"] {
            assert!(metrics.parse::<ByMetric>().is_err(), "{metrics}");
        }
    }
}
