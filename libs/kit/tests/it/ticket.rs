//! Tickets to a stream, and calls that last no longer than their caller may have them.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use kit::{
    Error, Result,
    access::{Role, Rules},
    forwarded::Witness,
    session::{Ask, Key, News, Sessions},
    stack::Guard,
    token::{Claims, TICKET_AUDIENCE, TICKET_TYPE, Verifier},
};
use serde_json::json;
use testkit::{Engine, World};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Status, body::Body};
use tower::{Layer, ServiceExt, service_fn};

const WATCH: &str = "/flightline.test.v1.Test/Watch";
const GET: &str = "/flightline.test.v1.Test/Get";

fn verifier(world: &World) -> Verifier {
    let public = world.issuer.public();
    Verifier::new(world.clock.clock(), move || {
        let keys = vec![public.clone()];
        Box::pin(async move { Ok(keys) })
    })
}

/// A ticket to `method`, with `changes` to what a good one says.
fn ticket(world: &World, method: &str, changes: &serde_json::Value) -> String {
    let header = json!({"typ": TICKET_TYPE, "alg": "EdDSA", "kid": world.issuer.public().kid});
    let mut claims = serde_json::to_value(world.issuer.claims("ana", Role::Viewer)).unwrap();
    let said = claims.as_object_mut().unwrap();
    let exp = said["iat"].as_i64().unwrap() + 30;
    said.extend(
        [("aud", json!(TICKET_AUDIENCE)), ("exp", json!(exp)), ("method", json!(method))]
            .map(|(name, value)| (name.to_owned(), value)),
    );
    said.extend(changes.as_object().unwrap().clone());
    world.issuer.forge(&header, &claims)
}

#[tokio::test]
async fn a_ticket_is_good_for_its_stream_and_a_moment() {
    let world = World::new(Engine::Sqlite).await;
    let verifier = verifier(&world);
    let good = ticket(&world, WATCH, &json!({}));

    let (claims, role) = verifier.verify_ticket(&good, WATCH).await.unwrap();
    assert_eq!((claims.sub.as_str(), role), ("ana", Role::Viewer));
    assert!(verifier.verify_ticket(&good, GET).await.is_err());

    world.clock.advance(Duration::from_secs(36));
    let late = verifier.verify_ticket(&good, WATCH).await;
    assert!(matches!(late, Err(Error::Unauthenticated(_))), "{late:?}");
}

#[tokio::test]
async fn neither_a_ticket_nor_a_token_passes_for_the_other() {
    let world = World::new(Engine::Sqlite).await;
    let verifier = verifier(&world);
    let token = world.issuer.sign(&world.issuer.claims("ana", Role::Viewer));
    assert!(verifier.verify(&ticket(&world, WATCH, &json!({}))).await.is_err());
    assert!(verifier.verify_ticket(&token, WATCH).await.is_err());

    for changes in [
        json!({"aud": "flightline"}),
        json!({"iss": "somebody"}),
        json!({"sid": ""}),
        json!({"sub": ""}),
        json!({"role": "CHIEF"}),
        json!({"method": null}),
    ] {
        let ticket = ticket(&world, WATCH, &changes);
        assert!(verifier.verify_ticket(&ticket, WATCH).await.is_err(), "{changes}");
    }
}

/// Says of every session what it is told to, and how often it was asked.
#[derive(Default)]
struct Oracle {
    role: Mutex<Option<Role>>,
    asked: AtomicUsize,
}

impl Ask for Oracle {
    fn session(&self, _: &Claims) -> BoxFuture<'_, Result<Option<Role>>> {
        self.asked.fetch_add(1, Relaxed);
        let role = *self.role.lock().unwrap();
        Box::pin(async move { Ok(role) })
    }

    fn key(&self, _: String) -> BoxFuture<'_, Result<Option<Key>>> {
        Box::pin(async { Ok(None) })
    }
}

/// Lets viewers and admins through whose sessions are good by `sessions`.
fn guard(world: &World, sessions: Sessions) -> Guard {
    let readers = || ["VIEWER", "ADMIN"].into_iter();
    let rules =
        Rules::new([(WATCH, true, false, readers()), (GET, false, false, readers())]).unwrap();
    Guard::new(rules, verifier(world), sessions, Witness::new("secret"))
}

/// What `authorization` gets of a method whose answer is a message, and then nothing for ever if it is a stream.
async fn call(world: &World, oracle: &Arc<Oracle>, path: &str, authorization: &str) -> Body {
    call_with(world, Sessions::new(oracle.clone()), path, authorization).await
}

async fn call_with(world: &World, sessions: Sessions, path: &str, authorization: &str) -> Body {
    let guard = guard(world, sessions);
    let service = guard.layer(service_fn(|request: Request<Body>| async move {
        let message = || Ok::<_, Infallible>(Frame::data(bytes::Bytes::from_static(b"message")));
        let end = || Ok(Frame::trailers(http::HeaderMap::new()));
        let path = request.uri().path().to_owned();
        request.into_body().collect().await.unwrap();
        let body = match path.as_str() {
            WATCH => Body::new(StreamBody::new(stream::unfold(0, move |count| async move {
                match count {
                    0 => Some((message(), 1)),
                    _ => std::future::pending().await,
                }
            }))),
            _ => Body::new(StreamBody::new(stream::iter([message(), end()]))),
        };
        Ok::<_, Infallible>(Response::new(body))
    }));
    let request = Request::post(path).header("authorization", authorization);
    let answer = service.oneshot(request.body(message()).unwrap()).await.unwrap();
    assert!(!answer.headers().contains_key("grpc-status"), "{answer:?}");
    answer.into_body()
}

/// A beat that is fresh for as long as a test takes.
fn hear(world: &World, sessions: &Sessions) {
    let beat = News { complete: true, ..News::default() };
    sessions.hear(beat, world.clock.now(), Instant::now() + Duration::from_hours(1));
}

/// What a caller says.
fn message() -> Body {
    Body::new(Full::from("message"))
}

async fn next(body: &mut Body) -> Option<Frame<bytes::Bytes>> {
    let frame = timeout(Duration::from_secs(20), body.frame()).await.expect("a frame, or the end");
    frame.map(Result::unwrap)
}

#[tokio::test]
async fn a_stream_ends_with_the_session_that_began_it_and_with_the_role_that_may() {
    let world = World::new(Engine::Sqlite).await;
    let token = format!("Bearer {}", world.user(Role::Viewer).token);
    let ticket = format!("Ticket {}", ticket(&world, WATCH, &json!({})));
    for (authorization, then, code) in [
        (&token, None, Code::Unauthenticated),
        (&ticket, None, Code::Unauthenticated),
        (&ticket, Some(Role::Device), Code::PermissionDenied),
    ] {
        let oracle = Arc::new(Oracle { role: Mutex::new(Some(Role::Viewer)), ..Oracle::default() });
        let mut body = call(&world, &oracle, WATCH, authorization).await;
        assert!(next(&mut body).await.unwrap().is_data());

        *oracle.role.lock().unwrap() = then;

        let trailers = next(&mut body).await.unwrap().into_trailers().unwrap();
        assert_eq!(Status::from_header_map(&trailers).unwrap().code(), code);
        assert!(next(&mut body).await.is_none());
    }
}

#[tokio::test]
async fn a_stream_outlives_the_token_that_began_it() {
    let world = World::new(Engine::Sqlite).await;
    let oracle = Arc::new(Oracle { role: Mutex::new(Some(Role::Viewer)), ..Oracle::default() });
    let token = format!("Bearer {}", world.user(Role::Viewer).token);
    let mut body = call(&world, &oracle, WATCH, &token).await;
    next(&mut body).await.unwrap();

    world.clock.advance(Duration::from_hours(1));

    let watching = tokio::spawn(async move { next(&mut body).await.map(|frame| frame.is_data()) });
    testkit::eventually("asked again twice", async || {
        (2 < oracle.asked.load(Relaxed)).then_some(())
    })
    .await;
    assert!(!watching.is_finished(), "it goes on");
    watching.abort();
}

#[tokio::test]
async fn a_stream_that_nobody_took_from_for_long_ends_though_the_end_of_its_session_was_forgotten()
{
    let world = World::new(Engine::Sqlite).await;
    let oracle = Arc::new(Oracle { role: Mutex::new(Some(Role::Viewer)), ..Oracle::default() });
    let sessions = Sessions::new(oracle.clone());
    hear(&world, &sessions);
    let token = format!("Bearer {}", world.user(Role::Viewer).token);
    let mut body = call_with(&world, sessions, WATCH, &token).await;

    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(4)).await;
    assert!(next(&mut body).await.unwrap().is_data());
    assert_eq!(oracle.asked.load(Relaxed), 0, "an end would still be known");
    *oracle.role.lock().unwrap() = None;
    tokio::time::advance(Duration::from_mins(6)).await;

    let trailers = next(&mut body).await.unwrap().into_trailers().unwrap();
    let code = Status::from_header_map(&trailers).unwrap().code();
    assert_eq!(code, Code::Unauthenticated);
}

#[tokio::test]
async fn a_call_whose_message_and_answer_are_there_at_once_is_asked_about_once() {
    let world = World::new(Engine::Sqlite).await;
    let oracle = Arc::new(Oracle { role: Mutex::new(Some(Role::Viewer)), ..Oracle::default() });
    let token = format!("Bearer {}", world.user(Role::Viewer).token);
    // However long the machine takes.
    tokio::time::pause();
    let body = call(&world, &oracle, GET, &token).await;

    assert!(body.collect().await.unwrap().trailers().is_some());

    assert_eq!(oracle.asked.load(Relaxed), 1);
}

#[tokio::test]
async fn a_call_whose_message_or_its_end_came_after_its_callers_session_is_not_carried_out() {
    let world = World::new(Engine::Sqlite).await;
    let claims = world.issuer.claims("ana", Role::Viewer);
    for comes_before in [false, true] {
        let sessions = Sessions::new(Arc::new(Oracle::default()));
        hear(&world, &sessions);
        let (say, said) = mpsc::unbounded_channel();
        let (begin, reads) = oneshot::channel();
        let begin = Arc::new(Mutex::new(Some(begin)));
        let service = guard(&world, sessions.clone()).layer(service_fn(move |request| {
            let begin = begin.lock().unwrap().take().unwrap();
            carry_out(begin, request)
        }));
        let request = Request::post(GET)
            .header("authorization", format!("Bearer {}", world.issuer.sign(&claims)))
            .body(Body::new(StreamBody::new(UnboundedReceiverStream::new(said))));
        let message = || Ok::<_, Infallible>(Frame::data(bytes::Bytes::from_static(b"message")));
        if comes_before {
            say.send(message()).unwrap();
        }

        let ends = async {
            reads.await.unwrap();
            let ended = vec![(claims.sid.clone(), world.clock.now())];
            sessions.note(News { ended, ..News::default() }, world.clock.now());
            if !comes_before {
                say.send(message()).unwrap();
            }
            drop(say);
        };
        let (answer, ()) = tokio::join!(service.oneshot(request.unwrap()), ends);

        let answer = Status::from_header_map(answer.unwrap().headers()).unwrap();
        assert_eq!(answer.code(), Code::Unauthenticated, "{comes_before}: {answer:?}");
    }
}

/// Reads all that `request` says, and has no complaints of its own. Tells when it begins.
async fn carry_out(
    begin: oneshot::Sender<()>,
    request: Request<Body>,
) -> Result<Response<Body>, Infallible> {
    let mut reading = pin!(request.into_body().collect());
    let read = if let Some(read) = reading.as_mut().now_or_never() {
        read
    } else {
        begin.send(()).unwrap();
        reading.await
    };
    let status = read.map_or_else(|status| status, |_| Status::ok("carried out"));
    Ok(status.into_http())
}
