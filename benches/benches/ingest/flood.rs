//! Ten times more than it can take: what waits has a limit, the rest is told so at once, and nothing acknowledged is lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::uri::PathAndQuery;
use kit::codec::BytesCodec;
use prost::Message;
use prost_types::Timestamp;
use proto::telemetry::v1::{
    BatchCreateReadingsRequest, BatchCreateReadingsResponse, QuerySeriesRequest, Reading,
    telemetry_service_client::TelemetryServiceClient,
};
use tonic::{Code, client::Grpc};

use crate::{Engine, suite::Child, tell};

/// Callers at once, each with batches that alone would fill much of the queue, and how many of them share a connection.
const CALLERS: usize = 768;
const SHARE: usize = 8;
const READINGS: i64 = 5_000;
const METRIC: &str = "flood";
const METHOD: &str = "/flightline.telemetry.v1.TelemetryService/BatchCreateReadings";

#[expect(clippy::print_stdout, reason = "a benchmark prints what it found")]
pub async fn measure(
    engine: Engine,
    suite: &Child,
    machines: &[String],
    span: Duration,
) -> anyhow::Result<()> {
    let (kept, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let end = Instant::now() + span;
    let mut callers = Vec::new();
    for machines in machines[..CALLERS].chunks(SHARE) {
        let connection = suite.connect().await?;
        for machine in machines {
            let (kept, refused) = (Arc::clone(&kept), Arc::clone(&refused));
            let mut client = Grpc::new(connection.clone());
            callers.push(async move {
                let mut first = 0;
                // Once for all refusals of it: the machine is to be kept busy with answering.
                let mut bytes = encoded(machine, first);
                while Instant::now() < end {
                    client.ready().await?;
                    let request = suite.request(bytes.clone())?;
                    match client.unary(request, PathAndQuery::from_static(METHOD), BytesCodec).await
                    {
                        Ok(answer) => {
                            kept.fetch_add(accepted(answer.into_inner())?, Ordering::Relaxed);
                            first += READINGS;
                            bytes = encoded(machine, first);
                        }
                        Err(status) if status.code() == Code::ResourceExhausted => {
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(status) => return Err(status.into()),
                    }
                }
                anyhow::Ok(())
            });
        }
    }
    futures_util::future::try_join_all(callers).await?;

    let over = Instant::now();
    let mut client =
        TelemetryServiceClient::new(suite.channel.clone()).max_encoding_message_size(16 << 20);
    while client.batch_create_readings(suite.request(batch(&machines[0], 0))?).await.is_err() {}
    let normal = over.elapsed().as_secs_f64();

    let request = QuerySeriesRequest {
        equipment_ids: machines[..CALLERS].to_vec(),
        metrics: vec![METRIC.to_owned()],
        start_time: Some(Timestamp { seconds: 0, nanos: 0 }),
        end_time: Some(Timestamp { seconds: 1_000_000_000, nanos: 0 }),
        max_points: 1,
        ..Default::default()
    };
    let answer = client.query_series(suite.request(request)?).await?.into_inner();
    let buckets = answer.series.iter().flat_map(|series| &series.buckets);
    let stored: i64 = buckets.map(|bucket| bucket.count).sum();
    let kept = i64::try_from(kept.load(Ordering::Relaxed))?;
    let refused = refused.load(Ordering::Relaxed);
    println!("{engine:?}: flood: {kept} acknowledged, {stored} stored");
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    let offered = (refused * u64::try_from(READINGS)?) as f64 / kept as f64 + 1.0;
    tell(engine, "of what was taken was offered", offered, "times", ('>', 10.0));
    anyhow::ensure!(kept <= stored, "acknowledged readings are lost");
    tell(engine, "memory in a flood", suite.memory()?, "MB", ('<', 512.0));
    tell(engine, "normal after it", normal, "s", ('<', 5.0));
    Ok(())
}

fn batch(machine: &str, first: i64) -> BatchCreateReadingsRequest {
    let readings = (first..first + READINGS).map(|second| Reading {
        equipment_id: machine.to_owned(),
        recorded_at: Some(Timestamp { seconds: second, nanos: 0 }),
        metrics: [(METRIC.to_owned(), 1.0)].into(),
        ..Reading::default()
    });
    BatchCreateReadingsRequest { readings: readings.collect(), ..Default::default() }
}

fn encoded(machine: &str, first: i64) -> Bytes {
    batch(machine, first).encode_to_vec().into()
}

fn accepted(answer: Bytes) -> anyhow::Result<u64> {
    Ok(u64::try_from(BatchCreateReadingsResponse::decode(answer)?.accepted)?)
}
