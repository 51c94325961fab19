//! The arrows between our crates: which of them may depend on which.

use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

use self::May::{Anything, Only};

/// What each crate may depend on. ARCHITECTURE.md draws the same and says why; a new crate or a
/// new arrow is added in both.
const ARROWS: [(&str, May); 12] = [
    ("proto", Only(&[])),
    ("kit", Only(&[])),
    ("testkit", Only(&["kit", "proto"])),
    ("auth", Only(&["kit", "proto"])),
    ("equipment", Only(&["kit", "proto"])),
    ("maintenance", Only(&["kit", "proto"])),
    ("telemetry", Only(&["kit", "proto"])),
    ("gateway", Only(&["kit", "proto"])),
    (
        "flightline",
        Only(&["auth", "equipment", "gateway", "kit", "maintenance", "proto", "telemetry"]),
    ),
    ("e2e", Only(&["flightline", "kit", "proto", "testkit"])),
    ("benches", Anything),
    ("xtask", Only(&[])),
];

/// Every other crate has it as a dev-dependency only, if at all.
const TESTKIT: &str = "testkit";
/// Services whose tests run against the real neighbour in memory, in place of an imitation that could lie.
const TEST_NEIGHBOURS: [(&str, &str); 6] = [
    ("auth", "equipment"),
    ("maintenance", "auth"),
    ("maintenance", "equipment"),
    ("maintenance", "telemetry"),
    ("telemetry", "equipment"),
    ("telemetry", "maintenance"),
];
/// Their tests need neither a database nor a server.
const WITHOUT_TESTKIT: [&str; 3] = ["proto", "testkit", "xtask"];

enum May {
    Only(&'static [&'static str]),
    Anything,
}

/// One of our crates and what it takes from the others.
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    for_tests: bool,
}

/// Checks the workspace, and fails with a sentence for each arrow that isn't drawn.
pub fn run() -> anyhow::Result<()> {
    let violations = violations(&packages(&metadata()?)?);
    ensure!(violations.is_empty(), "the arrows between the crates:\n{}", violations.join("\n"));
    Ok(())
}

fn metadata() -> anyhow::Result<Value> {
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .output()
        .context("cargo can't be run")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo metadata failed:\n{error}");
    serde_json::from_slice(&output.stdout).context("cargo metadata isn't JSON")
}

/// A dependency is one of ours if it has a path.
fn packages(metadata: &Value) -> anyhow::Result<Vec<Package>> {
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array();
            let ours = dependencies
                .context("a package has no dependencies")?
                .iter()
                .filter(|dependency| dependency["path"].is_string());
            let dependencies = ours.map(|dependency| {
                Ok(Dependency { name: name(dependency)?, for_tests: dependency["kind"] == "dev" })
            });
            Ok(Package {
                name: name(package)?,
                dependencies: dependencies.collect::<anyhow::Result<_>>()?,
            })
        })
        .collect()
}

fn name(item: &Value) -> anyhow::Result<String> {
    Ok(item["name"].as_str().context("an entry of cargo metadata has no name")?.to_owned())
}

fn violations(packages: &[Package]) -> Vec<String> {
    packages.iter().flat_map(violations_of).collect()
}

fn violations_of(package: &Package) -> Vec<String> {
    let from = package.name.as_str();
    let Some((_, may)) = ARROWS.iter().find(|(name, _)| *name == from) else {
        return vec![format!(
            "{from} is not drawn: add it to ARCHITECTURE.md and to xtask/src/arrows.rs."
        )];
    };
    package.dependencies.iter().filter_map(|dependency| violation(from, may, dependency)).collect()
}

fn violation(from: &str, may: &May, dependency: &Dependency) -> Option<String> {
    let to = dependency.name.as_str();
    match may {
        Anything => None,
        Only(names) if names.contains(&to) => None,
        Only(_) if to == TESTKIT && !WITHOUT_TESTKIT.contains(&from) => {
            let outside_tests = !dependency.for_tests;
            outside_tests.then(|| format!("{from} depends on testkit outside its tests."))
        }
        Only(_) if dependency.for_tests && TEST_NEIGHBOURS.contains(&(from, to)) => None,
        Only([]) => Some(format!("{from} depends on {to}, but on no crate of ours may it.")),
        Only(names) => {
            Some(format!("{from} depends on {to}, but may depend on {} only.", names.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(from: &str, to: &str, kind: Option<&str>) -> Vec<String> {
        let metadata = json!({ "packages": [{
            "name": from,
            "dependencies": [
                { "name": "serde", "kind": null, "path": null },
                { "name": to, "kind": kind, "path": "/somewhere" },
            ],
        }] });
        violations(&packages(&metadata).unwrap())
    }

    #[test]
    fn a_drawn_arrow_is_no_violation() {
        assert_eq!(check("equipment", "kit", None), [""; 0]);
        assert_eq!(check("flightline", "equipment", None), [""; 0]);
        assert_eq!(check("benches", "telemetry", None), [""; 0]);
    }

    #[test]
    fn a_service_meets_its_neighbours_in_its_tests_alone() {
        assert_eq!(check("telemetry", "maintenance", Some("dev")), [""; 0]);
        assert_eq!(check("telemetry", "maintenance", None).len(), 1);
    }

    #[test]
    fn services_never_depend_on_each_other() {
        let sentence = "equipment depends on auth, but may depend on kit, proto only.";

        assert_eq!(check("equipment", "auth", None), [sentence]);
        assert_eq!(check("equipment", "auth", Some("dev")), [sentence]);
        assert_eq!(check("equipment", "auth", Some("build")), [sentence]);
    }

    #[test]
    fn kit_and_proto_depend_on_no_crate_of_ours() {
        assert_eq!(
            check("proto", "kit", None),
            ["proto depends on kit, but on no crate of ours may it."]
        );
        assert_eq!(check("kit", "proto", None).len(), 1);
    }

    #[test]
    fn only_tests_depend_on_testkit() {
        assert_eq!(check("gateway", "testkit", Some("dev")), [""; 0]);
        assert_eq!(check("e2e", "testkit", None), [""; 0]);
        assert_eq!(
            check("gateway", "testkit", None),
            ["gateway depends on testkit outside its tests."]
        );
        assert_eq!(check("proto", "testkit", Some("dev")).len(), 1);
    }

    #[test]
    fn a_crate_that_is_not_drawn_is_a_violation() {
        assert_eq!(
            check("billing", "kit", None),
            ["billing is not drawn: add it to ARCHITECTURE.md and to xtask/src/arrows.rs."]
        );
    }
}
