//! The machines of the demo: what they measure, how they fail, and what is done about it.

use proto::telemetry::v1::rule::Condition;

/// What a family of machines has in common.
#[derive(Debug)]
pub struct Kind {
    /// The equipment's type.
    pub name: &'static str,
    pub manufacturer: &'static str,
    pub metrics: &'static [Metric],
    pub failure: Failure,
    pub rule: Limit,
    /// What a technician does, and what it takes.
    pub work_done: &'static str,
    pub parts_used: &'static str,
}

/// One measured quantity of a sound machine.
#[derive(Debug)]
pub struct Metric {
    pub name: &'static str,
    /// Where it stays, in its own unit.
    pub nominal: f64,
    /// How far it strays from there, and how far the sensor is off.
    pub spread: f64,
}

/// How a machine fails: some of its metrics go slowly where they should not.
#[derive(Debug)]
pub struct Failure {
    /// For people.
    pub name: &'static str,
    /// Metrics and how far each is from nominal when the failure is complete.
    pub effects: &'static [(&'static str, f64)],
    /// From the first sign to the complete failure.
    pub seconds: f64,
}

/// The rule that notices the failure, about half-way.
#[derive(Debug)]
pub struct Limit {
    pub name: &'static str,
    pub metric: &'static str,
    pub condition: Condition,
    pub threshold: f64,
    pub deadband: f64,
    pub guidance: &'static str,
}

impl Limit {
    /// On which side of the threshold the trouble is.
    pub fn direction(&self) -> &'static str {
        if self.condition == Condition::Below { "below" } else { "above" }
    }
}

/// One machine of the demo.
#[derive(Debug)]
pub struct Model {
    pub kind: &'static Kind,
    pub name: &'static str,
    pub serial_number: &'static str,
    pub location: &'static str,
}

/// All machines. The first is on its way to fail when the demo starts.
pub static MODELS: [Model; 6] = [
    Model { kind: &PUMP, name: "Cooling pump 1", serial_number: "DEMO-P1", location: "Hall A" },
    Model { kind: &PUMP, name: "Cooling pump 2", serial_number: "DEMO-P2", location: "Hall A" },
    Model { kind: &GENERATOR, name: "Generator 1", serial_number: "DEMO-G1", location: "Yard" },
    Model { kind: &GENERATOR, name: "Generator 2", serial_number: "DEMO-G2", location: "Yard" },
    Model { kind: &COMPRESSOR, name: "Compressor 1", serial_number: "DEMO-C1", location: "Hall B" },
    Model { kind: &COMPRESSOR, name: "Compressor 2", serial_number: "DEMO-C2", location: "Hall B" },
];

/// Temperatures in °C, vibration in mm/s, flow in m³/h.
static PUMP: Kind = Kind {
    name: "pump",
    manufacturer: "Aqualine",
    metrics: &[
        Metric { name: "bearing_temperature", nominal: 62.0, spread: 0.8 },
        Metric { name: "vibration", nominal: 2.1, spread: 0.15 },
        Metric { name: "flow", nominal: 118.0, spread: 1.5 },
    ],
    failure: Failure {
        name: "its bearing runs dry",
        effects: &[("bearing_temperature", 42.0), ("vibration", 5.5), ("flow", -12.0)],
        seconds: 180.0,
    },
    rule: Limit {
        name: "Bearing too hot",
        metric: "bearing_temperature",
        condition: Condition::Above,
        threshold: 80.0,
        deadband: 5.0,
        guidance: "Take the pump out of service, check the bearing's grease and play.",
    },
    work_done: "Replaced the drive-end bearing and greased it; ran the pump for ten minutes.",
    parts_used: "1 deep-groove ball bearing, 60 g of grease",
};

/// Temperatures in °C, voltage in V, speed in revolutions a minute.
static GENERATOR: Kind = Kind {
    name: "generator",
    manufacturer: "Voltera",
    metrics: &[
        Metric { name: "coolant_temperature", nominal: 84.0, spread: 0.7 },
        Metric { name: "voltage", nominal: 400.0, spread: 1.2 },
        Metric { name: "speed", nominal: 1500.0, spread: 2.0 },
    ],
    failure: Failure {
        name: "its radiator clogs",
        effects: &[("coolant_temperature", 26.0), ("voltage", -9.0), ("speed", -25.0)],
        seconds: 200.0,
    },
    rule: Limit {
        name: "Coolant too hot",
        metric: "coolant_temperature",
        condition: Condition::Above,
        threshold: 96.0,
        deadband: 4.0,
        guidance: "Reduce the load, check the radiator, the fan belt and the coolant's level.",
    },
    work_done: "Cleaned the radiator and topped up the coolant.",
    parts_used: "4 l of coolant",
};

/// Pressure in bar, temperatures in °C.
static COMPRESSOR: Kind = Kind {
    name: "compressor",
    manufacturer: "Pneumac",
    metrics: &[
        Metric { name: "pressure", nominal: 7.5, spread: 0.06 },
        Metric { name: "oil_temperature", nominal: 71.0, spread: 0.6 },
    ],
    failure: Failure {
        name: "its intake valve leaks",
        effects: &[("pressure", -2.6), ("oil_temperature", 14.0)],
        seconds: 160.0,
    },
    rule: Limit {
        name: "Pressure too low",
        metric: "pressure",
        condition: Condition::Below,
        threshold: 6.2,
        deadband: 0.5,
        guidance: "Listen for leaks, check the intake valve and the filter.",
    },
    work_done: "Replaced the intake valve's plate and the filter.",
    parts_used: "1 valve plate, 1 intake filter",
};

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_failure_crosses_its_limit_and_a_repair_comes_back_over_the_deadband() {
        for Model { kind, .. } in &MODELS {
            let Limit { metric, condition, threshold, deadband, .. } = kind.rule;
            let healthy = kind.metrics.iter().find(|other| other.name == metric).unwrap();
            let (_, effect) =
                kind.failure.effects.iter().find(|(name, _)| *name == metric).unwrap();
            // As if all limits were upper ones.
            let sign = if condition == Condition::Above { 1.0 } else { -1.0 };
            let margin = 3.0 * healthy.spread;

            assert!(sign * threshold + margin < sign * (healthy.nominal + effect), "{metric}");
            assert!(sign * healthy.nominal + margin < sign * threshold - deadband, "{metric}");
        }
    }

    #[test]
    fn an_effect_is_one_on_a_metric_of_the_machine() {
        for Model { kind, .. } in &MODELS {
            for (metric, _) in kind.failure.effects {
                assert!(kind.metrics.iter().any(|other| other.name == *metric), "{metric}");
            }
        }
    }

    #[test]
    fn serial_numbers_differ() {
        let numbers: HashSet<_> = MODELS.iter().map(|model| model.serial_number).collect();
        assert_eq!(numbers.len(), MODELS.len());
    }
}
