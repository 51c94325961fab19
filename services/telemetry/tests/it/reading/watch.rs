//! Readings told as they become durable.

use std::time::Duration;

use proto::telemetry::v1::{
    Reading, WatchReadingsRequest, WatchReadingsResponse,
    telemetry_service_client::TelemetryServiceClient,
};
use testkit::Server;
use tonic::{Code, Streaming};

use super::super::{Suite, field, temperature};

async fn watch(
    suite: &Suite,
    server: &Server,
    request: WatchReadingsRequest,
) -> Streaming<WatchReadingsResponse> {
    let mut client = TelemetryServiceClient::new(server.by(&suite.admin));
    client.watch_readings(request).await.unwrap().into_inner()
}

/// The token that a watch begins with.
async fn first_token(stream: &mut Streaming<WatchReadingsResponse>) -> String {
    let first = stream.message().await.unwrap().unwrap();
    assert_eq!(first.readings, []);
    first.resume_token
}

/// The next `count` readings, without their ids, and the token after them.
async fn next(
    stream: &mut Streaming<WatchReadingsResponse>,
    count: usize,
) -> (Vec<Reading>, String) {
    let (mut readings, mut token) = (Vec::new(), String::new());
    while readings.len() < count {
        let message = stream.message().await.unwrap().unwrap();
        assert!(message.readings.iter().all(|reading| !reading.id.is_empty()));
        readings.extend(message.readings);
        token = message.resume_token;
    }
    assert_eq!(readings.len(), count);
    for reading in &mut readings {
        reading.id.clear();
    }
    (readings, token)
}

fn of(equipment_id: &str) -> WatchReadingsRequest {
    WatchReadingsRequest { equipment_ids: vec![equipment_id.into()], ..Default::default() }
}

testkit::both! {
    async fn what_becomes_durable_is_told_as_it_was_sent(world: World) {
        let suite = Suite::start(world).await;
        let (one, two) = (suite.machine("pump").await, suite.machine("pump").await);
        suite.send(temperature(&one, 1, 1.0)).await.unwrap();
        let mut all = watch(&suite, &suite.telemetry, WatchReadingsRequest::default()).await;
        let mut of_two = watch(&suite, &suite.telemetry, of(&two)).await;
        let metrics = vec!["speed".to_owned()];
        let speeds = WatchReadingsRequest { metrics, ..Default::default() };
        let mut speeds = watch(&suite, &suite.telemetry, speeds).await;

        let mixed = Reading {
            metrics: [("speed".into(), 1.0), ("temperature".into(), 2.0)].into(),
            ..temperature(&one, 2, 0.0)
        };
        suite.send(mixed.clone()).await.unwrap();
        suite.send(temperature(&two, 3, 3.0)).await.unwrap();
        suite.send(temperature(&two, 3, 4.0)).await.unwrap();

        let told = [mixed.clone(), temperature(&two, 3, 3.0), temperature(&two, 3, 4.0)];
        assert_eq!(next(&mut all, 3).await.0, told);
        assert_eq!(next(&mut of_two, 2).await.0, told[1..]);
        let speed = Reading { metrics: [("speed".into(), 1.0)].into(), ..mixed };
        assert_eq!(next(&mut speeds, 1).await.0, [speed]);
    }

    async fn who_was_away_goes_on_where_they_left_off(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let mut stream = watch(&suite, &suite.telemetry, of(&id)).await;
        suite.send(temperature(&id, 1, 1.0)).await.unwrap();
        let (_, resume_token) = next(&mut stream, 1).await;
        drop(stream);
        suite.send(temperature(&id, 2, 2.0)).await.unwrap();
        suite.send(temperature(&id, 3, 3.0)).await.unwrap();

        let request = WatchReadingsRequest { resume_token, ..of(&id) };
        let mut stream = watch(&suite, &suite.telemetry, request).await;

        let (told, _) = next(&mut stream, 2).await;
        assert_eq!(told, [temperature(&id, 2, 2.0), temperature(&id, 3, 3.0)]);
    }

    async fn who_was_told_nothing_goes_on_where_the_others_readings_ended(world: World) {
        let suite = Suite::start(world).await;
        let (one, two) = (suite.machine("pump").await, suite.machine("pump").await);
        let mut stream = watch(&suite, &suite.telemetry, of(&two)).await;
        let first = first_token(&mut stream).await;
        for at in 0..3 {
            suite.send(temperature(&one, at, 1.0)).await.unwrap();
        }

        suite.world.clock.advance(Duration::from_secs(10));
        let mut last = first_token(&mut stream).await;
        // It may have been on its way before the last of them.
        if last == first {
            last = first_token(&mut stream).await;
        }
        drop(stream);
        suite.send(temperature(&two, 7, 2.0)).await.unwrap();

        for (resume_token, count) in [(first, 4), (last, 1)] {
            let request = WatchReadingsRequest { resume_token, ..Default::default() };
            let mut all = watch(&suite, &suite.telemetry, request).await;
            let (told, _) = next(&mut all, count).await;
            assert_eq!(told.last(), Some(&temperature(&two, 7, 2.0)));
        }
    }

    async fn a_large_batch_comes_in_parts_and_is_told_again_to_who_left_in_the_middle(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let mut stream = watch(&suite, &suite.telemetry, of(&id)).await;
        first_token(&mut stream).await;
        let sent: Vec<_> = (0..2500).map(|at| temperature(&id, at, 1.0)).collect();
        suite.send_all(sent.clone()).await;

        let first = stream.message().await.unwrap().unwrap();
        assert_eq!(first.readings.len(), 1000);
        let request = WatchReadingsRequest { resume_token: first.resume_token, ..of(&id) };
        let mut again = watch(&suite, &suite.telemetry, request).await;

        assert_eq!(next(&mut again, 2500).await.0, sent);
    }

    async fn a_token_that_is_none_or_of_what_never_was_is_refused(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.send(temperature(&id, 1, 1.0)).await.unwrap();
        let mut stream = watch(&suite, &suite.telemetry, of(&id)).await;
        let end: i64 = first_token(&mut stream).await.parse().unwrap();

        for resume_token in ["x".to_owned(), (end + 1).to_string()] {
            let request = WatchReadingsRequest { resume_token, ..Default::default() };
            let error = suite.readings().watch_readings(request).await.unwrap_err();
            let refused = (error.code(), field(&error));
            assert_eq!(refused, (Code::InvalidArgument, "resume_token".into()), "{error}");
        }
        watch(&suite, &suite.telemetry, WatchReadingsRequest { resume_token: end.to_string(), ..of(&id) }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_replica_wrote_is_told_too() {
    let suite = Suite::start(testkit::World::new(testkit::Engine::Postgres).await).await;
    let other = suite.replica().await;
    let id = suite.machine("pump").await;
    let mut here = watch(&suite, &suite.telemetry, of(&id)).await;
    let mut there = watch(&suite, &other, of(&id)).await;

    let sent: Vec<_> = (0..50).map(|at| temperature(&id, at, 1.0)).collect();
    for reading in &sent {
        suite.send(reading.clone()).await.unwrap();
    }

    assert_eq!(next(&mut here, 50).await.0, sent);
    assert_eq!(next(&mut there, 50).await.0, sent);
}
