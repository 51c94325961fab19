//! What tests of the suite's clients need.

use kit::peer::Peer;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::{
    Config, Running,
    session::{Credentials, Session},
};

const PASSWORD: &str = "correct horse battery staple";

/// A whole suite on free ports, with data of its own.
pub async fn suite() -> (Running, Config, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    let ports = ["--http-listen", "--grpc-listen", "--metrics-listen"];
    let ports = ports.into_iter().flat_map(|port| [port, "127.0.0.1:0"]);
    let arguments = ["--data-dir", data.as_str(), "--admin-password", PASSWORD];
    let config = Config::from_arguments(ports.chain(arguments)).unwrap();
    let running = Running::start(config.clone(), None, CancellationToken::new()).await;
    (running.unwrap(), config, folder)
}

/// The suite's first admin, logged in.
pub async fn admin(auth: Peer) -> Session {
    let credentials = Credentials { username: "admin".into(), password: PASSWORD.into() };
    Session::log_in(auth, credentials).await.unwrap()
}
