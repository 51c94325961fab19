//! How many metrics one machine may have.

use prost_types::FieldMask;
use proto::telemetry::v1::{
    CreateReadingRequest, ListLatestRequest, Reading, StreamReadingsRequest, UpdateReadingRequest,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::super::{Suite, temperature};

/// A reading `at` of the metrics of these numbers, whose values are the numbers.
fn metrics(id: &str, at: i64, numbers: impl Iterator<Item = u32>) -> Reading {
    let metrics = numbers.map(|number| (format!("m{number}"), f64::from(number))).collect();
    Reading { metrics, ..temperature(id, at, 0.0) }
}

/// What a machine sends that has as many as it may, but for one.
fn almost_all(id: &str) -> Vec<Reading> {
    let reading = |part: u32| {
        let first = part * 100;
        metrics(id, 1, first..(first + 100).min(999))
    };
    (0..10).map(reading).collect()
}

fn assert_too_many(refused: &Status) {
    let info = refused.get_details_error_info().unwrap();
    let reason = (refused.code(), info.reason.as_str());
    assert_eq!(reason, (Code::FailedPrecondition, "TOO_MANY_METRICS"), "{refused}");
}

testkit::both! {
    async fn the_new_metrics_of_one_batch_all_get_their_own_values(world: World) {
        let suite = Suite::start(world).await;
        let (one, two) = (suite.machine("pump").await, suite.machine("pump").await);
        let mut sent = almost_all(&one);
        sent.extend(almost_all(&two));

        assert_eq!(suite.send_all(sent).await.accepted, 20);

        // Also for a process that has not met them.
        let suite = Suite::start(suite.world).await;
        let request = ListLatestRequest {
            equipment_ids: vec![one, two],
            ..Default::default()
        };
        let latest = suite.readings().list_latest(request).await.unwrap().into_inner().readings;
        assert_eq!(latest.len(), 2);
        for reading in latest {
            let expected = metrics(&reading.equipment_id, 1, 0..999).metrics;
            assert_eq!(reading.metrics, expected);
        }
    }

    async fn a_machine_has_at_most_a_thousand_and_what_goes_beyond_is_refused_alone(world: World) {
        let suite = Suite::start(world).await;
        let (full, other) = (suite.machine("pump").await, suite.machine("pump").await);
        suite.send_all(almost_all(&full)).await;

        let answer = suite
            .send_all(vec![
                temperature("nonsense", 2, 1.0),
                metrics(&full, 2, 998..1001),
                metrics(&full, 3, 998..1000),
                metrics(&full, 4, 1000..1001),
                metrics(&full, 5, 0..100),
                metrics(&other, 6, 1000..1001),
            ])
            .await;

        let refused: Vec<_> =
            answer.refused.iter().map(|it| (it.index, it.field.as_str())).collect();
        assert_eq!(refused, [(0, "equipment_id"), (1, "metrics"), (3, "metrics")]);
        assert_eq!(answer.refused[1].message, "one piece of equipment has at most 1000 metrics");
        assert_eq!(answer.accepted, 3);
        let streamed = StreamReadingsRequest {
            readings: vec![metrics(&full, 7, 1000..1001), metrics(&full, 8, 999..1000)],
        };
        let stream = futures_util::stream::iter([streamed]);
        let mut answers = suite.readings().stream_readings(stream).await.unwrap().into_inner();
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!((answer.accepted, answer.refused[0].index), (1, 0));
    }

    async fn who_sends_or_changes_one_reading_is_told_and_may_use_the_key_again(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.send_all(almost_all(&id)).await;
        let last = suite.send(metrics(&id, 2, 999..1000)).await.unwrap().into_inner();

        let request = CreateReadingRequest {
            reading: Some(metrics(&id, 3, 1000..1001)),
            request_id: "key".into(),
        };
        for _ in 0..2 {
            let refused = suite.readings().create_reading(request.clone()).await.unwrap_err();
            assert_too_many(&refused);
        }
        let reading = Some(metrics(&id, 3, 0..1));
        let request = CreateReadingRequest { reading, ..request };
        suite.readings().create_reading(request).await.unwrap();

        let reading = Some(Reading { id: last.id, ..metrics(&id, 2, 1000..1001) });
        let update_mask = Some(FieldMask { paths: vec!["metrics".into()] });
        let update = UpdateReadingRequest { reading, update_mask };
        assert_too_many(&suite.readings().update_reading(update.clone()).await.unwrap_err());
        // Nor does a process that has met none of them.
        let suite = Suite::start(suite.world).await;
        assert_too_many(&suite.readings().update_reading(update).await.unwrap_err());
    }
}
