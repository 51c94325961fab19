//! The last value of every metric.

use proto::telemetry::v1::{DeleteReadingRequest, ListLatestRequest, Reading};
use tonic::Code;

use super::super::{Suite, field, temperature};

async fn latest(suite: &Suite, equipment_ids: &[&String], metrics: &[&str]) -> Vec<Reading> {
    let request = ListLatestRequest {
        equipment_ids: equipment_ids.iter().map(|id| (*id).clone()).collect(),
        metrics: metrics.iter().map(|metric| (*metric).to_owned()).collect(),
    };
    suite.readings().list_latest(request).await.unwrap().into_inner().readings
}

testkit::both! {
    async fn the_last_value_of_every_metric_comes_in_one_call(world: World) {
        let suite = Suite::start(world).await;
        let (one, two) = (suite.machine("pump").await, suite.machine("pump").await);
        let (idle, other) = (suite.machine("pump").await, suite.machine("pump").await);
        let speed = Reading { metrics: [("speed".into(), 3.0)].into(), ..temperature(&one, 5, 0.0) };
        let both = |id, at| Reading {
            metrics: [("speed".into(), 8.0), ("temperature".into(), 9.0)].into(),
            ..temperature(id, at, 0.0)
        };
        // The temperature of `one` is the newer, though it arrives before older ones.
        let sent = vec![
            temperature(&one, 9, 1.0),
            temperature(&one, 7, 2.0),
            speed.clone(),
            both(&two, 6),
            temperature(&other, 6, 4.0),
        ];
        suite.send_all(sent).await;

        let asked = latest(&suite, &[&two, &one, &idle, &two], &[]).await;
        let bare: Vec<_> =
            asked.iter().map(|reading| Reading { id: String::new(), ..reading.clone() }).collect();
        let of_one = [speed.clone(), temperature(&one, 9, 1.0)];
        let expected = if one < two {
            [&of_one[..], &[both(&two, 6)]].concat()
        } else {
            [&[both(&two, 6)], &of_one[..]].concat()
        };
        assert_eq!(bare, expected);
        assert!(asked.iter().all(|reading| !reading.id.is_empty()));

        let speeds = latest(&suite, &[&one], &["speed"]).await;
        assert_eq!(speeds.len(), 1);
        assert_eq!(speeds[0].metrics, speed.metrics);
    }

    async fn the_value_before_is_the_last_when_the_last_is_deleted(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.send(temperature(&id, 1, 1.0)).await.unwrap();
        let last = suite.send(temperature(&id, 2, 2.0)).await.unwrap().into_inner();

        suite.readings().delete_reading(DeleteReadingRequest { id: last.id }).await.unwrap();

        let latest = latest(&suite, &[&id], &[]).await;
        assert_eq!(latest[0].recorded_at.unwrap().seconds, 1);
    }

    async fn nobody_asks_for_the_latest_of_nothing_or_of_nonsense(world: World) {
        let suite = Suite::start(world).await;
        for (equipment_ids, named) in
            [(vec![], "equipment_ids"), (vec!["x".to_owned()], "equipment_ids[0]")]
        {
            let request = ListLatestRequest { equipment_ids, ..Default::default() };
            let error = suite.readings().list_latest(request).await.unwrap_err();
            assert_eq!((error.code(), field(&error).as_str()), (Code::InvalidArgument, named));
        }
    }
}
