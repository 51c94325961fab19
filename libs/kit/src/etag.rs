//! Writes that are for one state of a resource (AIP-154).

use crate::{Error, Result};

/// Refuses a write whose `etag` is of another revision than the one that there is; no `etag` is for any. `message` says what was
/// changed meanwhile.
///
/// # Errors
///
/// It is of another revision.
pub fn check(etag: &str, revision: i64, message: &'static str) -> Result<()> {
    if etag.is_empty() || etag == revision.to_string() {
        return Ok(());
    }
    Err(Error::Stale(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_for_one_revision_or_for_any() {
        for (etag, is_taken) in [("", true), ("7", true), ("6", false), ("07", false), ("x", false)]
        {
            assert_eq!(check(etag, 7, "changed").is_ok(), is_taken, "{etag:?}");
        }
    }
}
