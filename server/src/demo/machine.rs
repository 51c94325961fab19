//! One machine, simulated.

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::kind::Kind;

/// How fast a metric returns to where it belongs, a second.
const PULL: f64 = 0.1;
/// How fast a repaired machine gets back to normal, as parts of the failure a second.
const RECOVERY: f64 = 0.1;

/// A machine that measures itself, fails and is repaired. The same seed lives the same life.
#[derive(Debug)]
pub struct Machine {
    kind: &'static Kind,
    /// How far each metric has strayed from nominal, without the failure.
    strays: Vec<f64>,
    /// From 0, sound, to 1, failed.
    damage: f64,
    is_failing: bool,
    random: StdRng,
}

impl Machine {
    /// A sound machine.
    pub fn new(kind: &'static Kind, seed: u64) -> Self {
        let strays = vec![0.0; kind.metrics.len()];
        Self { kind, strays, damage: 0.0, is_failing: false, random: StdRng::seed_from_u64(seed) }
    }

    /// Begins to fail, or goes on.
    pub fn fail(&mut self) {
        self.is_failing = true;
    }

    /// Begins to fail as one that nobody has looked at for a while: `damage` is done already.
    pub fn fail_from(&mut self, damage: f64) {
        self.damage = damage;
        self.fail();
    }

    /// Stops failing; its values come back by and by.
    pub fn repair(&mut self) {
        self.is_failing = false;
    }

    /// Whether it is failing or has not come back yet.
    pub fn is_ailing(&self) -> bool {
        self.is_failing || 0.0 < self.damage
    }

    /// Lives on for `seconds` and measures.
    pub fn step(&mut self, seconds: f64) -> Vec<(&'static str, f64)> {
        let rate = if self.is_failing { 1.0 / self.kind.failure.seconds } else { -RECOVERY };
        self.damage = (self.damage + rate * seconds).clamp(0.0, 1.0);

        let Self { kind, strays, damage, random, .. } = self;
        let metrics = kind.metrics.iter().zip(strays);
        metrics
            .map(|(metric, stray)| {
                // Drawn to nominal, pushed about by chance: strays about as far as `spread`.
                let push = metric.spread * (2.0 * PULL * seconds).sqrt();
                *stray += noise(random) * push - *stray * (PULL * seconds).min(1.0);
                let sensor = noise(random) * metric.spread * 0.2;
                let value = metric.nominal + *stray + sensor + *damage * kind.effect(metric.name);
                (metric.name, rounded(value))
            })
            .collect()
    }
}

impl Kind {
    /// How far a complete failure takes a metric from nominal.
    fn effect(&self, metric: &str) -> f64 {
        let effects = self.failure.effects.iter();
        effects.filter(|(name, _)| *name == metric).map(|(_, effect)| effect).sum()
    }
}

/// Nearly normal, of mean 0 and variance 1, never beyond ±3.
fn noise(random: &mut StdRng) -> f64 {
    (0..3).map(|_| random.random_range(-1.0..1.0)).sum()
}

/// To what a sensor would show.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use proto::telemetry::v1::rule::Condition;

    use super::*;
    use crate::demo::kind::MODELS;

    fn machines() -> impl Iterator<Item = Machine> {
        MODELS.iter().zip(1..).map(|(model, seed)| Machine::new(model.kind, seed))
    }

    /// The value that its rule looks at, after each of so many seconds.
    fn watched(machine: &mut Machine, seconds: usize) -> Vec<f64> {
        let metric = machine.kind.rule.metric;
        let mut step =
            || machine.step(1.0).into_iter().find(|(name, _)| *name == metric).unwrap().1;
        (0..seconds).map(|_| step()).collect()
    }

    fn is_breach(kind: &Kind, value: f64) -> bool {
        match kind.rule.condition {
            Condition::Above => kind.rule.threshold < value,
            _ => value < kind.rule.threshold,
        }
    }

    /// How far beyond the deadband a value is, on the good side.
    fn is_clear(kind: &Kind, value: f64) -> bool {
        match kind.rule.condition {
            Condition::Above => value < kind.rule.threshold - kind.rule.deadband,
            _ => kind.rule.threshold + kind.rule.deadband < value,
        }
    }

    #[test]
    fn a_sound_machine_strays_but_raises_nothing() {
        for mut machine in machines() {
            let values = watched(&mut machine, 2 * 60 * 60);

            assert!(!values.iter().any(|value| is_breach(machine.kind, *value)));
            let change = |pair: &[f64]| (pair[0] - pair[1]).abs();
            assert!(values.windows(2).any(|pair| 0.01 < change(pair)));
        }
    }

    #[test]
    fn a_failing_machine_breaches_within_minutes_and_stays_there() {
        for mut machine in machines() {
            machine.fail();
            let values = watched(&mut machine, 600);

            let first = values.iter().position(|value| is_breach(machine.kind, *value)).unwrap();
            assert!((30..180).contains(&first), "after {first} s");
            assert!(values[300..].iter().all(|value| is_breach(machine.kind, *value)));
        }
    }

    #[test]
    fn a_repaired_machine_comes_back_within_seconds() {
        for mut machine in machines() {
            machine.fail();
            machine.step(600.0);
            machine.repair();
            assert!(machine.is_ailing());
            watched(&mut machine, 15);

            assert!(!machine.is_ailing());
            let values = watched(&mut machine, 600);
            assert!(values.iter().all(|value| is_clear(machine.kind, *value)));
        }
    }

    #[test]
    fn the_same_seed_lives_the_same_life() {
        let life = |seed| {
            let mut machine = Machine::new(MODELS[0].kind, seed);
            (0..100).map(|_| machine.step(1.0)).collect::<Vec<_>>()
        };
        assert_eq!(life(7), life(7));
        assert_ne!(life(7), life(8));
    }
}
