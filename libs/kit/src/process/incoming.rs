//! The connections of a port, each after its greeting: a client that is slow to greet keeps nobody else waiting.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    time::{sleep, timeout},
};
use tokio_stream::{Stream, wrappers::ReceiverStream};

use crate::tls;

/// How long a client may take to greet.
const GREETING: Duration = Duration::from_secs(10);
/// Clients that may be greeting at once; more wait in the listener's queue.
const GREETERS: usize = 256;

/// The connections that come to `listener`, until nobody wants them any more: then the port is closed.
pub fn connections(
    listener: TcpListener,
    tls: Option<tls::Port>,
) -> impl Stream<Item = io::Result<tls::Stream>> {
    let (tell, connections) = mpsc::channel(1);
    tokio::spawn(async move {
        tokio::select! {
            () = accept(listener, tls, &tell) => {}
            () = tell.closed() => {}
        }
    });
    ReceiverStream::new(connections)
}

type Tell = mpsc::Sender<io::Result<tls::Stream>>;

async fn accept(listener: TcpListener, tls: Option<tls::Port>, tell: &Tell) {
    let room = Arc::new(Semaphore::new(GREETERS));
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        let Some(stream) = next(&listener).await else { continue };
        let (tls, tell) = (tls.clone(), tell.clone());
        tokio::spawn(async move {
            let greeted = greet(stream, tls).await;
            drop(place);
            if let Some(stream) = greeted {
                // Nobody takes it if the process ends.
                let _ = tell.send(Ok(stream)).await;
            }
        });
    }
}

async fn next(listener: &TcpListener) -> Option<TcpStream> {
    match listener.accept().await {
        Ok((stream, _)) => Some(stream),
        Err(error) => {
            // Out of file descriptors, mostly: others must finish first.
            tracing::warn!(%error, "cannot accept a connection");
            sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

async fn greet(stream: TcpStream, tls: Option<tls::Port>) -> Option<tls::Stream> {
    let address = stream.peer_addr().ok()?;
    // The server's own option has no say over a listener that it is given: answers would wait 40 ms for the acknowledgement
    // of their beginning.
    stream.set_nodelay(true).ok()?;
    let Some(tls) = tls else { return Some(tls::Stream::Plain(stream)) };
    let error = match timeout(GREETING, tls.greet(stream)).await {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => error,
        Err(elapsed) => elapsed.into(),
    };
    tracing::info!(address = %address.ip(), %error, "a connection was refused");
    None
}
