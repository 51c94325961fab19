//! What the environment says, as the binary takes it.

use std::process::Output;

use clap::CommandFactory;
use flightline::Cli;

use super::{run, text};

/// What telemetry says without anybody to call.
const PARSED: &str = "telemetry needs auth";

/// Starts telemetry, which ends since it lacks its neighbours: nothing more than settings is looked at.
fn telemetry(variables: &[(&str, &str)]) -> Output {
    let ports = ["--grpc-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
    let arguments: Vec<_> = ["serve", "telemetry"].into_iter().chain(ports).collect();
    run(&arguments, variables, "")
}

#[test]
fn a_variable_that_is_set_to_nothing_is_not_set() {
    let command = Cli::command();
    let serve = command.find_subcommand("serve").unwrap();
    let names = serve.get_arguments().filter_map(|argument| argument.get_env()?.to_str());
    let variables: Vec<_> = names.chain(["RUST_LOG"]).map(|name| (name, "")).collect();
    assert!(variables.len() > 30);

    let error = text(&telemetry(&variables).stderr);

    assert!(error.contains(PARSED), "{error}");
}

#[test]
fn a_setting_that_is_no_good_is_refused_by_its_name() {
    for (variable, value) in [
        ("FLIGHTLINE_DATABASE_CONNECTIONS", "0"),
        ("FLIGHTLINE_HTTP_MAX_CONNECTIONS", "0"),
        ("FLIGHTLINE_HTTP_MAX_CONNECTIONS_PER_ADDRESS", "0"),
        ("FLIGHTLINE_AUTH_URL", "http://auth:50051/flightline"),
        ("FLIGHTLINE_HTTP_LISTEN", "localhost:8000"),
        ("FLIGHTLINE_METRICS_LISTEN", "9464"),
        ("DATABASE_URL", "mysql://db/plant"),
        ("RUST_LOG", "kit=loud"),
    ] {
        let error = text(&run(&["serve", "telemetry"], &[(variable, value)], "").stderr);
        assert!(error.contains(variable) && !error.contains(PARSED), "{error}");
    }
    let variables = [("FLIGHTLINE_HTTP_LISTEN", "localhost:8000")];
    let error = text(&telemetry(&variables).stderr);
    assert!(error.contains("must be IP:PORT"), "{error}");
}

#[test]
fn a_secret_that_is_no_good_is_not_shown() {
    for (variable, value) in [
        ("FLIGHTLINE_SERVICE_SECRET", "hunter2"),
        ("DATABASE_URL", "mysql://flightline:hunter2@db/plant"),
        ("DATABASE_URL", "postgres://flightline:hunter2@db:port/plant"),
    ] {
        let ports = ["http", "grpc", "metrics"].map(|port| format!("--{port}-listen=127.0.0.1:0"));
        let arguments: Vec<_> =
            ["serve"].into_iter().chain(ports.iter().map(|port| &**port)).collect();
        let output = run(&arguments, &[(variable, value)], "");

        let error = text(&output.stderr);
        assert!(!output.status.success() && error.contains(variable), "{error}");
        assert!(!error.contains("hunter2") && output.stdout.is_empty(), "{error}");
    }
}

#[test]
fn a_variable_that_nobody_reads_is_told_of() {
    let error = text(&telemetry(&[("FLIGHTLINE_PROFIL", "production")]).stderr);

    let warnings: Vec<_> = error.lines().filter(|line| line.contains("\"WARN\"")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("FLIGHTLINE_PROFIL"), "{error}");
}
