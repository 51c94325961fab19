//! The longer chores, in Rust: `cargo xtask <chore>`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod arrows;
mod files;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The longer chores")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Check that our crates depend on each other only as ARCHITECTURE.md draws it
    Arrows,
    /// Check that no Rust file is too long to read in one go
    Files,
}

#[expect(clippy::print_stderr, reason = "what a chore finds is for the person who runs it")]
fn main() -> ExitCode {
    let done = match Arguments::parse().chore {
        Chore::Arrows => arrows::run(),
        Chore::Files => files::run(),
    };
    if let Err(error) = done {
        eprintln!("{error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
