//! How one part of the suite calls another: the same generated client, whether the other part is in this process or
//! across the network.

use std::{
    convert::Infallible,
    sync::{Arc, OnceLock},
    time::Duration,
};

use http::{Request, Response};
use tonic::{Code, Status, body::Body, transport::Endpoint};
use tower::{ServiceExt, util::BoxCloneSyncService};

/// Carries calls to one service; give it to a generated client.
///
/// Its error is a type of its own and no boxed trait: the compiler can't show that a handler which awaits the latter may
/// move between threads.
pub type Peer = BoxCloneSyncService<Request<Body>, Response<Body>, Status>;

/// The services of the suite, as one of its parts calls them.
#[derive(Clone)]
pub struct Peers {
    /// Identity.
    pub auth: Peer,
    /// The register.
    pub equipment: Peer,
    /// Tasks and records.
    pub maintenance: Peer,
    /// Readings, rules and alerts.
    pub telemetry: Peer,
}

/// A service at `url`, connected at the first call and again whenever the connection breaks.
///
/// # Errors
///
/// `url` is not one.
pub fn remote(url: &str) -> anyhow::Result<Peer> {
    let endpoint = Endpoint::from_shared(url.to_owned())?
        .connect_timeout(Duration::from_secs(5))
        .http2_keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20))
        .keep_alive_while_idle(true)
        .tcp_nodelay(true);
    let channel = endpoint.connect_lazy();
    Ok(BoxCloneSyncService::new(channel.map_err(|error| away(Status::from_error(error.into())))))
}

/// A connection that breaks under a call has no status of its own, and tonic calls that `UNKNOWN`; to whoever called,
/// the service is away, as it is when there is no connection to begin with.
fn away(status: Status) -> Status {
    match status.code() {
        Code::Unknown => Status::unavailable("the connection broke"),
        _ => status,
    }
}

/// A service that will run in this process. Parts refer to each other in circles, so each gets the others' places
/// first, and the places are filled as the parts start.
#[derive(Clone, Default)]
pub struct Place(Arc<OnceLock<Local>>);

/// A service of this process: calls cost no socket and no second encoding.
type Local = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

impl Place {
    /// Fills the place. The first service stays.
    pub fn fill<S>(&self, service: S)
    where
        S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
    {
        // The first one wins; filling twice would be a bug of the start-up code and harmless.
        let _ = self.0.set(BoxCloneSyncService::new(service));
    }

    /// Carries calls to whatever fills the place; `UNAVAILABLE` before that.
    pub fn peer(&self) -> Peer {
        let place = Arc::clone(&self.0);
        BoxCloneSyncService::new(tower::service_fn(move |request: Request<Body>| {
            let service = place.get().cloned();
            async move {
                let Some(service) = service else {
                    return Ok(Status::unavailable("the service is starting").into_http());
                };
                service.oneshot(request).await.map_err(|never| match never {})
            }
        }))
    }
}

/// A place for every service of the suite, filled or not.
#[derive(Clone, Default)]
pub struct Places {
    /// Identity.
    pub auth: Place,
    /// The register.
    pub equipment: Place,
    /// Tasks and records.
    pub maintenance: Place,
    /// Readings, rules and alerts.
    pub telemetry: Place,
}

impl Places {
    /// The services that fill the places, now or later.
    pub fn peers(&self) -> Peers {
        Peers {
            auth: self.auth.peer(),
            equipment: self.equipment.peer(),
            maintenance: self.maintenance.peer(),
            telemetry: self.telemetry.peer(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

    use super::*;

    #[tokio::test]
    async fn a_service_that_dies_under_a_call_is_away() {
        /// An empty SETTINGS frame: what an HTTP/2 server says first.
        const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.write_all(&SETTINGS).await.unwrap();
                // Takes what comes first, and is gone before it answers.
                stream.read_buf(&mut Vec::new()).await.unwrap();
            }
        });

        let mut client = HealthClient::new(remote(&url).unwrap());
        let status = client.check(HealthCheckRequest::default()).await.unwrap_err();

        assert_eq!(status.code(), Code::Unavailable, "{status}");
    }
}
