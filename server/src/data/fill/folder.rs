//! The folder of embedded databases that are being filled: beside their place, until all of them are whole.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, MetadataExt, chown},
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use kit::db::{Config, FolderLock, keep_private};

use crate::data::{SCHEMAS, archive::sync_folder};

/// What SQLite lays beside a database, by the end of its name. It plays what such a file holds into whatever database is there.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

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
    /// There is data, or what a database that is gone has left, or somebody uses the folder.
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
            for left in left_by(config, schema.service) {
                ensure!(
                    !left.try_exists()?,
                    "{} belongs to a database that is gone, and would change the one that is put there: move it away",
                    left.display()
                );
            }
        }
        let made = DirBuilder::new().mode(0o700).create(&beside);
        made.with_context(|| format!("can't make {}", beside.display()))?;
        Ok(Self { config: config.clone(), beside, _lock: lock })
    }

    /// Makes the file of a service, for its owner's eyes alone, where it is until all are whole.
    ///
    /// # Errors
    ///
    /// It can't be made.
    pub fn make(&self, service: &str) -> anyhow::Result<PathBuf> {
        let file = self.file(service);
        keep_private(&file).with_context(|| format!("can't make {}", file.display()))?;
        Ok(file)
    }

    fn file(&self, service: &str) -> PathBuf {
        self.beside.join(format!("{service}.db"))
    }

    /// Puts them in their place.
    pub fn put_in_place(self) -> anyhow::Result<()> {
        let services = || SCHEMAS.into_iter().map(|schema| schema.service);
        let made = || services().filter(|service| self.file(service).exists());
        for service in made() {
            let file = self.file(service);
            give(&file, &self.config.data_dir)
                .with_context(|| format!("can't give {} away", file.display()))?;
            File::open(file)?.sync_all()?;
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

/// What a database of that service that is gone may have left.
fn left_by(config: &Config, service: &str) -> impl Iterator<Item = PathBuf> {
    let file = config.file(service).into_os_string();
    BESIDE.into_iter().map(move |end| {
        let mut file = file.clone();
        file.push(end);
        file.into()
    })
}

fn remove_databases(config: &Config) -> anyhow::Result<()> {
    for schema in SCHEMAS {
        for file in left_by(config, schema.service).chain([config.file(schema.service)]) {
            match fs::remove_file(file) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
    }
    Ok(())
}

/// What root has made goes to whose the folder is: the service, which is not root, shall write to it.
fn give(file: &Path, folder: &Path) -> io::Result<()> {
    let (made, owner) = (fs::metadata(file)?, fs::metadata(folder)?);
    if made.uid() == 0 && owner.uid() != 0 {
        chown(file, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_being_filled_is_its_owners_alone_and_then_the_folders_owners() {
        let place = tempfile::tempdir().unwrap();
        let data_dir = place.path().to_owned();
        let config = Config { data_dir, database_url: None, database_connections: 1 };
        // Anybody may look in, and where we may give things away, it is somebody else's.
        fs::set_permissions(&config.data_dir, fs::Permissions::from_mode(0o755)).unwrap();
        let _ = chown(&config.data_dir, Some(65534), Some(65534));

        let folder = Folder::prepare(&config).unwrap();
        let file = folder.make("auth").unwrap();

        assert_eq!((mode(file.parent().unwrap()), mode(&file)), (0o700, 0o600));
        folder.put_in_place().unwrap();
        let (made, owner) = (fs::metadata(config.file("auth")), fs::metadata(&config.data_dir));
        let (made, owner) = (made.unwrap(), owner.unwrap());
        assert_eq!((made.uid(), made.gid()), (owner.uid(), owner.gid()));
        assert_eq!(mode(&config.file("auth")), 0o600);
    }
}
