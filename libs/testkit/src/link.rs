//! A stretch of network that fails on command.

use std::{net::SocketAddr, time::Duration};

use sqlx::{ConnectOptions, postgres::PgConnectOptions};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    time::sleep,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Lies between the clients of a server and the server, and carries their bytes, until it is told otherwise. Gone when
/// dropped.
pub struct Link {
    /// Where clients find the server at the other end.
    pub url: String,
    state: watch::Sender<State>,
    _gone: DropGuard,
}

#[derive(Clone, Copy)]
struct State {
    passage: Passage,
    /// How many connections there have been.
    connections: u64,
    /// The first so many of them carry nothing any more.
    lost: u64,
}

/// What becomes of the bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Passage {
    /// They arrive after so long.
    Open(Duration),
    /// They wait.
    Held,
    /// Their connections break.
    Cut,
}

impl Link {
    /// A link to the server at `url`, which works.
    ///
    /// # Panics
    ///
    /// `url` does not begin with `http://`.
    pub async fn to(url: &str) -> Self {
        let server = url.strip_prefix("http://").unwrap().to_owned();
        Self::lay(server, |address| format!("http://{address}")).await
    }

    /// A link to the database at `url`, which works.
    ///
    /// # Panics
    ///
    /// `url` is no `postgres://…`.
    pub async fn to_database(url: &str) -> Self {
        let options: PgConnectOptions = url.parse().unwrap();
        let server = format!("{}:{}", options.get_host(), options.get_port());
        let begins = |address: SocketAddr| {
            let options = options.host(&address.ip().to_string()).port(address.port());
            options.to_url_lossy().to_string()
        };
        Self::lay(server, begins).await
    }

    /// A link to `server`, whose beginning at an address is called as `url` says.
    async fn lay(server: String, url: impl FnOnce(SocketAddr) -> String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = url(listener.local_addr().unwrap());
        let passage = Passage::Open(Duration::ZERO);
        let state = watch::Sender::new(State { passage, connections: 0, lost: 0 });
        let gone = CancellationToken::new();
        let listening = listen(listener, server, state.clone(), gone.clone());
        tokio::spawn(gone.clone().run_until_cancelled_owned(listening));
        Self { url, state, _gone: gone.drop_guard() }
    }

    /// Half-open from now on, as when a cable is pulled or the machine at the other end hangs: nothing arrives, nothing is
    /// closed.
    pub fn hold(&self) {
        self.set(Passage::Held);
    }

    /// The connections that there are stay half-open for ever, as when a firewall has forgotten them; new ones work.
    pub fn lose(&self) {
        self.state.send_modify(|state| state.lost = state.connections);
    }

    /// Breaks all connections from now on, new ones too.
    pub fn cut(&self) {
        self.set(Passage::Cut);
    }

    /// Has everything arrive that much later from now on.
    pub fn delay(&self, by: Duration) {
        self.set(Passage::Open(by));
    }

    /// Works again; what was held arrives.
    pub fn mend(&self) {
        self.delay(Duration::ZERO);
    }

    fn set(&self, passage: Passage) {
        self.state.send_modify(|state| state.passage = passage);
    }
}

async fn listen(
    listener: TcpListener,
    server: String,
    state: watch::Sender<State>,
    gone: CancellationToken,
) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        state.send_modify(|state| state.connections += 1);
        let number = state.borrow().connections;
        let (server, mut state) = (server.clone(), state.subscribe());
        let carried = connect(client, server, Watched { state: state.clone(), number });
        let gone = gone.clone();
        tokio::spawn(async move {
            // Whatever ends first closes both ends.
            tokio::select! {
                _ = carried => {}
                _ = state.wait_for(|state| state.passage == Passage::Cut) => {}
                () = gone.cancelled() => {}
            }
        });
    }
}

/// Carries one connection's bytes both ways until both ends have closed.
async fn connect(client: TcpStream, server: String, watched: Watched) -> Option<()> {
    watched.clone().passes().await?;
    let server = TcpStream::connect(server).await.ok()?;
    client.set_nodelay(true).ok()?;
    server.set_nodelay(true).ok()?;
    let (client, server) = (client.into_split(), server.into_split());
    tokio::join!(
        carry(client.0, server.1, watched.clone()),
        carry(server.0, client.1, watched.clone())
    );
    Some(())
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut watched: Watched) {
    let mut buffer = vec![0; 16 << 10];
    while let Some(delay) = watched.passes().await {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            _ = watched.state.changed() => continue,
        };
        let length = read.unwrap_or_default();
        sleep(delay).await;
        // What was under way when the link began to hold is held, too, and so is the news that an end has closed.
        if watched.passes().await.is_none()
            || length == 0
            || to.write_all(&buffer[..length]).await.is_err()
        {
            return;
        }
    }
}

/// The link's state, as one of its connections sees it.
#[derive(Clone)]
struct Watched {
    state: watch::Receiver<State>,
    /// The how manieth connection it is.
    number: u64,
}

impl Watched {
    /// Waits until bytes pass, and answers how long they take; never, if the connection is lost.
    async fn passes(&mut self) -> Option<Duration> {
        let number = self.number;
        let passes = |state: &State| state.lost < number && state.passage != Passage::Held;
        match self.state.wait_for(passes).await.ok()?.passage {
            Passage::Open(delay) => Some(delay),
            _ => None,
        }
    }
}
