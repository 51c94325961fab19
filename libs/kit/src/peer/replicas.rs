//! Calls to the replicas of one service: each goes to the one with the fewest under way, among those that serve.
//!
//! Names are looked up again and again, so replicas come and go without a restart of their callers. Each replica is asked for
//! its health before its first call, and left out until it passes a check; so is one from the first call that finds it away, or
//! the first check that it does not pass. When none passes, one is called all the same: its own error says more than ours.

use std::{
    collections::BTreeMap,
    error::Error as _,
    iter::successors,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context, ensure};
use futures_util::future::join_all;
use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    net::{TcpStream, lookup_host},
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};
use tonic::{Code, Status, body::Body, transport::Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tower::ServiceExt;

use super::{Secure, lines::Lines};
use crate::{error::Error, tls};

/// How often names are looked up and replicas are asked for their health.
const EVERY: Duration = Duration::from_millis(500);
/// How long that may take.
const WITHIN: Duration = Duration::from_millis(400);
/// How long it takes at most until a replica is left out that says that it does not serve.
pub const NOTICED_WITHIN: Duration = EVERY.saturating_add(WITHIN);
/// How often a connection is tried when nothing comes, and how long that may take: one that died without a word is replaced
/// within twice this.
const KEEP_ALIVE: Duration = Duration::from_millis(2500);
/// How long a call waits for the first look-up and the checks of what it finds.
const FIRST_LOOKUP: Duration = Duration::from_secs(2);

/// The replicas of a service, wherever they are now.
#[derive(Clone)]
pub struct Replicas {
    members: watch::Receiver<Members>,
    turn: Arc<AtomicUsize>,
}

type Members = Arc<[Arc<Member>]>;

/// One replica.
struct Member {
    lines: Lines,
    serves: AtomicBool,
    under_way: AtomicUsize,
}

/// One of the addresses that the service was given: a host, which may have several addresses, and a port.
struct Name {
    origin: Uri,
    host: String,
    port: u16,
    /// How a caller makes sure that a replica is one, if the calls are secure.
    proof: Option<(tls::Client, ServerName<'static>)>,
}

impl Replicas {
    /// Those at `urls`, which commas separate; `service` is what their health is asked of, or nothing for all that they are.
    /// Must be called within a runtime.
    ///
    /// # Errors
    ///
    /// One of them is no URL, or does not say what `secure` says.
    pub fn at(urls: &str, service: String, secure: Option<&Secure>) -> anyhow::Result<Self> {
        let names = urls.split(',').map(|url| Name::parse(url.trim(), secure));
        let names = names.collect::<anyhow::Result<Vec<_>>>()?;
        let (tell, members) = watch::channel(Members::default());
        tokio::spawn(follow(names, HealthCheckRequest { service }, tell));
        Ok(Self { members, turn: Arc::default() })
    }

    /// Calls one of them.
    ///
    /// # Errors
    ///
    /// `UNAVAILABLE`: there is none, or its connection broke.
    pub async fn call(mut self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let member = self.pick().await?;
        let _under_way = UnderWay::begin(&member);
        let (channel, place) = member.lines.take();
        match channel.oneshot(request).await {
            // What the service itself has to say comes in trailers; its body fails when the connection does.
            Ok(answer) => Ok(answer.map(|body| {
                Body::new(body.map_err(move |status| {
                    let _until_the_end = &place;
                    broken(&status)
                }))
            })),
            Err(error) => {
                let status = status(error);
                if status.code() == Code::Unavailable {
                    member.serves.store(false, Relaxed);
                }
                Err(status)
            }
        }
    }

    async fn pick(&mut self) -> Result<Arc<Member>, Status> {
        let found = timeout(FIRST_LOOKUP, self.members.wait_for(|members| !members.is_empty()));
        let unknown = || Error::Unavailable("its address is not known");
        let Ok(Ok(members)) = found.await else { return Err(unknown().into()) };
        // Where several have the same number of calls under way, they take turns.
        let turn = self.turn.fetch_add(1, Relaxed) % members.len();
        let (before, after) = members.split_at(turn);
        let in_turn = || after.iter().chain(before);
        let serving = in_turn().filter(|member| member.serves.load(Relaxed));
        let least = serving.min_by_key(|member| member.under_way.load(Relaxed));
        let picked = least.or_else(|| in_turn().next());
        picked.cloned().ok_or_else(|| unknown().into())
    }
}

/// A call that came to nothing has no status of the service's: tonic makes one up, by what became of the connection. To whoever
/// called, the service is away, as it is when there is no connection to begin with.
fn status(error: tonic::transport::Error) -> Status {
    let mut causes = successors(error.source(), |&cause| cause.source());
    let is_unsent = causes
        .any(|cause| cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled));
    let status = Status::from_error(error.into());
    match status.code() {
        // The caller's time was over.
        Code::Cancelled if !is_unsent => status,
        _ => broken(&status),
    }
}

/// What a caller is told of a connection that ended under its call, as `status` says: the next call may find another replica.
fn broken(status: &Status) -> Status {
    tracing::warn!(error = %status, "another service did not answer");
    Error::Unavailable("a part of the system cannot be reached").into()
}

/// Counts a call for as long as it has no answer.
struct UnderWay<'m>(&'m Member);

impl<'m> UnderWay<'m> {
    fn begin(member: &'m Member) -> Self {
        member.under_way.fetch_add(1, Relaxed);
        Self(member)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Relaxed);
    }
}

/// Keeps the members true until nobody can call them any more.
async fn follow(names: Vec<Name>, question: HealthCheckRequest, tell: watch::Sender<Members>) {
    let mut known = BTreeMap::new();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = tell.closed() => return,
        }
        known = look_up(&names, known).await;
        let members: Members = known.values().cloned().collect();
        join_all(members.iter().map(|member| member.check(question.clone()))).await;
        tell.send_if_modified(|told| {
            let same = told.len() == members.len()
                && told.iter().zip(members.iter()).all(|(one, other)| Arc::ptr_eq(one, other));
            told.clone_from(&members);
            !same
        });
    }
}

/// Replicas by the place of their name and their address.
type Known = BTreeMap<(usize, SocketAddr), Arc<Member>>;

/// Where the replicas are now. A name that can't be looked up keeps those that it had.
async fn look_up(names: &[Name], mut known: Known) -> Known {
    let mut found = Known::new();
    for (index, name) in names.iter().enumerate() {
        let addresses = timeout(WITHIN, lookup_host((name.host.as_str(), name.port))).await;
        let addresses: Vec<SocketAddr> = match addresses {
            Ok(Ok(addresses)) => addresses.collect(),
            _ => known.keys().filter(|key| key.0 == index).map(|key| key.1).collect(),
        };
        for address in addresses {
            let member = known.remove(&(index, address));
            let member = member.or_else(|| name.member(address).map(Arc::new));
            found.extend(member.map(|member| ((index, address), member)));
        }
    }
    found
}

impl Name {
    fn parse(url: &str, secure: Option<&Secure>) -> anyhow::Result<Self> {
        let origin: Uri = url.parse().with_context(|| format!("{url:?} is no URL"))?;
        let (scheme, usual_port) = if secure.is_some() { ("https", 443) } else { ("http", 80) };
        ensure!(origin.scheme_str() == Some(scheme), "{url:?} does not begin with {scheme}://");
        let host = origin.host().with_context(|| format!("{url:?} names no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = origin.port_u16().unwrap_or(usual_port);
        let proof = secure.map(|secure| {
            let name = secure.name.unwrap_or(&host).to_owned();
            let name = ServerName::try_from(name).with_context(|| format!("{url:?} names no host"));
            name.map(|name| (secure.client.clone(), name))
        });
        Ok(Self { proof: proof.transpose()?, origin, host, port })
    }

    /// The replica at one of the name's addresses, connected at the first call and again whenever the connection breaks.
    fn member(&self, address: SocketAddr) -> Option<Member> {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).ok()?;
        let endpoint = endpoint
            .origin(self.origin.clone())
            .connect_timeout(Duration::from_secs(2))
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        let proof = self.proof.clone();
        let lines = Lines::new(move || match proof.clone() {
            None => endpoint.connect_lazy(),
            Some((client, name)) => {
                endpoint.connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
                    let (client, name) = (client.clone(), name.clone());
                    async move {
                        let stream = TcpStream::connect(address).await?;
                        stream.set_nodelay(true)?;
                        let met = client.meet(stream, name).await;
                        met.map(TokioIo::new).inspect_err(|error| {
                            tracing::debug!(%address, %error, "a server is not who it should be");
                        })
                    }
                }))
            }
        });
        // It may be there and not yet serve: its port is open before its database is brought up to date.
        Some(Member { lines, serves: AtomicBool::new(false), under_way: AtomicUsize::new(0) })
    }
}

impl Member {
    /// Asks whether it serves, and hangs up what it needs no more.
    async fn check(&self, question: HealthCheckRequest) {
        self.lines.tidy();
        let mut client = HealthClient::new(self.lines.first());
        let answer = timeout(WITHIN, client.check(question)).await;
        let serves = match answer {
            Ok(Ok(answer)) => answer.get_ref().status() == ServingStatus::Serving,
            // Not every server that is called knows the question.
            Ok(Err(status)) => status.code() == Code::Unimplemented,
            Err(_) => false,
        };
        self.serves.store(serves, Relaxed);
    }
}
