//! The binary `flightline`: every role of the suite.

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
#[expect(clippy::print_stderr, reason = "why it ends is for the person who started it")]
async fn main() -> ExitCode {
    let cli = flightline::Cli::parse();
    kit::process::init_logs();
    flightline::run(cli).await.unwrap_or_else(|error| {
        eprintln!("Error: {error:#}");
        ExitCode::FAILURE
    })
}
