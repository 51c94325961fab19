//! How many durable values a second.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use kit::uuid::Uuid;
use prost_types::Timestamp;
use proto::telemetry::v1::{
    Reading, StreamReadingsRequest, telemetry_service_client::TelemetryServiceClient,
};
use testkit::World;

use crate::{
    BATCH, MACHINES, METRIC,
    bare::{Store, value},
    suite::{Child, Place, START},
};

/// Streams that send at once.
const STREAMS: usize = 4;
/// Batches that the store alone has under way: as many as the streams have.
const UNDER_WAY: usize = STREAMS * 32;

/// What the store takes without wire, checks and rules.
pub async fn alone(place: &Place<'_>, span: Duration) -> anyhow::Result<f64> {
    let world = World::new(testkit::Engine::Sqlite).await;
    let store = Store::open(&place.fresh("alone").await?, &world).await?;
    let ids: Vec<_> = (0..MACHINES).map(|_| Uuid::now_v7().into()).collect();
    let begun = Instant::now();
    let (mut count, mut under_way) = (0_usize, std::collections::VecDeque::new());
    let mut second = START;
    while begun.elapsed() < span {
        for (number, ids) in ids.chunks(BATCH).enumerate() {
            under_way.push_back(store.batch(ids, second, number).await?);
            if UNDER_WAY <= under_way.len()
                && let Some(done) = under_way.pop_front()
            {
                done.await?;
                count += BATCH;
            }
        }
        second += 1;
    }
    let rate = per_second(count, begun.elapsed());
    store.close().await;
    Ok(rate)
}

/// What the service takes over streams, each on a connection of its own, from batches that are sent as fast as they are
/// taken.
pub async fn through(suite: &Child, machines: &[String], span: Duration) -> anyhow::Result<f64> {
    let count = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let senders = (0..STREAMS).map(|number| {
        let count = Arc::clone(&count);
        async move {
            let mut client = TelemetryServiceClient::new(suite.connect().await?);
            // Machines of a stream are its own: their readings come in order.
            let mine: Vec<String> =
                machines.iter().skip(number).step_by(STREAMS).cloned().collect();
            let batches = batches(mine, suite.end(), begun + span);
            let request = suite.request(batches)?;
            let mut answers = client.stream_readings(request).await?.into_inner();
            while let Some(answer) = answers.next().await {
                let accepted = u64::try_from(answer?.accepted)?;
                count.fetch_add(accepted, Ordering::Relaxed);
            }
            anyhow::Ok(())
        }
    });
    let senders: Vec<_> = senders.collect();
    futures_util::future::try_join_all(senders).await?;
    let elapsed = begun.elapsed();
    let values = count.load(Ordering::Relaxed);
    // The seconds that were used: each stream went its own way.
    for _ in 0..(values / u64::try_from(machines.len())? + values / 100_000) {
        suite.next_second();
    }
    Ok(per_second(usize::try_from(values)?, elapsed))
}

/// Batches of a value of each of `machines`, second after second, until `end`.
pub fn batches(
    machines: Vec<String>,
    first: i64,
    end: Instant,
) -> impl futures_util::Stream<Item = StreamReadingsRequest> + Send + 'static {
    let mut place = 0;
    stream::iter(std::iter::from_fn(move || {
        if end < Instant::now() {
            return None;
        }
        let readings = (0..BATCH).map(|_| {
            let length = machines.len();
            let (second, machine) = (first + i64::try_from(place / length).ok()?, place % length);
            place += 1;
            Some(Reading {
                equipment_id: machines[machine].clone(),
                recorded_at: Some(Timestamp { seconds: second, nanos: 0 }),
                metrics: [(METRIC.to_owned(), value(second, machine))].into(),
                ..Reading::default()
            })
        });
        Some(StreamReadingsRequest { readings: readings.flatten().collect() })
    }))
}

pub fn per_second(count: usize, elapsed: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / elapsed.as_secs_f64()
}
