//! All machines of the demo, simulated: one fails now and then.

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    kind::{MODELS, Model},
    machine::Machine,
};

/// Damage of the first machine at the start, so that a newcomer needn't wait long for the first alert.
const HEAD_START: f64 = 0.36;
/// Seconds of peace between two failures, from and to.
const PEACE: std::ops::Range<f64> = 30.0..90.0;

/// The machines, in the order of [`MODELS`].
#[derive(Debug)]
pub struct Fleet {
    machines: Vec<Machine>,
    /// Seconds until the next one begins to fail.
    peace: f64,
    random: StdRng,
}

/// What happened while the fleet lived on.
#[derive(Debug, PartialEq)]
pub struct Step {
    /// What each machine measured.
    pub values: Vec<Vec<(&'static str, f64)>>,
    /// The machine that began to fail, if one did.
    pub failing: Option<usize>,
}

impl Step {
    /// What the machine at `index` measured.
    pub fn of(&self, index: usize) -> &[(&'static str, f64)] {
        self.values.get(index).map_or(&[], Vec::as_slice)
    }
}

impl Fleet {
    /// A fleet whose first machine has been failing for a while.
    pub fn new(seed: u64) -> Self {
        let seeds = seed..;
        let new = |(model, seed): (&Model, u64)| Machine::new(model.kind, seed);
        let mut machines: Vec<_> = MODELS.iter().zip(seeds).map(new).collect();
        if let Some(first) = machines.first_mut() {
            first.fail_from(HEAD_START);
        }
        Self { machines, peace: PEACE.start, random: StdRng::seed_from_u64(seed) }
    }

    /// Stops the failure of the machine at `index`.
    pub fn repair(&mut self, index: usize) {
        if let Some(machine) = self.machines.get_mut(index) {
            machine.repair();
        }
    }

    /// Lives on for `seconds`. At most half of the machines fail at a time, however slow their repair.
    pub fn step(&mut self, seconds: f64) -> Step {
        self.peace -= seconds;
        let mut failing = None;
        if self.peace <= 0.0 {
            self.peace = self.random.random_range(PEACE);
            failing = self.next_to_fail();
        }
        if let Some(machine) = failing.and_then(|index| self.machines.get_mut(index)) {
            machine.fail();
        }
        Step {
            values: self.machines.iter_mut().map(|machine| machine.step(seconds)).collect(),
            failing,
        }
    }

    /// One of the sound machines, by chance; none while half of all are ailing.
    fn next_to_fail(&mut self) -> Option<usize> {
        let all = self.machines.iter().enumerate();
        let sound: Vec<_> =
            all.filter(|(_, machine)| !machine.is_ailing()).map(|(index, _)| index).collect();
        if sound.len() * 2 <= self.machines.len() {
            return None;
        }
        sound.get(self.random.random_range(0..sound.len())).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(fleet: &mut Fleet, seconds: usize) -> Vec<Step> {
        (0..seconds).map(|_| fleet.step(1.0)).collect()
    }

    #[test]
    fn a_newcomer_sees_the_first_breach_within_half_a_minute_but_not_at_once() {
        for seed in 0..200 {
            let steps = run(&mut Fleet::new(seed), 60);
            let (metric, limit) = (MODELS[0].kind.rule.metric, MODELS[0].kind.rule.threshold);
            let breach = |step: &Step| {
                step.values[0].iter().any(|(name, value)| *name == metric && limit < *value)
            };
            let first = steps.iter().position(breach).unwrap();
            assert!((3..25).contains(&first), "seed {seed}: after {first} s");
        }
    }

    #[test]
    fn machines_fail_again_and_again_if_they_are_repaired() {
        let mut fleet = Fleet::new(1);
        fleet.repair(0);
        let mut failures = [0; MODELS.len()];
        for _ in 0..2 * 60 * 60 {
            if let Some(index) = fleet.step(1.0).failing {
                failures[index] += 1;
                fleet.repair(index);
            }
        }
        assert!(failures.iter().all(|count| 3 < *count), "{failures:?}");
    }

    #[test]
    fn half_of_the_machines_stay_sound_if_nobody_repairs_any() {
        let mut fleet = Fleet::new(1);
        let failed =
            run(&mut fleet, 2 * 60 * 60).iter().filter(|step| step.failing.is_some()).count();
        // With the one that fails from the start.
        assert_eq!(failed + 1, MODELS.len() / 2);
    }
}
