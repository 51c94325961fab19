//! Readings that are changed or deleted after they were sent.

use std::collections::BTreeMap;

use kit::Timestamp;
use prost_types::FieldMask;
use proto::telemetry::v1::{
    CreateReadingRequest, DeleteReadingRequest, GetReadingRequest, Reading, UpdateReadingRequest,
};
use tonic::{Code, Status};

use super::super::{Suite, below, field, temperature};

fn metrics(values: &[(&str, f64)]) -> BTreeMap<String, f64> {
    values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

async fn update(suite: &Suite, reading: Reading, mask: &[&str]) -> Result<Reading, Status> {
    let paths: Vec<String> = mask.iter().map(|path| (*path).to_owned()).collect();
    let update_mask = Some(FieldMask { paths }).filter(|mask| !mask.paths.is_empty());
    let request = UpdateReadingRequest { reading: Some(reading), update_mask };
    suite.readings().update_reading(request).await.map(tonic::Response::into_inner)
}

async fn get(suite: &Suite, id: &str) -> Result<Reading, Status> {
    let request = GetReadingRequest { id: id.to_owned() };
    suite.readings().get_reading(request).await.map(tonic::Response::into_inner)
}

async fn delete(suite: &Suite, id: &str) -> Result<(), Status> {
    let request = DeleteReadingRequest { id: id.to_owned() };
    suite.readings().delete_reading(request).await.map(tonic::Response::into_inner)
}

/// A reading of two metrics that is there.
async fn stored(suite: &Suite) -> Reading {
    let id = suite.machine("pump").await;
    let sent = Reading { metrics: metrics(&[("a", 1.0), ("b", 2.0)]), ..temperature(&id, 7, 0.0) };
    suite.send(sent).await.unwrap().into_inner()
}

testkit::both! {
    async fn who_adds_a_metric_to_a_reading_is_answered_all_of_it(world: World) {
        let suite = Suite::start(world).await;
        let stored = stored(&suite).await;
        let more = Reading { metrics: metrics(&[("b", 3.0), ("c", 4.0)]), ..stored.clone() };
        let add = CreateReadingRequest { reading: Some(more), request_id: "once".into() };

        for _ in 0..3 {
            let answer = suite.readings().create_reading(add.clone()).await.unwrap().into_inner();
            assert_eq!(answer.metrics, metrics(&[("a", 1.0), ("b", 3.0), ("c", 4.0)]));
            assert_eq!(get(&suite, &stored.id).await.unwrap(), answer);
        }
    }

    async fn an_update_without_a_mask_or_with_that_of_all_leaves_the_given_metrics_alone(world: World) {
        let suite = Suite::start(world).await;
        let stored = stored(&suite).await;

        let after = Reading { metrics: metrics(&[("b", 3.0), ("c", 4.0)]), ..stored.clone() };
        let answer = update(&suite, after.clone(), &[]).await.unwrap();

        assert_eq!(answer, after);
        assert_eq!(get(&suite, &stored.id).await.unwrap(), after);

        // So does one with the mask of all.
        let after = Reading { metrics: metrics(&[("d", 5.0)]), ..stored.clone() };
        assert_eq!(update(&suite, after.clone(), &["*"]).await.unwrap(), after);
        assert_eq!(get(&suite, &stored.id).await.unwrap(), after);
    }

    async fn an_update_of_metrics_leaves_those_that_it_does_not_name(world: World) {
        let suite = Suite::start(world).await;
        let stored = stored(&suite).await;
        let change = |values| Reading { metrics: metrics(values), ..stored.clone() };

        // What REST sends of a PATCH whose body is a whole reading.
        let mask = ["id", "equipment_id", "recorded_at", "metrics"];
        update(&suite, change(&[("b", 3.0)]), &mask).await.unwrap();
        assert_eq!(get(&suite, &stored.id).await.unwrap(), change(&[("a", 1.0), ("b", 3.0)]));

        update(&suite, change(&[("c", 4.0), ("b", 9.0)]), &["metrics.c", "metrics.a"]).await.unwrap();
        assert_eq!(get(&suite, &stored.id).await.unwrap(), change(&[("b", 3.0), ("c", 4.0)]));
    }

    async fn equipment_and_time_of_a_reading_cannot_change(world: World) {
        let suite = Suite::start(world).await;
        let stored = stored(&suite).await;
        let other = suite.machine("pump").await;
        for (change, named) in [
            (Reading { equipment_id: other, ..stored.clone() }, "reading.equipment_id"),
            (
                Reading { recorded_at: temperature("", 8, 0.0).recorded_at, ..stored.clone() },
                "reading.recorded_at",
            ),
        ] {
            let error = update(&suite, change, &[]).await.unwrap_err();
            assert_eq!((error.code(), field(&error).as_str()), (Code::InvalidArgument, named));
        }
        let left_out =
            Reading { equipment_id: String::new(), recorded_at: None, ..stored.clone() };
        assert_eq!(update(&suite, left_out, &[]).await.unwrap(), stored);
    }

    async fn a_bad_change_is_refused_by_field_and_changes_nothing(world: World) {
        let suite = Suite::start(world).await;
        let stored = stored(&suite).await;
        let change = |values| Reading { metrics: metrics(values), ..stored.clone() };
        for (change, mask, named) in [
            (change(&[]), &[][..], "reading.metrics"),
            (change(&[("a", f64::NAN)]), &[], "reading.metrics[\"a\"]"),
            (change(&[("A", 1.0)]), &["metrics"], "reading.metrics[\"A\"]"),
            (change(&[]), &["metrics.a", "metrics.b"], "reading.metrics"),
            (change(&[("a", 5.0)]), &["colour"], "update_mask"),
            (change(&[("a", 5.0)]), &["*", "metrics"], "update_mask"),
        ] {
            let error = update(&suite, change, mask).await.unwrap_err();
            assert_eq!((error.code(), field(&error).as_str()), (Code::InvalidArgument, named));
        }
        assert_eq!(get(&suite, &stored.id).await.unwrap(), stored);
    }

    async fn a_deleted_reading_is_gone(world: World) {
        let suite = Suite::start(world).await;
        let stored = stored(&suite).await;

        delete(&suite, &stored.id).await.unwrap();

        assert_eq!(get(&suite, &stored.id).await.unwrap_err().code(), Code::NotFound);
        assert_eq!(delete(&suite, &stored.id).await.unwrap_err().code(), Code::NotFound);
        assert_eq!(update(&suite, stored.clone(), &[]).await.unwrap_err().code(), Code::NotFound);
        assert_eq!(delete(&suite, "nonsense").await.unwrap_err().code(), Code::NotFound);
        // It can be sent again.
        suite.send(stored.clone()).await.unwrap();
        assert_eq!(get(&suite, &stored.id).await.unwrap(), stored);
    }

    async fn alerts_follow_readings_that_are_changed_or_deleted(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.rule(below(&id, 50.0, 0.0)).await;
        let mut sent = Vec::new();
        for (at, value) in [(10, 60.0), (20, 40.0), (30, 45.0), (40, 60.0)] {
            sent.push(suite.send(temperature(&id, at, value)).await.unwrap().into_inner());
        }
        let second = |at: Option<prost_types::Timestamp>| at.map(|at| at.seconds);
        let history = async || -> Vec<_> {
            let alerts = suite.all_alerts().await;
            alerts.into_iter().map(|a| (second(a.raised_at), second(a.cleared_at))).collect()
        };
        assert_eq!(history().await, [(Some(20), Some(40))]);

        update(&suite, temperature_of(&sent[2], 55.0), &["metrics"]).await.unwrap();
        assert_eq!(history().await, [(Some(20), Some(30))]);

        delete(&suite, &sent[2].id).await.unwrap();
        assert_eq!(history().await, [(Some(20), Some(40))]);

        delete(&suite, &sent[3].id).await.unwrap();
        assert_eq!(history().await, [(Some(20), None)]);

        delete(&suite, &sent[1].id).await.unwrap();
        assert_eq!(history().await, []);

        update(&suite, temperature_of(&sent[0], 10.0), &[]).await.unwrap();
        assert_eq!(history().await, [(Some(10), None)]);
    }

    async fn a_change_sees_what_was_sent_before_it(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let key = suite.send(temperature(&id, 7, 0.0)).await.unwrap().into_inner().id;
        for round in 0..20 {
            let metric = format!("m{round}");
            let reading = Reading { metrics: [(metric.clone(), 1.0)].into(), ..temperature(&id, 7, 0.0) };
            suite.send(reading).await.unwrap();
            let only = Reading { id: key.clone(), metrics: metrics(&[("temperature", 0.0)]), ..Default::default() };
            let answer = update(&suite, only, &[]).await.unwrap();
            assert_eq!(answer.recorded_at, Some(Timestamp::from_micros(7_000_000).into()));
            assert_eq!(get(&suite, &key).await.unwrap().metrics, metrics(&[("temperature", 0.0)]));
        }
    }
}

fn temperature_of(reading: &Reading, value: f64) -> Reading {
    Reading { metrics: metrics(&[("temperature", value)]), ..reading.clone() }
}
