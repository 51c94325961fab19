mod bound;
mod change;
mod latest;
mod metrics;
mod stream;
mod watch;

use std::time::Duration;

use kit::access::Role;
use proto::telemetry::v1::{
    BatchCreateReadingsRequest, CreateReadingRequest, GetReadingRequest, ListReadingsRequest,
    Reading, RefusedReading, Rule, telemetry_service_client::TelemetryServiceClient,
};
use tonic::Code;
use tonic_types::StatusExt;

use super::{Suite, below, field, temperature};

const NOBODY: &str = "018f0000-0000-7000-8000-000000000000";

async fn list(suite: &Suite, request: ListReadingsRequest) -> (Vec<Reading>, String) {
    let page = suite.readings().list_readings(request).await.unwrap().into_inner();
    (page.readings, page.next_page_token)
}

testkit::both! {
    async fn a_reading_is_read_back_by_its_id(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let sent = Reading {
            metrics: [("temperature".into(), 71.25), ("pressure".into(), -2.5e-9)].into(),
            ..temperature(&id, 7, 0.0)
        };

        let created = suite.send(sent.clone()).await.unwrap().into_inner();
        let request = GetReadingRequest { id: created.id.clone() };
        let read = suite.readings().get_reading(request).await.unwrap().into_inner();

        assert_eq!(read, created);
        assert_eq!(read, Reading { id: created.id, ..sent });
    }

    async fn a_reading_without_a_time_was_measured_now(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;

        let sent = Reading { recorded_at: None, ..temperature(&id, 0, 1.0) };
        let created = suite.send(sent).await.unwrap().into_inner();

        assert_eq!(created.recorded_at, Some(suite.world.clock.now().into()));
    }

    async fn a_reading_from_before_readings_are_kept_is_refused_and_takes_no_alert_away(world: World) {
        let config = telemetry::Config {
            retention_days: "1".parse().unwrap(),
            ..telemetry::Config::default()
        };
        let mut suite = Suite::start_as(&config, world).await;
        let id = suite.machine("pump").await;
        suite.rule(Rule { open_task: false, ..below(&id, 50.0, 5.0) }).await;
        let now = suite.world.clock.now().micros() / 1_000_000;
        suite.send(temperature(&id, now, 10.0)).await.unwrap();
        suite.send(temperature(&id, now + 1, 90.0)).await.unwrap();
        let alerts = suite.all_alerts().await;

        suite.world.clock.advance(Duration::from_hours(25));
        suite.admin = suite.world.user(Role::Admin);
        let refused = suite.send(temperature(&id, now - 1, 90.0)).await.unwrap_err();
        let kept = temperature(&id, now + 25 * 3600, 90.0);
        let batch = suite.send_all(vec![kept, temperature(&id, now - 1, 90.0)]).await;

        assert_eq!((refused.code(), field(&refused).as_str()), (Code::InvalidArgument, "reading.recorded_at"));
        assert_eq!(batch.accepted, 1);
        assert_eq!((batch.refused[0].index, batch.refused[0].field.as_str()), (1, "recorded_at"));
        assert_eq!(alerts.len(), 1);
        assert_eq!(suite.all_alerts().await, alerts);
    }

    async fn the_same_equipment_time_and_metric_sent_again_replaces_the_value(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;

        let first = suite.send(temperature(&id, 7, 1.0)).await.unwrap();
        let second = suite.send(temperature(&id, 7, 2.0)).await.unwrap();

        assert!(!first.metadata().contains_key("flightline-replayed"));
        assert!(second.metadata().contains_key("flightline-replayed"));
        let (readings, _) = list(&suite, ListReadingsRequest::default()).await;
        assert_eq!(readings.len(), 1);
        assert_eq!(readings[0].metrics["temperature"].to_bits(), 2.0_f64.to_bits());
    }

    async fn a_repeated_request_answers_as_the_first_did(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let request = CreateReadingRequest {
            reading: Some(Reading { recorded_at: None, ..temperature(&id, 0, 1.0) }),
            request_id: "key".into(),
        };

        let first = suite.readings().create_reading(request.clone()).await.unwrap().into_inner();
        suite.world.clock.advance(Duration::from_secs(1));
        let again = suite.readings().create_reading(request).await.unwrap().into_inner();

        assert_eq!(first, again);
        assert_eq!(list(&suite, ListReadingsRequest::default()).await.0.len(), 1);
    }

    async fn the_good_readings_of_a_batch_are_kept_and_the_others_named(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let named = |name: &str| Reading {
            metrics: [(name.to_owned(), 1.0)].into(),
            ..temperature(&id, 1, 0.0)
        };

        let answer = suite
            .send_all(vec![
                temperature(&id, 1, 1.0),
                temperature("nonsense", 2, 1.0),
                temperature(NOBODY, 3, 1.0),
                temperature(&id, 4, f64::NAN),
                named("Bad Name"),
                temperature(&id, i64::from(u32::MAX), 1.0),
                temperature(&id, 5, 1.0),
            ])
            .await;

        let refused: Vec<_> =
            answer.refused.iter().map(|refused| (refused.index, refused.field.as_str())).collect();
        assert_eq!(
            refused,
            [
                (1, "equipment_id"),
                (2, "equipment_id"),
                (3, "metrics[\"temperature\"]"),
                (4, "metrics[\"Bad Name\"]"),
                (5, "recorded_at"),
            ]
        );
        assert_eq!(answer.accepted, 2);
        assert_eq!(list(&suite, ListReadingsRequest::default()).await.0.len(), 2);
    }

    async fn what_the_gateway_could_not_read_is_refused_in_its_words(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let unreadable = RefusedReading {
            index: 1,
            field: "recorded_at".into(),
            message: "bogus".into(),
        };
        let request = BatchCreateReadingsRequest {
            readings: vec![temperature(NOBODY, 1, 1.0), Reading::default(), temperature(&id, 2, 1.0)],
            unreadable: vec![unreadable.clone()],
        };

        let answer = suite.readings().batch_create_readings(request).await.unwrap().into_inner();

        assert_eq!(answer.accepted, 1);
        assert_eq!(answer.refused[0].index, 0);
        assert_eq!(answer.refused[1..], [unreadable]);
    }

    async fn a_bad_reading_alone_is_refused_by_field(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        for (reading, field) in [
            (temperature(NOBODY, 1, 1.0), "reading.equipment_id"),
            (temperature(&id, 1, f64::INFINITY), "reading.metrics[\"temperature\"]"),
        ] {
            let error = suite.send(reading).await.unwrap_err();
            let violations = error.get_details_bad_request().unwrap().field_violations;
            assert_eq!((error.code(), violations[0].field.as_str()), (Code::InvalidArgument, field));
        }
    }

    async fn a_batch_holds_at_most_ten_thousand(world: World) {
        let suite = Suite::start(world).await;
        let readings = (0..10_001).map(|at| temperature(NOBODY, at, 1.0)).collect();
        let request = BatchCreateReadingsRequest { readings, ..Default::default() };
        let error = suite.readings().batch_create_readings(request).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
    }

    async fn a_list_joins_metrics_and_pages_over_equipment_and_time(world: World) {
        let suite = Suite::start(world).await;
        let (one, two) = (suite.machine("pump").await, suite.machine("pump").await);
        let mut sent = Vec::new();
        for (id, seconds) in [(&one, 0..5), (&two, 0..3)] {
            for at in seconds {
                let mut reading = temperature(id, at, 1.0);
                if at % 2 == 0 {
                    reading.metrics.insert("speed".into(), 2.0);
                }
                sent.push(reading);
            }
        }
        suite.send_all(sent.clone()).await;

        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let request =
                ListReadingsRequest { page_size: 2, page_token: token, ..Default::default() };
            let (readings, next) = list(&suite, request).await;
            assert!(readings.len() <= 2);
            seen.extend(readings.into_iter().map(|reading| Reading { id: String::new(), ..reading }));
            if next.is_empty() {
                break;
            }
            token = next;
        }

        assert_eq!(seen, sent);
    }

    async fn a_list_is_of_one_equipment_metric_and_span(world: World) {
        let suite = Suite::start(world).await;
        let (one, two) = (suite.machine("pump").await, suite.machine("pump").await);
        let sent = (0..5).flat_map(|at| [temperature(&one, at, 1.0), temperature(&two, at, 1.0)]);
        suite.send_all(sent.collect()).await;

        let span = ListReadingsRequest {
            equipment_id: Some(two.clone()),
            metric: "temperature".into(),
            start_time: temperature("", 1, 0.0).recorded_at,
            end_time: temperature("", 3, 0.0).recorded_at,
            ..Default::default()
        };
        let (readings, _) = list(&suite, span.clone()).await;
        let (other, _) = list(&suite, ListReadingsRequest { metric: "speed".into(), ..span }).await;

        let times: Vec<_> = readings.iter().map(|reading| reading.recorded_at.unwrap().seconds).collect();
        assert_eq!(times, [1, 2]);
        assert!(readings.iter().all(|reading| reading.equipment_id == two));
        assert!(other.is_empty());
    }

    async fn what_was_never_measured_is_not_found(world: World) {
        let suite = Suite::start(world).await;
        for id in ["nonsense", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            let request = GetReadingRequest { id: id.into() };
            let error = suite.readings().get_reading(request).await.unwrap_err();
            assert_eq!(error.code(), Code::NotFound);
        }
    }

    async fn many_senders_at_once_are_all_kept(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let senders = (0..200).map(|at| {
            let (mut client, reading) = (suite.readings(), temperature(&id, at, 1.0));
            let request = CreateReadingRequest { reading: Some(reading), ..Default::default() };
            tokio::spawn(async move { client.create_reading(request).await })
        });
        for sender in senders.collect::<Vec<_>>() {
            sender.await.unwrap().unwrap();
        }
        let all = ListReadingsRequest { page_size: 1000, ..Default::default() };
        assert_eq!(list(&suite, all).await.0.len(), 200);
    }

    async fn a_reused_key_concerns_its_own_sender_alone(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let keyed = |at, key: &str| CreateReadingRequest {
            reading: Some(temperature(&id, at, 1.0)),
            request_id: key.into(),
        };
        suite.readings().create_reading(keyed(0, "used")).await.unwrap();

        // Of every ten, one comes with the used key and another reading, and two with one fresh key.
        let senders: Vec<_> = (1..=100)
            .map(|at| {
                let key = match at % 10 {
                    0 => "used".to_owned(),
                    1 | 2 => format!("fresh-{}", at / 10),
                    _ => String::new(),
                };
                let at = if at % 10 == 2 { at - 1 } else { at };
                let (mut client, request) = (suite.readings(), keyed(at, &key));
                tokio::spawn(async move { client.create_reading(request).await })
            })
            .collect();
        let mut refused = 0;
        for sender in senders {
            if let Err(error) = sender.await.unwrap() {
                assert_eq!(error.code(), Code::FailedPrecondition, "{error}");
                refused += 1;
            }
        }

        let all = ListReadingsRequest { page_size: 1000, ..Default::default() };
        assert_eq!((refused, list(&suite, all).await.0.len()), (10, 81));
    }

    async fn a_repeated_request_is_answered_though_its_equipment_is_unknown_now(world: World) {
        let suite = Suite::start(world).await;
        let request = CreateReadingRequest {
            reading: Some(temperature(NOBODY, 0, 1.0)),
            request_id: "key".into(),
        };
        for _ in 0..2 {
            let error = suite.readings().create_reading(request.clone()).await.unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument, "a refusal is no first answer");
        }
    }

    async fn a_viewer_may_not_send(world: World) {
        let suite = Suite::start(world).await;
        let viewer = suite.world.user(Role::Viewer);
        let mut client = TelemetryServiceClient::new(suite.telemetry.by(&viewer));
        let request = CreateReadingRequest {
            reading: Some(temperature(NOBODY, 0, 1.0)),
            ..Default::default()
        };
        let error = client.create_reading(request).await.unwrap_err();
        assert_eq!(error.code(), Code::PermissionDenied);
    }
}
