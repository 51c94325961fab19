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
fn a_secret_that_is_no_good_is_not_shown() {
    for (variable, value) in [
        ("FLIGHTLINE_SERVICE_SECRET", "hunter2"),
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
