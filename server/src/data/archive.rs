//! A folder of rows with its checksums: what `backup` makes and `restore` reads.
//!
//! ```text
//! manifest.json          what it is of and what it holds
//! SHA256SUMS             checksums of all files, as `sha256sum --check` reads them
//! <service>/<table>.copy the rows
//! ```
//!
//! It is made under another name, and gets its own when all of it is on the disk. There are hashes of passwords and
//! signing keys in it, so nobody else may look.

mod manifest;

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{BufWriter, IntoInnerError, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use indicatif::ProgressBar;
use kit::uuid::Uuid;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use self::manifest::{Manifest, Written, file_name};
use super::{
    Contents, Rows,
    form::{BEGIN, Batch, Cutter, END, hex},
    table::Table,
};

const MANIFEST: &str = "manifest.json";
const SUMS: &str = "SHA256SUMS";
/// Bytes that are read at a time.
const PIECE: usize = 256 * 1024;

/// A folder that is being made. Dropped before it is finished, it is gone.
pub struct Writer {
    /// The name that it shall have.
    target: PathBuf,
    /// Where it is until then.
    folder: PathBuf,
    files: BTreeMap<String, Written>,
}

impl Writer {
    /// Begins a folder that will be `target`.
    ///
    /// # Errors
    ///
    /// There is something of that name, or the folder can't be made there.
    pub fn create(target: &Path) -> anyhow::Result<Self> {
        let is_there = fs::symlink_metadata(target).is_ok();
        ensure!(!is_there, "{} is there already and stays as it is", target.display());
        let name = target.file_name().context("the target has no name")?.to_string_lossy();
        let folder = target.with_file_name(format!("{name}.{}.partial", Uuid::now_v7().simple()));
        make_folder(&folder)?;
        Ok(Self { target: target.to_owned(), folder, files: BTreeMap::new() })
    }

    /// Writes a table.
    pub async fn write(
        &mut self,
        service: &str,
        table: &Table,
        rows: &mut Rows<'_>,
    ) -> anyhow::Result<()> {
        let name = file_name(service, &table.name);
        let folder = self.folder.join(service);
        if !folder.exists() {
            make_folder(&folder)?;
        }
        let mut file = SummedFile::create(&self.folder.join(&name))?;
        file.write(&BEGIN)?;
        while let Some(batch) = rows.next().await {
            file.write(&batch.bytes)?;
        }
        file.write(&END)?;
        self.files.insert(name, file.finish()?);
        Ok(())
    }

    /// Says what it is of, and gives it its name. Answers the bytes that it takes.
    pub fn finish(mut self, engine: &str, at: String, contents: &Contents) -> anyhow::Result<u64> {
        let manifest = Manifest::new(engine, at, contents, &self.files)?;
        let mut file = SummedFile::create(&self.folder.join(MANIFEST))?;
        file.write(&serde_json::to_vec_pretty(&manifest)?)?;
        file.write(b"\n")?;
        self.files.insert(MANIFEST.to_owned(), file.finish()?);

        let mut sums = SummedFile::create(&self.folder.join(SUMS))?;
        for (name, written) in &self.files {
            sums.write(format!("{}  {name}\n", written.sha256).as_bytes())?;
        }
        sums.finish()?;
        for service in &contents.services {
            sync_folder(&self.folder.join(service.schema.service))?;
        }
        sync_folder(&self.folder)?;
        fs::rename(&self.folder, &self.target)
            .with_context(|| format!("can't make {}", self.target.display()))?;
        sync_folder(parent(&self.target))?;
        Ok(self.files.values().map(|written| written.bytes).sum())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // After it got its name there is nothing here; otherwise what can't be removed is named `.partial`.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A folder that was made.
pub struct Archive {
    folder: PathBuf,
    pub manifest: Manifest,
}

impl Archive {
    /// Opens a folder and holds every file in it against its checksum.
    ///
    /// # Errors
    ///
    /// It is no backup, is of a newer form, or not as it was made.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let name = folder.display();
        let sums = fs::read_to_string(folder.join(SUMS));
        let sums = sums.with_context(|| format!("{name} is no backup: it has no {SUMS}"))?;
        let sums =
            sums.lines().map(|line| line.split_once("  ").context("not a line of checksums"));
        let sums: BTreeMap<&str, &str> =
            sums.map(|pair| pair.map(|(sum, file)| (file, sum))).collect::<anyhow::Result<_>>()?;

        check_sum(folder, MANIFEST, &sums)?;
        let manifest = serde_json::from_slice(&fs::read(folder.join(MANIFEST))?);
        let manifest: Manifest = manifest.with_context(|| format!("{MANIFEST} can't be read"))?;
        ensure!(
            manifest.is_known(),
            "{name} was made by a newer version of Flightline ({})",
            manifest.version
        );
        let bar = bytes_bar(&manifest);
        for (file, part) in manifest.files() {
            bar.set_message(file.clone());
            let found = check_sum(folder, &file, &sums)?;
            ensure!(found == part.sha256, "{file} is not the one that was made: checksums differ");
            bar.inc(part.bytes);
        }
        bar.finish_and_clear();
        Ok(Self { folder: folder.to_owned(), manifest })
    }

    /// What it holds.
    ///
    /// # Errors
    ///
    /// It holds what this version doesn't know.
    pub fn contents(&self) -> anyhow::Result<Contents> {
        self.manifest.contents()
    }

    /// Sends all rows of a table out.
    pub async fn read(
        &self,
        service: &str,
        table: &Table,
        out: &mpsc::Sender<Batch>,
    ) -> anyhow::Result<()> {
        let mut file = File::open(self.folder.join(file_name(service, &table.name)))?;
        let mut cutter = Cutter::default();
        let mut piece = vec![0; PIECE];
        loop {
            let length = file.read(&mut piece)?;
            if length == 0 {
                break;
            }
            cutter.push(&piece[..length])?;
            if let Some(batch) = cutter.full() {
                out.send(batch).await?;
            }
        }
        Ok(out.send(cutter.last()?).await?)
    }
}

fn bytes_bar(manifest: &Manifest) -> ProgressBar {
    super::progress("verifying", manifest.files().map(|(_, part)| part.bytes).sum())
}

/// Holds a file against the checksum that it is said to have, and answers it.
fn check_sum(folder: &Path, name: &str, sums: &BTreeMap<&str, &str>) -> anyhow::Result<String> {
    let Some(expected) = sums.get(name) else { bail!("{name} is not among the {SUMS}") };
    let opened = File::open(folder.join(name));
    let mut file = opened.with_context(|| format!("{name} is missing"))?;
    let mut sum = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            break;
        }
        sum.update(&piece[..length]);
    }
    let found = hex(&sum.finalize());
    ensure!(found == *expected, "{name} is not as it was made: its checksum differs");
    Ok(found)
}

/// A file that is summed up as it is written.
struct SummedFile {
    file: BufWriter<File>,
    sum: Sha256,
    bytes: u64,
}

impl SummedFile {
    fn create(path: &Path) -> anyhow::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.with_context(|| format!("can't make {}", path.display()))?;
        Ok(Self { file: BufWriter::new(file), sum: Sha256::new(), bytes: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.file.write_all(bytes)?;
        self.sum.update(bytes);
        self.bytes += u64::try_from(bytes.len())?;
        Ok(())
    }

    fn finish(self) -> anyhow::Result<Written> {
        let file = self.file.into_inner().map_err(IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(Written { bytes: self.bytes, sha256: hex(&self.sum.finalize()) })
    }
}

fn make_folder(path: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .mode(0o700)
        .create(path)
        .with_context(|| format!("can't make {}", path.display()))
}

/// Sees to it that the names in a folder are on the disk.
pub fn sync_folder(path: &Path) -> anyhow::Result<()> {
    Ok(File::open(path)?.sync_all()?)
}

/// The folder that `path` is in.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}
