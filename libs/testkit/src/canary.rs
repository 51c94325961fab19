//! What must be seen nowhere. The passwords and secrets of the tests bear a mark; whatever a test logs, at whichever level
//! and by whichever library, and whatever it leaves in its databases is searched for the mark, for access tokens, for
//! tickets and for machines' keys when its [`World`](crate::World) ends.

mod log;
mod secrets;
mod stored;

use std::sync::{Arc, LazyLock};

use kit::db::Config;
pub use log::{record, recorded};
pub use secrets::Secrets;
pub use stored::stored;
use tempfile::TempDir;

/// A password that bears the mark; it is the mark.
pub const PASSWORD: &str = "canary-in-the-coal-mine";
/// Another password that bears it.
pub const OTHER_PASSWORD: &str = "another canary-in-the-coal-mine";
/// What the parts of a deployment share; it bears the mark.
pub const SERVICE_SECRET: &str = "the services' canary-in-the-coal-mine";

/// How every access token begins, whether the auth service signed it or the tests' own issuer, and every ticket to a
/// stream: `{"typ":"at+jwt"`, `{"alg":"EdDSA","kid":"test"` and `{"typ":"ticket+jwt`, in base64url.
const TOKENS: [&str; 3] =
    ["eyJ0eXAiOiJhdCtqd3Qi", "eyJhbGciOiJFZERTQSIsImtpZCI6InRlc3Qi", "eyJ0eXAiOiJ0aWNrZXQrand0"];

/// What no test may log or store.
static STANDING: LazyLock<Secrets> = LazyLock::new(|| Secrets::standing(PASSWORD, &TOKENS));

/// Searches what a test logged and stored, once it is over.
pub struct Canary {
    db: Config,
    _folder: Arc<TempDir>,
}

impl Canary {
    /// Looks at all that is logged from now on.
    pub(crate) fn new(db: Config, folder: Arc<TempDir>) -> Self {
        log::begin();
        Self { db, _folder: folder }
    }
}

impl Drop for Canary {
    /// Stops the test if a secret is where it must not be. A test that failed has something else to say.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        log::assert_clean();
        stored::assert_clean(&self.db, &STANDING);
    }
}
