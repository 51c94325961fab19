//! Batches that come over one stream.

use futures_util::{StreamExt, stream};
use kit::access::Role;
use proto::telemetry::v1::{
    ListReadingsRequest, Reading, StreamReadingsRequest, StreamReadingsResponse,
    telemetry_service_client::TelemetryServiceClient,
};
use tonic::{Code, Status};

use super::{
    super::{Client, Suite, temperature},
    NOBODY, list,
};

/// Sends `batches` and answers the acknowledgements, and how it ended.
async fn send(
    mut client: TelemetryServiceClient<Client>,
    batches: Vec<Vec<Reading>>,
) -> (Vec<StreamReadingsResponse>, Option<Status>) {
    let batches = batches.into_iter().map(|readings| StreamReadingsRequest { readings });
    let answers = client.stream_readings(stream::iter(batches)).await.unwrap().into_inner();
    let (mut acknowledged, mut end) = (Vec::new(), None);
    let mut answers = answers.fuse();
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(answer) => acknowledged.push(answer),
            Err(status) => end = Some(status),
        }
    }
    (acknowledged, end)
}

testkit::both! {
    async fn every_batch_is_acknowledged_in_order_and_kept(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let batch = |number: i64| (0..7).map(|at| temperature(&id, number * 7 + at, 1.0)).collect();

        let (acknowledged, end) = send(suite.readings(), (0..100).map(batch).collect()).await;

        assert!(end.is_none(), "{end:?}");
        let places: Vec<_> = acknowledged.iter().map(|answer| answer.batch).collect();
        assert_eq!(places, (0..100).collect::<Vec<_>>());
        assert!(acknowledged.iter().all(|answer| answer.accepted == 7));
        let all = ListReadingsRequest { page_size: 1000, ..Default::default() };
        assert_eq!(list(&suite, all).await.0.len(), 700);
    }

    async fn each_reading_is_refused_alone(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let good = temperature(&id, 1, 1.0);
        let batches = vec![
            vec![temperature(NOBODY, 1, 1.0), good.clone(), temperature(&id, 2, f64::NAN)],
            vec![temperature("nonsense", 1, 1.0)],
            vec![good],
        ];

        let (acknowledged, end) = send(suite.readings(), batches).await;

        assert!(end.is_none(), "{end:?}");
        let refused: Vec<_> = acknowledged
            .iter()
            .flat_map(|answer| answer.refused.iter().map(|refused| (answer.batch, refused.index)))
            .collect();
        assert_eq!(refused, [(0, 0), (0, 2), (1, 0)]);
        let accepted: Vec<_> = acknowledged.iter().map(|answer| answer.accepted).collect();
        assert_eq!(accepted, [1, 0, 1]);
    }

    async fn of_one_stream_the_later_batch_counts(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let batches = (0..500).map(|value| vec![temperature(&id, 1, f64::from(value))]).collect();

        let (acknowledged, _) = send(suite.readings(), batches).await;

        assert_eq!(acknowledged.len(), 500);
        let (readings, _) = list(&suite, ListReadingsRequest::default()).await;
        assert_eq!(readings[0].metrics["temperature"].to_bits(), 499.0_f64.to_bits());
    }

    async fn a_batch_that_breaks_a_rule_ends_the_stream_after_those_before_it(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let good = vec![temperature(&id, 1, 1.0)];

        let (acknowledged, end) = send(suite.readings(), vec![good.clone(), vec![], good]).await;

        assert_eq!(acknowledged.len(), 1);
        assert_eq!(end.unwrap().code(), Code::InvalidArgument);
    }

    async fn a_machine_streams_of_its_own_equipment_alone(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let machine = suite.world.user(Role::Device);
        let client = TelemetryServiceClient::new(suite.telemetry.by(&machine));

        let (acknowledged, _) = send(client, vec![vec![temperature(&id, 1, 1.0)]]).await;

        assert_eq!((acknowledged[0].accepted, acknowledged[0].refused.len()), (0, 1));
        assert!(list(&suite, ListReadingsRequest::default()).await.0.is_empty());
    }
}
