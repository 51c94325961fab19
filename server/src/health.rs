//! Asks a process on this machine whether it is ready: what a container's health check runs.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long the answer may take.
const WITHIN: Duration = Duration::from_secs(2);

/// Ask a running process whether it is ready; the exit code tells
#[derive(clap::Args)]
pub struct Health {
    /// Where that process has its operators' port
    #[arg(long, env = "FLIGHTLINE_METRICS_LISTEN", default_value = "127.0.0.1:9464")]
    metrics_listen: SocketAddr,
}

impl Health {
    /// Succeeds if the process is ready.
    ///
    /// # Errors
    ///
    /// It is not, or it does not answer in time.
    pub async fn run(self) -> anyhow::Result<()> {
        let mut address = self.metrics_listen;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        let answer = timeout(WITHIN, ask(address)).await.context("no answer in time")?;
        let answer = answer.with_context(|| format!("nothing answers at {address}"))?;
        ensure!(
            answer.starts_with("HTTP/1.1 200 "),
            "{}",
            answer.lines().last().unwrap_or_default()
        );
        Ok(())
    }
}

async fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
