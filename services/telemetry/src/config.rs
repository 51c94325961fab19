//! Settings.

use crate::domain::retention::{ByMetric, Days, Retention};

/// How long readings are kept.
#[derive(Clone, Debug, clap::Args)]
// Every part's settings are called `Config`; clap would take the name for one and the same group.
#[group(skip)]
pub struct Config {
    /// Days for which readings are kept, by the time that they carry; or "forever".
    #[arg(long, env = "FLIGHTLINE_RETENTION_DAYS", value_name = "DAYS", default_value = "forever")]
    pub retention_days: Days,

    /// Days for which the readings of single metrics are kept: temperature=365,debug_*=7. The first that fits counts.
    #[arg(
        long,
        env = "FLIGHTLINE_RETENTION_METRICS",
        value_name = "METRIC=DAYS,…",
        default_value = "",
        hide_default_value = true
    )]
    pub retention_metrics: ByMetric,
}

impl Config {
    /// What they say.
    pub(crate) fn retention(&self) -> Retention {
        Retention { all: self.retention_days, metrics: self.retention_metrics.clone() }
    }
}

impl Default for Config {
    /// Everything is kept for ever.
    fn default() -> Self {
        Self { retention_days: Days::default(), retention_metrics: ByMetric::default() }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        config: Config,
    }

    #[test]
    fn the_settings_are_consistent() {
        Command::command().debug_assert();
        let command = Command::parse_from(["telemetry"]);
        assert!(command.config.retention().is_endless());
    }
}
