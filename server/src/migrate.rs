//! `flightline migrate`: brings the databases to the schema of this binary.

use std::process::ExitCode;

use kit::db::Step;

use crate::data::SCHEMAS;

/// What the process answers when it was asked what is pending, and something is.
const PENDING: u8 = 2;

/// Bring the databases of all services to the schema of this version
///
/// `serve` does so, too; this does it before the first new process starts, and alone. Answers 0 if all are up to date, 2
/// if `--check` found something pending, 1 if it failed.
#[derive(clap::Args)]
pub struct Migrate {
    /// Only say what is pending, and change nothing
    #[arg(long)]
    check: bool,

    #[command(flatten)]
    db: kit::db::Config,
}

impl Migrate {
    /// Does it.
    ///
    /// # Errors
    ///
    /// A database can't be reached, is of a newer version, or a step fails: that step has then changed nothing.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let mut is_pending = false;
        for schema in SCHEMAS {
            let steps = schema.pending(&self.db).await?;
            if !self.check && !steps.is_empty() {
                schema.open(&self.db).await?.close().await;
            }
            tell(schema.service, &steps, self.check);
            is_pending |= !steps.is_empty();
        }
        Ok(if self.check && is_pending { PENDING.into() } else { ExitCode::SUCCESS })
    }
}

#[expect(clippy::print_stdout, reason = "for the person who asked")]
fn tell(service: &str, steps: &[Step], check: bool) {
    let names: Vec<_> =
        steps.iter().map(|step| format!("{:04} {}", step.version, step.name)).collect();
    match (names.as_slice(), check) {
        ([], _) => println!("{service}: up to date"),
        (names, true) => println!("{service}: pending: {}", names.join(", ")),
        (names, false) => println!("{service}: done: {}", names.join(", ")),
    }
}
