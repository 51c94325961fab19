//! TLS on the ports and between the parts of the suite: certificates from files, which are read again when they change.
//!
//! Where an authority is given, both ends prove themselves. A part is known by the DNS name in its certificate, which is
//! the part's own (`equipment`), wherever it runs: who calls it asks for that name, and it asks its callers for theirs.

mod client;
mod file;
mod listed;
mod port;
mod stream;

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use rustls::crypto::CryptoProvider;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

pub use client::Client;
pub use file::Files;
pub use port::{Port, Protocols, Visitors};
pub use stream::{Origin, Stream};

use file::Pem;

use crate::error::causes;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// What was made of files, as they are now.
type Made<T> = watch::Receiver<Arc<T>>;

/// The one implementation of the ciphers: what tokens are signed with, too.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Reads `files`, and makes something of them now and whenever they have changed, for as long as somebody wants it. Files
/// that are no good any more, such as a certificate whose key is yet to be written, leave things as they were.
///
/// # Errors
///
/// They are no good to begin with.
async fn made_of<T: Send + Sync + 'static>(
    files: Files,
    read: impl Fn(&Pem) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<Made<T>> {
    let mut known = files.read().await?;
    let made = read(&known).with_context(|| format!("can't use {files}"))?;
    let (tell, made) = watch::channel(Arc::new(made));
    tokio::spawn(async move {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = tell.closed() => return,
            }
            // A file that is being replaced may be away for a moment.
            let Ok(found) = files.read().await else { continue };
            if found == known {
                continue;
            }
            match read(&found) {
                Ok(made) => {
                    tell.send_replace(Arc::new(made));
                    tracing::info!(%files, "certificates have changed and were read");
                }
                Err(error) => {
                    tracing::warn!(%files, error = causes(&error), "certificates have changed, but are no good: the old ones stay");
                }
            }
            known = found;
        }
    });
    Ok(made)
}

#[cfg(test)]
mod tests;
