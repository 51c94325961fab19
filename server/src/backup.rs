//! `flightline backup`: all data into a new folder, while the suite runs.

use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat, Utc};
use kit::{Timestamp, db::Config};

use crate::data::{
    Sink, Source, archive, pour, progress,
    report::{engine, say, tell},
    snapshot::{Beside, Snapshot},
};

/// Copy all data into a new folder, while the suite runs
///
/// The folder shows one instant of all databases: every write that was acknowledged before the backup began is in it. It
/// can be restored into embedded databases or into a server, whichever it was made of. Passwords' hashes and signing keys
/// are in it: keep it as safe as the databases.
#[derive(clap::Args)]
pub struct Backup {
    /// The folder to make; there must be nothing of that name
    target: PathBuf,

    #[command(flatten)]
    db: Config,
}

impl Backup {
    /// Makes it.
    ///
    /// # Errors
    ///
    /// There is no data, or the folder can't be made; then there is none.
    pub async fn run(self) -> anyhow::Result<()> {
        let mut writer = archive::Writer::create(&self.target)?;
        let mut snapshot = Snapshot::take(&self.db, Beside::Others).await?;
        let mut contents = snapshot.contents().await?;

        let bar = progress("writing", contents.rows());
        for service in &mut contents.services {
            for stock in &mut service.tables {
                let mut source = Source::Place(snapshot.place());
                let mut sink = Sink::Archive(&mut writer);
                let name = service.schema.service;
                let tally = pour(&mut source, &mut sink, name, &stock.table, &bar).await?;
                stock.tally = Some(tally);
                stock.rows = tally.rows;
            }
        }
        bar.finish_and_clear();

        let at = rfc3339(snapshot.at);
        let bytes = writer.finish(engine(&self.db), at.clone(), &contents)?;
        tell(&contents);
        say(&format!("{bytes} bytes in {}: the data as of {at}", self.target.display()));
        Ok(())
    }
}

fn rfc3339(at: Timestamp) -> String {
    let at = DateTime::<Utc>::from_timestamp_micros(at.micros()).unwrap_or_default();
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
