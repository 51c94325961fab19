//! Values summed up for charts.

use prost_types::Duration;
use proto::telemetry::v1::{Bucket, QuerySeriesRequest, Reading, Series};
use tonic::{Code, Status};

use super::{Suite, field, temperature};

fn at(seconds: i64) -> Option<prost_types::Timestamp> {
    temperature("", seconds, 0.0).recorded_at
}

/// From second 10 to second 40.
fn query(equipment_ids: &[&str]) -> QuerySeriesRequest {
    QuerySeriesRequest {
        equipment_ids: equipment_ids.iter().map(|id| (*id).to_owned()).collect(),
        start_time: at(10),
        end_time: at(40),
        ..Default::default()
    }
}

async fn series(suite: &Suite, request: QuerySeriesRequest) -> Result<Vec<Series>, Status> {
    Ok(suite.readings().query_series(request).await?.into_inner().series)
}

testkit::both! {
    async fn many_series_are_summed_up_in_one_call(world: World) {
        let suite = Suite::start(world).await;
        let (one, two) = (suite.machine("pump").await, suite.machine("pump").await);
        let mut sent: Vec<_> = [(9, 100.0), (10, 4.0), (12, -2.0), (19, 1.0), (30, 7.0), (40, 100.0)]
            .map(|(at, value)| temperature(&one, at, value))
            .into();
        sent.push(Reading { metrics: [("speed".into(), 5.0)].into(), ..temperature(&two, 39, 0.0) });
        suite.send_all(sent).await;

        let interval = Some(Duration { seconds: 10, nanos: 0 });
        let request = QuerySeriesRequest { interval, ..query(&[&one, &two]) };
        let mut answer = series(&suite, request).await.unwrap();

        let bucket = |seconds, (min, max, mean, last), count| Bucket {
            start_time: at(seconds), min, max, mean, last, count,
        };
        let of = |id: &str, metric: &str, buckets| Series {
            equipment_id: id.to_owned(),
            metric: metric.to_owned(),
            interval,
            buckets,
        };
        let first = of(&one, "temperature", vec![
            bucket(10, (-2.0, 4.0, 1.0, 1.0), 3),
            bucket(30, (7.0, 7.0, 7.0, 7.0), 1),
        ]);
        let second = of(&two, "speed", vec![bucket(30, (5.0, 5.0, 5.0, 5.0), 1)]);
        let mut expected = vec![first, second];
        answer.sort_by(|a, b| a.metric.cmp(&b.metric));
        expected.sort_by(|a, b| a.metric.cmp(&b.metric));
        assert_eq!(answer, expected);
    }

    async fn a_series_has_at_most_the_points_that_were_asked_for(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.send_all((10..40).map(|at| temperature(&id, at, 1.0)).collect()).await;
        for max_points in [1, 7, 30, 300] {
            let request = QuerySeriesRequest { max_points, ..query(&[&id]) };
            let answer = series(&suite, request).await.unwrap();
            let buckets = &answer[0].buckets;
            assert!(buckets.len() <= usize::try_from(max_points).unwrap(), "{max_points}");
            assert_eq!(buckets.iter().map(|bucket| bucket.count).sum::<i64>(), 30);
        }
    }

    async fn a_query_names_the_metrics_that_it_wants(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let both = [("speed".to_owned(), 5.0), ("temperature".to_owned(), 6.0)];
        suite.send(Reading { metrics: both.into(), ..temperature(&id, 20, 0.0) }).await.unwrap();

        let metrics = vec!["speed".to_owned(), "pressure".to_owned()];
        let answer = series(&suite, QuerySeriesRequest { metrics, ..query(&[&id]) }).await.unwrap();

        assert_eq!(answer.len(), 1);
        assert_eq!(answer[0].metric, "speed");
        assert_eq!(series(&suite, query(&[&id])).await.unwrap().len(), 2);
    }

    async fn a_query_that_makes_no_sense_is_refused_by_field(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.send(temperature(&id, 20, 0.0)).await.unwrap();
        let interval = |seconds, nanos| Some(Duration { seconds, nanos });
        for (request, named) in [
            (query(&[]), "equipment_ids"),
            (QuerySeriesRequest { start_time: None, ..query(&[&id]) }, "start_time"),
            (QuerySeriesRequest { end_time: at(10), ..query(&[&id]) }, "end_time"),
            (QuerySeriesRequest { interval: interval(-1, 0), ..query(&[&id]) }, "interval"),
            (QuerySeriesRequest { interval: interval(0, 1), ..query(&[&id]) }, "interval"),
            (
                QuerySeriesRequest { interval: interval(1, 0), max_points: 3, ..query(&[&id]) },
                "max_points",
            ),
            (QuerySeriesRequest { max_points: 50_001, ..query(&[&id]) }, "max_points"),
        ] {
            let error = series(&suite, request).await.unwrap_err();
            assert_eq!((error.code(), field(&error).as_str()), (Code::InvalidArgument, named));
        }
    }

    async fn a_query_for_more_than_one_answer_holds_is_told_the_limit(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.send(temperature(&id, 20, 0.0)).await.unwrap();
        let interval = Some(Duration { seconds: 0, nanos: 1_000_000 });
        let request = QuerySeriesRequest { interval, end_time: at(61), ..query(&[&id]) };

        let error = series(&suite, request).await.unwrap_err();

        assert_eq!((error.code(), field(&error).as_str()), (Code::InvalidArgument, "interval"));
        assert!(error.message().contains("at most 50000"), "{}", error.message());
    }
}
