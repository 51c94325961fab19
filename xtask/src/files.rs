//! No Rust file is longer than a reader takes in at one sitting.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

const MOST_LINES: usize = 350;
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Counts the lines of every Rust file that git tracks, and fails with a sentence for each file
/// that is too long.
pub fn run() -> anyhow::Result<()> {
    let mut too_long = Vec::new();
    for name in tracked_files()? {
        let path = Path::new(ROOT).join(&name);
        // A file that git tracks may have been removed and not committed yet.
        if path.exists() {
            let text = fs::read_to_string(path).with_context(|| name.clone())?;
            too_long.extend(complaint(&name, &text));
        }
    }

    ensure!(
        too_long.is_empty(),
        "a file is about one noun and is read at one sitting; split these by noun or verb:\n{}",
        too_long.join("\n")
    );
    Ok(())
}

fn tracked_files() -> anyhow::Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "*.rs"])
        .current_dir(ROOT)
        .output()
        .context("git can't be run")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git ls-files failed:\n{error}");
    let names = String::from_utf8(output.stdout).context("a file's name isn't UTF-8")?;
    Ok(names.split_terminator('\0').map(str::to_owned).collect())
}

fn complaint(name: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > MOST_LINES).then(|| format!("{name} has {lines} lines; {MOST_LINES} are the most."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_have_350_lines_and_no_more() {
        assert_eq!(complaint("a.rs", &"\n".repeat(350)), None);
        assert_eq!(
            complaint("a.rs", &"\n".repeat(351)).unwrap(),
            "a.rs has 351 lines; 350 are the most."
        );
    }
}
