//! The parts of the suite.

use std::fmt;

use kit::peer::{Place, Places};

/// A part of the suite that can run in a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Identity.
    Auth,
    /// The register.
    Equipment,
    /// Tasks and records.
    Maintenance,
    /// Readings, rules and alerts.
    Telemetry,
    /// The REST surface.
    Gateway,
}

impl Part {
    /// Those that serve gRPC, each after those that it calls at its start.
    pub(crate) const SERVICES: [Self; 4] =
        [Self::Auth, Self::Equipment, Self::Maintenance, Self::Telemetry];

    /// As the command line has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Equipment => "equipment",
            Self::Maintenance => "maintenance",
            Self::Telemetry => "telemetry",
            Self::Gateway => "gateway",
        }
    }

    /// Whether it calls `other`.
    pub fn calls(self, other: Self) -> bool {
        match self {
            // When it binds a machine's key to equipment.
            Self::Auth => matches!(other, Self::Equipment),
            Self::Equipment => matches!(other, Self::Auth),
            // Telemetry when it tells what happened to equipment.
            Self::Maintenance => matches!(other, Self::Auth | Self::Equipment | Self::Telemetry),
            Self::Telemetry => matches!(other, Self::Auth | Self::Equipment | Self::Maintenance),
            Self::Gateway => other != Self::Gateway,
        }
    }

    /// Its place in the suite; the gateway is called by nobody and has none.
    pub(crate) fn place(self, places: &Places) -> Option<&Place> {
        match self {
            Self::Auth => Some(&places.auth),
            Self::Equipment => Some(&places.equipment),
            Self::Maintenance => Some(&places.maintenance),
            Self::Telemetry => Some(&places.telemetry),
            Self::Gateway => None,
        }
    }
}

/// The names of the gRPC services that `part` serves, or that all do.
pub(crate) fn services(part: Option<Part>) -> Vec<&'static str> {
    let serves = |name: &&str| {
        part.is_none_or(|part| name.split('.').nth(1).is_some_and(|of| of == part.name()))
    };
    let names = proto::METHODS.iter().filter_map(|method| method.path.split('/').nth(1));
    let mut names: Vec<_> = names.filter(serves).collect();
    names.dedup();
    names
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn the_command_line_knows_every_part_by_its_name() {
        for part in Part::value_variants() {
            assert_eq!(Part::from_str(part.name(), false), Ok(*part));
        }
    }

    #[test]
    fn every_service_is_served_by_one_part() {
        let of_parts: Vec<_> =
            Part::SERVICES.into_iter().flat_map(|part| services(Some(part))).collect();
        assert_eq!(of_parts, services(None));
        assert!(
            services(Some(Part::Equipment)).contains(&"flightline.equipment.v1.EquipmentService")
        );
        assert!(services(Some(Part::Gateway)).is_empty());
    }

    #[test]
    fn services_start_after_those_that_they_call() {
        for (index, service) in Part::SERVICES.iter().enumerate() {
            for later in &Part::SERVICES[index..] {
                // Not before somebody makes a key, or asks for a timeline.
                let late = [(Part::Auth, Part::Equipment), (Part::Maintenance, Part::Telemetry)];
                let is_late = late.contains(&(*service, *later));
                assert!(is_late || !service.calls(*later), "{service} calls {later}");
            }
        }
    }
}
