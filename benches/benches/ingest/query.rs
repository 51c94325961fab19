//! How long queries take over many values.

use std::time::{Duration, Instant};

use prost_types::Timestamp;
use proto::telemetry::v1::{
    ListLatestRequest, QuerySeriesRequest, telemetry_service_client::TelemetryServiceClient,
};
use tonic::transport::Channel;

use crate::{
    Engine, rate,
    suite::{Child, START},
    tell,
};

/// Each query is asked so often; the median counts, or the mean that the service tells.
const TIMES: usize = 51;
const CHART: &str = "/flightline.telemetry.v1.TelemetryService/QuerySeries";

#[expect(clippy::print_stdout, reason = "a benchmark prints what it found")]
pub async fn measure(engine: Engine, suite: &Child, machines: &[String]) -> anyhow::Result<()> {
    let mut client = TelemetryServiceClient::new(suite.channel.clone());
    // All that there is of one series, as thirty days would be.
    let all = span(&machines[..1], START, suite.end(), 300);
    // A server plans each statement anew for some times.
    chart(suite, &mut client, machines, &all).await?;
    let before = suite.served(CHART).await?;
    let seen = chart(suite, &mut client, machines, &all).await?;
    let after = suite.served(CHART).await?;
    let served = (after.seconds - before.seconds) / (after.calls - before.calls) * 1000.0;
    tell(engine, "one series in 300 buckets, at the service", served, "ms", ('<', 2.0));
    println!("{engine:?}: the same at the client: {seen:.2} ms");

    let latest = median(suite, &mut client, |client, suite, _| {
        let request = ListLatestRequest { equipment_ids: machines.to_vec(), ..Default::default() };
        let request = suite.request(request);
        Box::pin(async move {
            client.list_latest(request?).await?;
            Ok(())
        })
    });
    tell(engine, "latest of 1,000 series", latest.await?, "ms", ('<', 10.0));

    let busy = rate::through(suite, machines, Duration::from_secs(5));
    let end = suite.end();
    let hour = span(&machines[..1], end - 3600, end + 3600, 300);
    let hour = median(suite, &mut client, |client, suite, number| {
        let equipment_ids = vec![machines[number % machines.len()].clone()];
        let request = suite.request(QuerySeriesRequest { equipment_ids, ..hour.clone() });
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            client.query_series(request?).await?;
            Ok(())
        })
    });
    let (busy, hour) = tokio::join!(busy, hour);
    busy?;
    let hour = hour? - 50.0;
    tell(engine, "the last hour while readings come at full rate", hour, "ms", ('<', 20.0));
    Ok(())
}

/// How long a query as `all` of one machine takes at the client.
async fn chart(
    suite: &Child,
    client: &mut TelemetryServiceClient<Channel>,
    machines: &[String],
    all: &QuerySeriesRequest,
) -> anyhow::Result<f64> {
    let ask = median(suite, client, |client, suite, number| {
        let equipment_ids = vec![machines[number % machines.len()].clone()];
        let request = suite.request(QuerySeriesRequest { equipment_ids, ..all.clone() });
        Box::pin(async move {
            client.query_series(request?).await?;
            Ok(())
        })
    });
    ask.await
}

fn span(ids: &[String], start: i64, end: i64, max_points: i32) -> QuerySeriesRequest {
    QuerySeriesRequest {
        equipment_ids: ids.to_vec(),
        start_time: Some(Timestamp { seconds: start, nanos: 0 }),
        end_time: Some(Timestamp { seconds: end, nanos: 0 }),
        max_points,
        ..Default::default()
    }
}

type Asked<'a> = futures_util::future::BoxFuture<'a, anyhow::Result<()>>;

/// In milliseconds.
async fn median(
    suite: &Child,
    client: &mut TelemetryServiceClient<Channel>,
    ask: impl for<'a> Fn(&'a mut TelemetryServiceClient<Channel>, &'a Child, usize) -> Asked<'a>,
) -> anyhow::Result<f64> {
    let mut times = Vec::new();
    for number in 0..TIMES {
        let begun = Instant::now();
        ask(client, suite, number).await?;
        times.push(begun.elapsed());
    }
    times.sort();
    Ok(times[TIMES / 2].as_secs_f64() * 1000.0)
}
