//! `flightline import`: what CSV files hold, sent to a running suite.

mod check;
mod clients;
mod draft;
mod file;
mod login;
mod nouns;
mod plan;
mod problem;
mod readings;
mod rows;
mod sender;
mod table;
pub mod time;
mod write;

use std::process::ExitCode;

use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};

pub use self::login::Client;
use self::{
    nouns::{Options, Records},
    readings::Readings,
};

/// What the process answers when it sent the file but some lines stayed behind.
const SOME_REFUSED: u8 = 2;

/// So many of something, in words: `1 line`, `2 lines`.
fn counted(count: usize, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// `import FILE …` for readings, as ever, or `import NOUN FILE …`.
pub enum Import {
    Readings(Box<Readings>),
    Noun(Box<Noun>),
}

#[derive(Subcommand)]
pub enum Noun {
    /// Send readings; the word may be left out
    Readings(Readings),
    /// Register equipment
    ///
    /// A column a field of the API (`name`, `serial_number`, `attributes.oil`, …). `parent_id` is the id or the serial number
    /// of other equipment, which may stand on another line.
    Equipment(Options),
    /// Create tasks
    ///
    /// A column a field of the API (`title`, `due_date`, `status`, …). `equipment_id` is an id or a serial number,
    /// `assignee_id` an id or a username. A finished task makes no maintenance record: those are imported themselves.
    Tasks(Options),
    /// Record maintenance, in the name of whoever imports
    ///
    /// A column a field of the API (`work_done`, `started_at`, …). `equipment_id` is an id or a serial number; `task_id`
    /// completes that task, unless `--without-tasks` leaves it out.
    Maintenance(Records),
}

impl Import {
    /// Sends the file.
    ///
    /// # Errors
    ///
    /// The file or the suite can't be reached, or gave up underway; the message says how far it came.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        use crate::sheet::Noun::{Equipment, Tasks};
        let noun = match self {
            Self::Readings(readings) => return readings.run().await,
            Self::Noun(noun) => noun,
        };
        match *noun {
            Noun::Readings(readings) => readings.run().await,
            Noun::Equipment(options) => options.run(Equipment, &[]).await,
            Noun::Tasks(options) => options.run(Tasks, &[]).await,
            Noun::Maintenance(records) => records.run().await,
        }
    }
}

// By hand, because readings have their options with and without their word.
impl Args for Import {
    fn augment_args(command: Command) -> Command {
        let about = command.get_about().cloned();
        let command = Noun::augment_subcommands(Readings::augment_args(command));
        let command = command.args_conflicts_with_subcommands(true).subcommand_negates_reqs(true);
        command.about(about.unwrap_or_default()).subcommand_required(false)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Import {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        match matches.subcommand() {
            Some(_) => Noun::from_arg_matches(matches).map(|noun| Self::Noun(Box::new(noun))),
            None => Readings::from_arg_matches(matches)
                .map(|readings| Self::Readings(Box::new(readings))),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
