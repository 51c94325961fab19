//! `flightline restore`: all data from a backup into empty databases.

use std::path::PathBuf;

use kit::db::Config;

use crate::data::{
    Source,
    archive::Archive,
    fill::fill,
    report::{engine, say, tell},
};

/// Fill empty databases from a backup
///
/// Every file is held against its checksum first, and every row that was written is read again and compared before anything
/// is kept. A backup of an older version is brought up to date; one of a newer version is refused.
#[derive(clap::Args)]
pub struct Restore {
    /// The folder that `backup` made
    source: PathBuf,

    #[command(flatten)]
    db: Config,
}

impl Restore {
    /// Does it.
    ///
    /// # Errors
    ///
    /// The backup is not as it was made, or there is data already. Nothing has changed then.
    pub async fn run(self) -> anyhow::Result<()> {
        let archive = Archive::open(&self.source)?;
        let mut contents = archive.contents()?;
        fill(&self.db, &mut Source::Archive(&archive), &mut contents).await?;

        tell(&contents);
        let manifest = &archive.manifest;
        say(&format!(
            "restored into {}: the data as of {}, from a backup of {} by version {}",
            engine(&self.db),
            manifest.taken_at,
            manifest.engine,
            manifest.version
        ));
        Ok(())
    }
}
