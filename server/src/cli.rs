//! The command line.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use kit::process::shutdown_on_signal;

use crate::{
    Config, Part, Running, admin, backup::Backup, banner, certificates::Certificates, demo,
    environment, export::Export, health::Health, import::Import, migrate::Migrate, moving::Move,
    restore::Restore,
};

/// Equipment register, work orders and telemetry.
#[derive(Parser)]
#[command(name = "flightline", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the whole suite in this process, or one part of it
    Serve {
        /// The only part to run
        part: Option<Part>,
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Look after the accounts
    #[command(subcommand)]
    Admin(admin::Admin),
    /// Send equipment, tasks, maintenance records or readings from a CSV file to a running suite
    Import(Import),
    /// Write equipment, tasks, maintenance records or readings of a running suite to a CSV file
    #[command(subcommand)]
    Export(Export),
    Health(Health),
    /// Print the OpenAPI document of the REST surface, as `/openapi.json` answers it
    Openapi,
    Migrate(Migrate),
    Backup(Backup),
    Restore(Restore),
    Move(Move),
    Certificates(Certificates),
    /// Run the whole suite with a small living fleet: machines that fail, people who repair them
    Demo {
        #[command(flatten)]
        size: demo::large::Size,
        #[command(flatten)]
        config: Box<Config>,
    },
}

impl Cli {
    /// What the command line and the environment say; ends the process where that can't be used.
    #[must_use]
    pub fn read() -> Self {
        let command = environment::without_empty(Self::command());
        let matches = command.clone().try_get_matches();
        let cli = matches.and_then(|mut matches| Self::from_arg_matches_mut(&mut matches));
        cli.unwrap_or_else(|error| environment::told(error, &command).exit())
    }

    /// Where the traces of what it says go, and as whose.
    pub fn traces(&self) -> (kit::trace::Config, String) {
        let name = |part: Option<Part>| match part {
            Some(part) => format!("flightline-{part}"),
            None => "flightline".to_owned(),
        };
        match &self.command {
            Command::Serve { part, config } => (config.traces.clone(), name(*part)),
            Command::Demo { config, .. } => (config.traces.clone(), name(None)),
            _ => (kit::trace::Config::default(), name(None)),
        }
    }
}

/// Does what the command line says.
///
/// # Errors
///
/// Whatever kept it from being done, for people to read.
pub async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Serve { part, config } => serve(*config, part).await?,
        Command::Admin(admin) => admin.run().await?,
        Command::Import(import) => return import.run().await,
        Command::Export(export) => export.run().await?,
        Command::Health(health) => health.run().await?,
        Command::Openapi => openapi()?,
        Command::Migrate(migrate) => return migrate.run().await,
        Command::Backup(backup) => backup.run().await?,
        Command::Restore(restore) => restore.run().await?,
        Command::Move(moving) => moving.run().await?,
        Command::Certificates(certificates) => certificates.run()?,
        Command::Demo { size, config } if size.is_large() => {
            demo::large::run(*config, size).await?;
        }
        Command::Demo { config, .. } => demo::run(*config, shutdown_on_signal()?).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the document, for whoever makes a client of it.
fn openapi() -> anyhow::Result<()> {
    let document = gateway::document()?;
    match writeln!(io::stdout(), "{document:#}") {
        // Who reads it has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

async fn serve(config: Config, part: Option<Part>) -> anyhow::Result<()> {
    for variable in environment::unknown(&Cli::command()) {
        tracing::warn!(variable, "is set, and is no setting of this version");
    }
    let shutdown = shutdown_on_signal()?;
    let running = Running::start(config.clone(), part, shutdown).await?;
    banner::print(&config, &running);
    let part = part.map_or("all", Part::name);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        part,
        http = running.http_url(),
        grpc = running.grpc_url(),
        metrics = running.metrics_url(),
        "started"
    );
    running.wait().await?;
    tracing::info!(part, "stopped");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_setting_has_the_name_that_is_documented() {
        let command = Cli::command();
        let serve = command.find_subcommand("serve").unwrap();
        let settings: Vec<_> =
            serve.get_arguments().filter_map(|argument| argument.get_env()).collect();

        for name in [
            "FLIGHTLINE_HTTP_LISTEN",
            "PORT",
            "FLIGHTLINE_GRPC_LISTEN",
            "FLIGHTLINE_METRICS_LISTEN",
            "FLIGHTLINE_DATA_DIR",
            "DATABASE_URL",
            "FLIGHTLINE_AUTH_URL",
            "FLIGHTLINE_EQUIPMENT_URL",
            "FLIGHTLINE_MAINTENANCE_URL",
            "FLIGHTLINE_TELEMETRY_URL",
            "FLIGHTLINE_SERVICE_SECRET",
            "FLIGHTLINE_ADMIN_USERNAME",
            "FLIGHTLINE_ADMIN_PASSWORD",
        ] {
            assert!(settings.iter().any(|setting| *setting == name), "{name}");
        }
    }

    /// What docker-compose.yml and the log read; no flag of ours.
    const OF_OTHERS: [&str; 3] = ["POSTGRES_PASSWORD", "FLIGHTLINE_HTTP_PORT", "RUST_LOG"];

    #[test]
    fn the_sample_environment_has_every_setting_and_its_default() {
        let sample = include_str!("../../deploy/.env.example");
        let lines = sample.lines().map(|line| line.trim_start_matches('#'));
        let sample: BTreeMap<_, _> = lines
            .filter_map(|line| line.split_once('='))
            .filter(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
            .collect();
        let command = Cli::command();
        let serve = command.find_subcommand("serve").unwrap();
        let settings = serve.get_arguments().filter_map(|argument| {
            let name = argument.get_env()?.to_str()?;
            let defaults = argument.get_default_values();
            Some((name, defaults.first().and_then(|default| default.to_str())))
        });
        let settings: BTreeMap<_, _> = settings.collect();

        for (name, default) in &settings {
            let value = sample.get(name);
            assert!(value.is_some(), "{name} is missing");
            assert!(default.is_none_or(|default| value == Some(&default)), "{name}={value:?}");
        }
        for name in sample.keys() {
            assert!(
                settings.contains_key(name) || OF_OTHERS.contains(name),
                "{name} is no setting"
            );
        }
    }

    #[test]
    fn no_secret_setting_shows_its_value_in_the_help() {
        let command = Cli::command();
        for command in command.get_subcommands() {
            for argument in command.get_arguments() {
                let name = argument.get_id().as_str();
                let is_secret =
                    ["password", "secret", "database_url"].iter().any(|word| name.contains(word));
                let is_hidden = argument.is_hide_env_values_set() || argument.is_hide_set();
                assert!(!is_secret || is_hidden, "{name}");
            }
        }
    }
}
