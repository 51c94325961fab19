//! Streams end when whoever began them may no longer call.

use std::time::{Duration, Instant};

use kit::{
    access::Role,
    session::{News, UserNews},
    token::Claims,
};
use proto::telemetry::v1::{
    ListReadingsRequest, StreamReadingsRequest, StreamReadingsResponse, WatchReadingsRequest,
    telemetry_service_client::TelemetryServiceClient,
};
use testkit::User;
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use super::{Client, Suite, temperature};

const HOUR: Duration = Duration::from_hours(1);
/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Somebody with `role`, and what their token says.
fn caller(suite: &Suite, role: Role) -> (TelemetryServiceClient<Client>, Claims) {
    let issuer = &suite.world.issuer;
    let claims = issuer.claims("018f0000-0000-7000-8000-00000000000c", role);
    let user = User { id: claims.sub.clone(), token: issuer.sign(&claims) };
    (TelemetryServiceClient::new(suite.telemetry.by(&user)), claims)
}

/// Tells the process that a session is over, or that somebody has another role; it needs to ask nobody for long.
fn tell(suite: &Suite, news: News) {
    let (news, heard_at) = (News { complete: true, ..news }, Instant::now() + HOUR);
    suite.world.suite.sessions.hear(news, suite.world.clock.now(), heard_at);
}

fn end_of(suite: &Suite, claims: &Claims) -> News {
    News { ended: vec![(claims.sid.clone(), suite.world.clock.now())], ..News::default() }
}

/// A stream of batches, one of which was acknowledged.
async fn streaming(
    suite: &Suite,
    mut client: TelemetryServiceClient<Client>,
    equipment_id: &str,
) -> (mpsc::Sender<StreamReadingsRequest>, Streaming<StreamReadingsResponse>) {
    let (sender, batches) = mpsc::channel(1);
    let batch = StreamReadingsRequest { readings: vec![temperature(equipment_id, 1, 1.0)] };
    sender.send(batch).await.unwrap();
    let answers = client.stream_readings(ReceiverStream::new(batches)).await;
    let mut answers = answers.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().accepted, 1);
    assert_eq!(readings(suite).await, 1);
    (sender, answers)
}

async fn readings(suite: &Suite) -> usize {
    let list = suite.readings().list_readings(ListReadingsRequest::default()).await;
    list.unwrap().into_inner().readings.len()
}

testkit::both! {
    async fn a_watch_tells_nothing_after_its_session(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let (mut client, claims) = caller(&suite, Role::Viewer);
        let watch = client.watch_readings(WatchReadingsRequest::default()).await;
        let mut watch = watch.unwrap().into_inner();
        suite.send(temperature(&id, 1, 1.0)).await.unwrap();
        while watch.message().await.unwrap().unwrap().readings.is_empty() {}

        tell(&suite, end_of(&suite, &claims));
        suite.send(temperature(&id, 2, 2.0)).await.unwrap();

        assert_eq!(watch.message().await.unwrap_err().code(), Code::Unauthenticated);
    }

    async fn a_watch_ends_with_its_session_though_nothing_happens(world: World) {
        let suite = Suite::start(world).await;
        let (mut client, claims) = caller(&suite, Role::Viewer);
        let watch = client.watch_readings(WatchReadingsRequest::default()).await;
        let mut watch = watch.unwrap().into_inner();

        tell(&suite, end_of(&suite, &claims));

        let end = async {
            while let Ok(message) = watch.message().await {
                assert!(message.unwrap().readings.is_empty());
            }
        };
        timeout(PATIENCE, end).await.expect("it ends");
    }

    async fn no_batch_is_taken_after_the_session_of_its_stream(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let (client, claims) = caller(&suite, Role::Technician);
        let (sender, mut answers) = streaming(&suite, client, &id).await;

        tell(&suite, end_of(&suite, &claims));
        // It may have ended already.
        let late = StreamReadingsRequest { readings: vec![temperature(&id, 2, 2.0)] };
        let _ = sender.send(late).await;

        assert_eq!(answers.message().await.unwrap_err().code(), Code::Unauthenticated);
        assert_eq!(readings(&suite).await, 1);
    }

    async fn no_batch_is_taken_of_somebody_who_may_send_none_any_more(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let (client, claims) = caller(&suite, Role::Technician);
        let (sender, mut answers) = streaming(&suite, client, &id).await;

        let changed_at = suite.world.clock.now();
        let viewer = UserNews { id: claims.sub, role: Some(Role::Viewer), changed_at };
        tell(&suite, News { users: vec![viewer], ..News::default() });
        let late = StreamReadingsRequest { readings: vec![temperature(&id, 2, 2.0)] };
        let _ = sender.send(late).await;

        assert_eq!(answers.message().await.unwrap_err().code(), Code::PermissionDenied);
        assert_eq!(readings(&suite).await, 1);
    }
}
