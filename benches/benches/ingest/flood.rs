//! Ten times more than it can take: what waits has a limit, the rest is told so at once, and nothing acknowledged is lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use prost_types::Timestamp;
use proto::telemetry::v1::{
    BatchCreateReadingsRequest, QuerySeriesRequest, Reading,
    telemetry_service_client::TelemetryServiceClient,
};
use tonic::Code;

use crate::{Engine, suite::Child, tell};

/// Callers at once, each with batches that alone would fill much of the queue.
const CALLERS: usize = 96;
const READINGS: i64 = 5_000;
const METRIC: &str = "flood";

#[expect(clippy::print_stdout, reason = "a benchmark prints what it found")]
pub async fn measure(
    engine: Engine,
    suite: &Child,
    machines: &[String],
    span: Duration,
) -> anyhow::Result<()> {
    let (kept, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let end = Instant::now() + span;
    let callers = (0..CALLERS).map(|caller| {
        let (kept, refused) = (Arc::clone(&kept), Arc::clone(&refused));
        let machine = machines[caller].clone();
        async move {
            let mut client = TelemetryServiceClient::new(suite.connect().await?)
                .max_encoding_message_size(16 << 20);
            let mut first = 0;
            while Instant::now() < end {
                let request = suite.request(batch(&machine, first))?;
                match client.batch_create_readings(request).await {
                    Ok(answer) => {
                        first += READINGS;
                        let accepted = u64::try_from(answer.into_inner().accepted)?;
                        kept.fetch_add(accepted, Ordering::Relaxed);
                    }
                    Err(status) if status.code() == Code::ResourceExhausted => {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(status) => return Err(status.into()),
                }
            }
            anyhow::Ok(())
        }
    });
    let callers: Vec<_> = callers.collect();
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
