//! The binary `flightline`: every role of the suite.

use std::process::ExitCode;

#[tokio::main]
#[expect(clippy::print_stderr, reason = "why it ends is for the person who started it")]
async fn main() -> ExitCode {
    let cli = flightline::Cli::read();
    let (traces, name) = cli.traces();
    let result = match kit::process::init_logs(&traces, name) {
        Ok(traces) => {
            let result = flightline::run(cli).await;
            traces.end().await;
            result
        }
        Err(error) => Err(error),
    };
    result.unwrap_or_else(|error| {
        eprintln!("Error: {}", kit::error::causes(&error));
        ExitCode::FAILURE
    })
}
