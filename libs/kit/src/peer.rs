//! How one part of the suite calls another: the same generated client, whether the other part is in this process or
//! across the network.

mod lines;
mod replicas;

use std::{
    convert::Infallible,
    sync::{Arc, OnceLock},
};

use http::{Request, Response};
pub use replicas::NOTICED_WITHIN;
use replicas::Replicas;
use tonic::{Status, body::Body};
use tower::{ServiceExt, util::BoxCloneSyncService};

use crate::{Error, forwarded::Witness, tls, trace};

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

impl Peers {
    /// The same, with calls that `witness` vouches for.
    #[must_use]
    pub fn vouched(self, witness: &Witness) -> Self {
        let vouched = |peer: Peer| {
            let witness = witness.clone();
            let vouch = move |mut request: Request<Body>| {
                witness.vouch(request.headers_mut());
                request
            };
            BoxCloneSyncService::new(peer.map_request(vouch))
        };
        Self {
            auth: vouched(self.auth),
            equipment: vouched(self.equipment),
            maintenance: vouched(self.maintenance),
            telemetry: vouched(self.telemetry),
        }
    }
}

/// How a caller knows that a server in TLS is the one that it means.
#[derive(Clone)]
pub struct Secure {
    /// The caller's side.
    pub client: tls::Client,
    /// The name that the server's certificate must bear; none: that of the host in its URL.
    pub name: Option<&'static str>,
}

/// A service at `urls`, which commas separate: all its replicas, wherever their names lead, as one. They begin with
/// `http://`, or all with `https://` if the calls shall be `secure`. Must be called within a runtime.
///
/// # Errors
///
/// One of them is no URL of that kind.
pub fn remote(urls: &str, secure: Option<&Secure>) -> anyhow::Result<Peer> {
    Ok(over(Replicas::at(urls, String::new(), secure)?))
}

/// The part of the suite that is called `name`, at `urls`, as above; secure, if there is a `client` for that. Who serves
/// anything else at such an address is not called, and in TLS must bear that name.
///
/// # Errors
///
/// As above.
pub fn part(name: &'static str, urls: &str, client: Option<&tls::Client>) -> anyhow::Result<Peer> {
    // By what it is, and not by where it runs.
    let secure = client.map(|client| Secure { client: client.clone(), name: Some(name) });
    Ok(over(Replicas::at(urls, format!("flightline.{name}.v1"), secure.as_ref())?))
}

fn over(replicas: Replicas) -> Peer {
    BoxCloneSyncService::new(tower::service_fn(move |mut request: Request<Body>| {
        trace::pass_on(request.headers_mut());
        replicas.clone().call(request)
    }))
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
        BoxCloneSyncService::new(tower::service_fn(move |mut request: Request<Body>| {
            trace::pass_on(request.headers_mut());
            let service = place.get().cloned();
            async move {
                let Some(service) = service else {
                    let starting = Error::Unavailable("the service is starting");
                    return Ok(Status::from(starting).into_http());
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
mod tests;
