//! The folder of embedded databases that are being filled: beside their place, until all of them are whole.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::PathBuf,
};

use anyhow::{Context, ensure};
use kit::db::{Config, FolderLock};

use crate::{data::archive::sync_folder, migrate::SCHEMAS};

/// Dropped before the databases are in their place, nothing is there.
pub struct Folder {
    config: Config,
    /// Where they are until then. While it is there, no service starts.
    beside: PathBuf,
    _lock: FolderLock,
}

impl Folder {
    /// Makes it. What a restore that was cut off has left is removed.
    ///
    /// # Errors
    ///
    /// There is data, or somebody uses the folder.
    pub fn prepare(config: &Config) -> anyhow::Result<Self> {
        config.make_folder()?;
        let lock = FolderLock::alone(&config.data_dir)?;
        let beside = config.data_dir.join(FolderLock::UNFINISHED);
        if beside.try_exists()? {
            // It was made when there was no data, and no service starts beside it.
            remove_databases(config)?;
            fs::remove_dir_all(&beside)?;
        }
        for schema in SCHEMAS {
            let is_there = config.file(schema.service).try_exists()?;
            ensure!(!is_there, "{} holds data of Flightline already", config.data_dir.display());
        }
        fs::create_dir(&beside).with_context(|| format!("can't make {}", beside.display()))?;
        Ok(Self { config: config.clone(), beside, _lock: lock })
    }

    /// Where the database of a service is until all are whole.
    pub fn file(&self, service: &str) -> PathBuf {
        self.beside.join(format!("{service}.db"))
    }

    /// Puts them in their place.
    pub fn put_in_place(self) -> anyhow::Result<()> {
        let services = || SCHEMAS.into_iter().map(|schema| schema.service);
        let made = || services().filter(|service| self.file(service).exists());
        for service in made() {
            File::open(self.file(service))?.sync_all()?;
        }
        sync_folder(&self.beside)?;
        for service in made().collect::<Vec<_>>() {
            fs::rename(self.file(service), self.config.file(service))?;
        }
        sync_folder(&self.config.data_dir)?;
        // From here on it is whole.
        fs::remove_dir_all(&self.beside)?;
        sync_folder(&self.config.data_dir)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.beside.exists() {
            // Whatever stays because it can't be removed keeps services from starting on it.
            let _ = remove_databases(&self.config);
            let _ = fs::remove_dir_all(&self.beside);
        }
    }
}

fn remove_databases(config: &Config) -> anyhow::Result<()> {
    for schema in SCHEMAS {
        match fs::remove_file(config.file(schema.service)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}
