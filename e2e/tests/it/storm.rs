//! Calls without a pause, over many connections, to every service and the gateway.

use std::time::Duration;

use http::uri::PathAndQuery;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout},
};
use tonic::{
    Code, Request,
    client::Grpc,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use crate::{rest::Rest, site::Site};

/// Something to call without saying anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Through the gateway.
    Get(&'static str),
    /// Through the gateway.
    Post(&'static str),
    /// The service itself: `/package.Service/Method`.
    Grpc(&'static str),
}

use Target::{Get, Grpc as Call, Post};

/// What any person may read, at every service.
pub const READ: [Target; 8] = [
    Get("/api/users/me"),
    Get("/api/equipment"),
    Get("/api/tasks"),
    Get("/api/alerts"),
    Call("/flightline.auth.v1.AuthService/ListSessions"),
    Call("/flightline.equipment.v1.EquipmentService/ListEquipment"),
    Call("/flightline.maintenance.v1.TaskService/ListTasks"),
    Call("/flightline.telemetry.v1.AlertService/ListAlerts"),
];

/// What any person may read at the services beside auth.
pub const READ_ELSEWHERE: [Target; 6] = [READ[1], READ[2], READ[3], READ[5], READ[6], READ[7]];

/// What a viewer may not do. Whoever may is told that something is missing.
pub const WRITE: [Target; 8] = [
    Post("/api/users"),
    Post("/api/equipment"),
    Post("/api/tasks"),
    Post("/api/rules"),
    Call("/flightline.auth.v1.KeyService/CreateKey"),
    Call("/flightline.equipment.v1.EquipmentService/CreateEquipment"),
    Call("/flightline.maintenance.v1.TaskService/CreateTask"),
    Call("/flightline.telemetry.v1.RuleService/CreateRule"),
];

/// What a machine's key is for.
pub const SEND: [Target; 2] =
    [Post("/api/data"), Call("/flightline.telemetry.v1.TelemetryService/CreateReading")];

/// A call that was answered.
#[derive(Clone, Debug)]
struct Answered {
    target: Target,
    begun: Instant,
    status: StatusCode,
}

impl Answered {
    /// Whether the credential was taken, whatever became of the call then.
    fn is_accepted(&self) -> bool {
        use StatusCode as S;
        // `503`: nobody knows whether it is still good.
        !matches!(self.status, S::UNAUTHORIZED | S::FORBIDDEN | S::SERVICE_UNAVAILABLE)
    }
}

/// Goes on until it is ended.
pub struct Storm {
    name: &'static str,
    targets: &'static [Target],
    answered: watch::Receiver<Vec<Answered>>,
    callers: JoinSet<()>,
}

/// Connections of each storm to everything that it calls.
const CALLERS: usize = 4;
/// Longer than any number of calls here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

impl Storm {
    /// Calls `targets` with the credential of `rest`. When it was taken by each of them, this returns.
    pub async fn begin(
        name: &'static str,
        site: &Site,
        rest: &Rest,
        targets: &'static [Target],
    ) -> Self {
        let (tell, answered) = watch::channel(Vec::new());
        let mut callers = JoinSet::new();
        for number in 0..CALLERS {
            let (caller, tell) = (Caller::new(site, rest), tell.clone());
            callers.spawn(async move {
                // Each begins at another.
                for target in targets.iter().cycle().skip(number) {
                    let begun = Instant::now();
                    let status = caller.call(*target).await;
                    let answered = Answered { target: *target, begun, status };
                    tell.send_modify(|all| all.push(answered));
                }
            });
        }
        let storm = Self { name, targets, answered, callers };
        let accepted = |all: &[Answered], target| {
            all.iter().any(|call| call.target == target && call.is_accepted())
        };
        let everywhere = |all: &[Answered]| targets.iter().all(|target| accepted(all, *target));
        storm.wait("is taken everywhere", everywhere).await;
        storm
    }

    async fn wait(&self, what: &str, done: impl Fn(&[Answered]) -> bool) {
        let mut answered = self.answered.clone();
        let is_done = timeout(PATIENCE, answered.wait_for(|all| done(all))).await;
        assert!(is_done.is_ok_and(|closed| closed.is_ok()), "{} {what}", self.name);
    }

    /// Waits until `calls` that were begun later than `grace` after `ended` were answered `refusal`, some of them at each target,
    /// and checks that none was accepted. Who is told that nobody knows, where that is not `refusal`, doesn't count.
    pub async fn assert_dead(
        &self,
        ended: Instant,
        grace: Duration,
        calls: usize,
        refusal: StatusCode,
    ) {
        let is_late = |call: &&Answered| ended + grace < call.begun;
        self.wait("is refused as it should be, often and everywhere", |all| {
            let refused = || all.iter().filter(is_late).filter(|call| call.status == refusal);
            let at = |target: &Target| refused().any(|call| call.target == *target);
            calls <= refused().count() && self.targets.iter().all(at)
        })
        .await;

        let all = self.answered.borrow();
        let accepted = all.iter().filter(is_late).filter(|call| call.is_accepted());
        let accepted: Vec<_> =
            accepted.map(|call| (call.target, call.begun - ended, call.status)).collect();
        assert!(accepted.is_empty(), "{}: {accepted:?}", self.name);
    }

    /// Checks that nobody was ever told that the credential is not good, or not good enough.
    pub fn assert_alive(&self) {
        let all = self.answered.borrow();
        let is_refused = |call: &&Answered| {
            matches!(call.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        };
        let refused = all.iter().find(is_refused);
        assert!(refused.is_none(), "{}: {refused:?}", self.name);
    }

    /// Ends it.
    pub async fn end(mut self) {
        let stopped = self.callers.try_join_next();
        assert!(stopped.is_none(), "{}: {stopped:?}", self.name);
        self.callers.shutdown().await;
    }
}

/// Somebody with connections of their own.
pub struct Caller {
    rest: Rest,
    bearer: String,
    /// By service, or one for all.
    channels: Vec<Channel>,
}

impl Caller {
    pub fn new(site: &Site, rest: &Rest) -> Self {
        let channel = |url: &String| Endpoint::from_shared(url.clone()).unwrap().connect_lazy();
        Self {
            rest: Rest::new(&site.http).with_token(rest.token()),
            bearer: format!("Bearer {}", rest.token()),
            channels: site.grpc.iter().map(channel).collect(),
        }
    }

    /// What the call is answered.
    pub async fn call(&self, target: Target) -> StatusCode {
        match target {
            Get(path) => self.ask(Method::GET, path, None).await,
            Post(path) => self.ask(Method::POST, path, Some(&json!({}))).await,
            Call(path) => http_status(self.knock(path).await),
        }
    }

    /// A connection that rested may be closed under a request: then nobody knows.
    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> StatusCode {
        let answer = self.rest.try_send(method, path, body, &[]).await;
        answer.map_or(StatusCode::SERVICE_UNAVAILABLE, |answer| answer.status)
    }

    async fn knock(&self, path: &'static str) -> Code {
        let parts = ["auth", "equipment", "maintenance", "telemetry"];
        let part = parts.iter().position(|part| path.contains(part)).unwrap();
        let channel = self.channels.get(part).unwrap_or(&self.channels[0]).clone();
        let mut client = Grpc::new(channel);
        if let Err(error) = client.ready().await {
            panic!("{path}: {error}");
        }
        let mut request = Request::new(());
        request.metadata_mut().insert("authorization", self.bearer.parse().unwrap());
        let codec = ProstCodec::<(), ()>::default();
        let answer = client.unary(request, PathAndQuery::from_static(path), codec).await;
        answer.map_or_else(|status| status.code(), |_| Code::Ok)
    }
}

/// As the gateway has it, where that matters here.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    }
}
