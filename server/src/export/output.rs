//! Where an export goes.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process,
};

use anyhow::Context;

/// What is written. A file that is there keeps what it has until all is written: who exports every night has yesterday's still
/// when the suite goes away midway.
pub struct Output {
    pub rows: csv::Writer<Box<dyn Write + Send>>,
    part: Option<Part>,
}

impl Output {
    /// Begins to write what `file` shall have; `-` is standard output.
    ///
    /// # Errors
    ///
    /// It can't be written.
    pub fn open(file: &Path) -> anyhow::Result<Self> {
        if file == Path::new("-") {
            return Ok(Self::to(io::stdout(), None));
        }
        let cannot = || format!("can't write {}", file.display());
        if is_channel(file) {
            let opened = File::options().write(true).open(file).with_context(cannot)?;
            return Ok(Self::to(BufWriter::new(opened), None));
        }
        let (part, made) = Part::make(file).with_context(cannot)?;
        Ok(Self::to(BufWriter::new(made), Some(part)))
    }

    fn to(output: impl Write + Send + 'static, part: Option<Part>) -> Self {
        Self { rows: csv::Writer::from_writer(Box::new(output)), part }
    }

    /// Puts it in its place.
    ///
    /// # Errors
    ///
    /// It can't be written. The file has what it had.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.rows.flush().context("can't write the file")?;
        self.part.map_or(Ok(()), Part::keep).context("can't write the file")
    }
}

/// Whether `file` is there and takes what is written to it elsewhere, as a pipe or a terminal does: nothing can stand in for it.
fn is_channel(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|there| !there.is_file() && !there.is_dir())
}

/// A file beside the one that it becomes; gone, if it never does.
struct Part {
    path: PathBuf,
    file: PathBuf,
}

impl Part {
    fn make(file: &Path) -> io::Result<(Self, File)> {
        // A link stays a link.
        let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let name = file.file_name().ok_or(io::ErrorKind::IsADirectory)?;
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.part", process::id()));
        let path = file.with_file_name(hidden);
        let made = File::create(&path)?;
        let part = Self { path, file };
        if let Ok(there) = fs::metadata(&part.file) {
            if there.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            made.set_permissions(there.permissions())?;
        }
        Ok((part, made))
    }

    fn keep(self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        fs::rename(&self.path, &self.file)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Where it became the file, there is nothing to remove.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn names(folder: &Path) -> Vec<OsString> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_when_all_is_written_and_keeps_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("tasks.csv"), folder.path().join("link.csv"));
        fs::write(&file, "yesterday").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&file, &link).unwrap();

        for (path, row) in [(&file, "today"), (&link, "tomorrow")] {
            let before = fs::read_to_string(&file).unwrap();
            let mut output = Output::open(path).unwrap();
            output.rows.write_record([row]).unwrap();
            output.rows.flush().unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), before);
            output.finish().unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), format!("{row}\n"));
        }

        assert!(link.is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(folder.path()), ["link.csv", "tasks.csv"]);
    }

    #[test]
    fn what_is_not_finished_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let mut output = Output::open(&folder.path().join("new.csv")).unwrap();
        output.rows.write_record(["today"]).unwrap();
        drop(output);
        assert!(Output::open(folder.path()).is_err());
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn what_is_no_file_is_written_to() {
        let output = Output::open(Path::new("/dev/null")).unwrap();
        assert!(output.part.is_none());
        output.finish().unwrap();
    }
}
