//! The file that is read.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

/// Whether the file is named `-`.
pub fn is_standard_input(file: &Path) -> bool {
    file == Path::new("-")
}

/// The file and its size, if it has one.
pub fn open(file: &Path) -> anyhow::Result<(Box<dyn Read + Send>, Option<u64>)> {
    if is_standard_input(file) {
        return Ok((Box::new(io::stdin()), None));
    }
    let opened = File::open(file).and_then(|file| Ok((file.metadata()?, file)));
    let (metadata, input) = opened.with_context(|| format!("can't open {}", file.display()))?;
    Ok((Box::new(input), metadata.is_file().then_some(metadata.len())))
}

/// Shown on standard error if that is a terminal.
pub fn progress(size: Option<u64>) -> ProgressBar {
    let Some(size) = size else { return ProgressBar::new_spinner().with_message("sending") };
    let style = ProgressStyle::with_template("{wide_bar} {percent}% {bytes_per_sec} {eta}");
    ProgressBar::new(size).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
