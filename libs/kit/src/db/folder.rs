//! Who uses the folder of the embedded databases: any number of processes that serve from it, or one that replaces or
//! moves away what is in it.

use std::{
    fs::{File, TryLockError},
    path::Path,
};

use anyhow::{Context, bail, ensure};

/// A folder's use, until this is dropped or the process ends, by whatever end.
#[derive(Debug)]
pub struct FolderLock {
    _file: Option<File>,
}

impl FolderLock {
    /// The folder in it that is there while a restore is under way, and after one that was cut off.
    pub const UNFINISHED: &str = "restoring";

    /// Beside others that share it.
    ///
    /// # Errors
    ///
    /// Somebody has it alone, or a restore into it was cut off.
    pub fn shared(folder: &Path) -> anyhow::Result<Self> {
        let name = folder.display();
        let file = open(folder)?;
        let lock = Self::kept(file.try_lock_shared(), file, folder);
        let Some(lock) = lock else { bail!("{name} is being restored or moved") };
        let is_whole = !folder.join(Self::UNFINISHED).try_exists()?;
        ensure!(is_whole, "a restore into {name} was cut off: run it again");
        Ok(lock)
    }

    /// With nobody beside.
    ///
    /// # Errors
    ///
    /// Somebody uses it.
    pub fn alone(folder: &Path) -> anyhow::Result<Self> {
        let file = open(folder)?;
        let lock = Self::kept(file.try_lock(), file, folder);
        lock.with_context(|| format!("a process works on {}: stop it first", folder.display()))
    }

    /// None if it is somebody else's.
    fn kept(locked: Result<(), TryLockError>, file: File, folder: &Path) -> Option<Self> {
        match locked {
            Ok(()) => Some(Self { _file: Some(file) }),
            Err(TryLockError::WouldBlock) => None,
            // Some network file systems have no locks; the databases' own would not hold there, either.
            Err(TryLockError::Error(error)) => {
                tracing::warn!(%error, folder = %folder.display(), "can't be locked");
                Some(Self { _file: None })
            }
        }
    }
}

fn open(folder: &Path) -> anyhow::Result<File> {
    File::open(folder).with_context(|| format!("can't open the folder {}", folder.display()))
}
