//! What `deploy/` and `docker-compose.yml` say of the suite, held against the suite.

mod kubernetes;
mod tls;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use clap::{CommandFactory, Parser};
use flightline::{Cli, Part};
use yaml_rust2::{Yaml, YamlLoader};

/// What the log, the traces' library and docker-compose.yml read; no settings of ours.
const OF_OTHERS: [&str; 5] = [
    "RUST_LOG",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "POSTGRES_PASSWORD",
    "FLIGHTLINE_HTTP_PORT",
];

/// Settings that .env can't make in a container: they are the image's, whose ports docker-compose.yml knows.
const OF_THE_IMAGE: [&str; 5] = [
    "FLIGHTLINE_DATA_DIR",
    "FLIGHTLINE_GRPC_LISTEN",
    "FLIGHTLINE_HTTP_LISTEN",
    "FLIGHTLINE_METRICS_LISTEN",
    "PORT",
];

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Every file below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// What stands in a file of YAML below the top.
fn documents(file: impl AsRef<Path>) -> Vec<Yaml> {
    let text = fs::read_to_string(top().join(file)).unwrap();
    YamlLoader::load_from_str(&text).unwrap()
}

/// The flags of the settings that `flightline serve` knows, by their variables.
fn settings() -> BTreeMap<String, String> {
    let command = Cli::command();
    let serve = command.find_subcommand("serve").unwrap();
    let named = |argument: &clap::Arg| {
        Some((argument.get_env()?.to_str()?.to_owned(), argument.get_long()?.to_owned()))
    };
    serve.get_arguments().filter_map(named).collect()
}

fn text(yaml: &Yaml) -> &str {
    yaml.as_str().unwrap_or_else(|| panic!("no text: {yaml:?}"))
}

fn list(yaml: &Yaml) -> &[Yaml] {
    yaml.as_vec().unwrap_or_else(|| panic!("no list: {yaml:?}"))
}

/// Entries of a mapping, with those that it merges by `<<`; what it says itself comes last.
fn entries(mapping: &Yaml) -> Vec<(&str, &Yaml)> {
    let Some(hash) = mapping.as_hash() else { return Vec::new() };
    let (merged, own): (Vec<_>, Vec<_>) = hash.iter().partition(|(key, _)| text(key) == "<<");
    let merged = merged.into_iter().flat_map(|(_, merged)| entries(merged));
    merged.chain(own.into_iter().map(|(key, value)| (text(key), value))).collect()
}

fn entry<'a>(mapping: &'a Yaml, name: &str) -> Option<&'a Yaml> {
    entries(mapping).into_iter().rev().find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Variables of the suite's containers in `file`, by the service's name.
fn compose(file: &str) -> BTreeMap<String, BTreeMap<String, Yaml>> {
    let document = documents(file).remove(0);
    let parts = entries(&document["services"]).into_iter();
    let parts = parts.filter(|(name, _)| !["postgres", "prometheus", "grafana"].contains(name));
    let variables = |service: &Yaml| {
        let variables = entry(service, "environment").map(entries).unwrap_or_default();
        variables.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
    };
    parts.map(|(name, service)| (name.to_owned(), variables(service))).collect()
}

#[test]
fn deployments_name_settings_that_there_are() {
    let manifests = files(&top().join("deploy/kubernetes")).into_iter();
    let others = [
        "docker-compose.yml",
        "deploy/compose-tls.yml",
        "deploy/Dockerfile",
        "deploy/flightline.service",
    ];
    let settings = settings();

    for file in manifests.chain(others.map(|name| top().join(name))) {
        let text = fs::read_to_string(&file).unwrap();
        let words = text.split(|c: char| !c.is_ascii_uppercase() && c != '_');
        for name in words.filter(|word| word.starts_with("FLIGHTLINE_")) {
            let is_known = settings.contains_key(name) || OF_OTHERS.contains(&name);
            assert!(is_known, "{name} in {}", file.display());
        }
    }
    for (part, variables) in
        compose("docker-compose.yml").into_iter().chain(compose("deploy/compose-tls.yml"))
    {
        for name in variables.keys() {
            let is_known = settings.contains_key(name) || OF_OTHERS.contains(&name.as_str());
            assert!(is_known, "{name} of {part}");
        }
    }
}

#[test]
fn every_setting_of_the_sample_environment_reaches_a_container_of_compose() {
    let mut reached = BTreeSet::new();
    for file in ["docker-compose.yml", "deploy/compose-tls.yml"] {
        reached.extend(compose(file).into_values().flat_map(BTreeMap::into_keys));
        let text = fs::read_to_string(top().join(file)).unwrap();
        let interpolated = text.split("${").skip(1);
        let name = |rest: &str| rest.split([':', '}']).next().unwrap_or_default().to_owned();
        reached.extend(interpolated.map(name));
    }

    let sample = fs::read_to_string(top().join("deploy/.env.example")).unwrap();
    let lines = sample.lines().map(|line| line.trim_start_matches('#'));
    let names = lines.filter_map(|line| Some(line.split_once('=')?.0));
    let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    for name in names.filter(is_name) {
        let is_reached = reached.contains(name);
        assert_ne!(is_reached, OF_THE_IMAGE.contains(&name), "{name}");
    }
}

#[test]
fn a_container_of_compose_gets_no_secret_that_it_does_not_need() {
    let parts = compose("docker-compose.yml");
    let who_has = |name: &str| -> Vec<&str> {
        let have = parts.iter().filter(|(_, variables)| variables.contains_key(name));
        have.map(|(part, _)| part.as_str()).collect()
    };

    assert_eq!(who_has("FLIGHTLINE_ADMIN_PASSWORD"), ["auth"]);
    assert_eq!(who_has("DATABASE_URL"), ["auth", "equipment", "maintenance", "telemetry"]);
    assert_eq!(who_has("FLIGHTLINE_SERVICE_SECRET").len(), 5);
    assert!(who_has("POSTGRES_PASSWORD").is_empty());
}

#[test]
fn commands_are_what_the_command_line_takes() {
    let document = documents("docker-compose.yml").remove(0);
    for part in [Part::Auth, Part::Equipment, Part::Maintenance, Part::Telemetry, Part::Gateway] {
        let command = list(&document["services"][part.name()]["command"]).iter().map(text);
        assert_eq!(command.collect::<Vec<_>>(), ["serve", part.name()]);
    }

    for (file, before) in [
        ("Procfile", "web: flightline "),
        ("deploy/flightline.service", "ExecStart=/usr/local/bin/flightline "),
    ] {
        let text = fs::read_to_string(top().join(file)).unwrap();
        let command = text.lines().find_map(|line| line.strip_prefix(before)).unwrap();
        let words = ["flightline"].into_iter().chain(command.split(' '));
        assert!(Cli::try_parse_from(words).is_ok(), "{command} in {file}");
    }
}

#[test]
fn every_alert_has_a_case_and_an_explanation() {
    let read = |file| fs::read_to_string(top().join(file)).unwrap();
    let (cases, manual) = (read("deploy/alerts.test.yml"), read("docs/operating.md"));
    let rules = documents("deploy/alerts.yml").remove(0);

    for rule in list(&rules["groups"][0]["rules"]) {
        let alert = text(&rule["alert"]);
        assert!(cases.contains(&format!("alertname=\"{alert}\"")), "{alert} is not tried");
        assert!(manual.contains(&format!("\n| `{alert}` |")), "{alert} is not explained");
    }
}
