//! What the log of a process says of its life.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use serde_json::Value;

#[test]
fn the_log_tells_of_the_start_and_of_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_flightline"));
    command.arg("serve");
    for port in ["http", "grpc", "metrics"] {
        command.arg(format!("--{port}-listen=127.0.0.1:0"));
    }
    command.arg(format!("--data-dir={}", folder.path().display()));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).env_clear();
    let mut process = command.spawn().unwrap();
    let lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let mut lines = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());

    let started = lines.find(|line| line["message"] == "started").unwrap();
    assert_eq!(started["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(started["part"], "all");
    for port in ["http", "grpc", "metrics"] {
        assert!(started[port].as_str().unwrap().starts_with("http://127.0.0.1:"), "{started}");
    }

    let id = process.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(lines.last().unwrap()["message"], "stopped");
    assert!(process.wait().unwrap().success());
}
