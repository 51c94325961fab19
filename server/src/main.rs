//! The binary `flightline`: every role of the suite.

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let cli = flightline::Cli::parse();
    kit::process::init_logs();
    flightline::run(cli).await
}
