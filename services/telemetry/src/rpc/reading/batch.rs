//! Readings that come many at a time.

use std::collections::{HashMap, HashSet};

use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use kit::{Call, Caller, Error, Result, Timestamp, stack::Turn};
use proto::telemetry::v1 as pb;
use tonic::{Status, Streaming};

use super::{NOT_BOUND, check_equipment, check_kept, may_send, read};
use crate::{
    domain::reading::{EquipmentId, Reading},
    ingest::{self, Written},
    register,
    rpc::Service,
};

/// Look-ups in the register that one batch may have under way.
const LOOK_UPS: usize = 16;
/// Batches of one stream that may wait to be durable.
const UNDER_WAY: usize = 32;

/// A batch after each of its readings was looked at.
#[derive(Default)]
struct Checked {
    readings: Vec<Reading>,
    verdict: Verdict,
}

/// What becomes of the readings of a batch, by their places in it.
#[derive(Default)]
struct Verdict {
    /// The good ones, in the order in which they are written.
    good: Vec<i32>,
    refused: Vec<pb::RefusedReading>,
}

pub async fn create(
    service: &Service,
    call: Call<pb::BatchCreateReadingsRequest>,
) -> Result<pb::BatchCreateReadingsResponse> {
    let Call { caller, message, turn, .. } = call;
    debug_assert!(turn.is_some(), "batches are read in turn");
    let pb::BatchCreateReadingsRequest { readings, unreadable } = message;
    let Checked { readings, verdict } = check(service, &caller, readings, unreadable, turn).await?;

    let written = if readings.is_empty() {
        Written::Kept
    } else {
        service.ingest.write(readings, None).await?
    };
    let (accepted, refused) = verdict.after(&written);
    Ok(pb::BatchCreateReadingsResponse { accepted, refused })
}

/// Acknowledges batch after batch. The next is read while others wait to be durable, and none while too many do.
pub fn stream(
    service: &Service,
    caller: Caller,
    batches: Streaming<pb::StreamReadingsRequest>,
) -> impl Stream<Item = Result<pb::StreamReadingsResponse, Status>> + Send + use<> {
    let shutdown = service.suite.shutdown.clone();
    let service = service.clone();
    let queued = batches.enumerate().then(move |(batch, request)| {
        let (service, caller) = (service.clone(), caller.clone());
        async move {
            let Checked { readings, verdict } = check(
                &service,
                &caller,
                request.map_err(Error::unread)?.readings,
                Vec::new(),
                None,
            )
            .await?;
            let kept = if readings.is_empty() {
                None
            } else {
                Some(service.ingest.queue(readings).await?)
            };
            Ok::<_, Error>((batch, verdict, kept))
        }
    });
    let acknowledged = queued
        .take_until(shutdown.clone().cancelled_owned())
        .map(async |queued| {
            let (batch, verdict, kept) = queued?;
            let written = match kept {
                None => Written::Kept,
                Some(kept) => kept.await?,
            };
            let (accepted, refused) = verdict.after(&written);
            let batch = i64::try_from(batch).unwrap_or(i64::MAX);
            Ok(pb::StreamReadingsResponse { batch, accepted, refused })
        })
        .buffered(UNDER_WAY);
    // Who is cut off by our end is told so; who has ended is not.
    let end = stream::once(async move { shutdown.is_cancelled() })
        .filter_map(async |ended| ended.then(|| Err(Error::Unavailable("the service is ending"))));
    acknowledged.chain(end).map_err(Status::from)
}

impl Verdict {
    /// How many are kept and which are refused, now that the good ones were written.
    fn after(self, written: &Written) -> (i32, Vec<pb::RefusedReading>) {
        let Self { good, mut refused } = self;
        let too_many = match written {
            Written::Partly(places) => places.as_slice(),
            _ => &[],
        };
        let indices = too_many.iter().filter_map(|place| good.get(*place));
        refused.extend(indices.map(|index| pb::RefusedReading {
            index: *index,
            field: "metrics".into(),
            message: ingest::too_many_metrics(),
        }));
        refused.sort_by_key(|refused| refused.index);
        (i32::try_from(good.len() - too_many.len()).unwrap_or(i32::MAX), refused)
    }
}

/// Looks at each reading alone, but for the `unreadable` ones, which are refused as they come. Its `turn` lasts for as long as
/// nothing has to be waited for.
async fn check(
    service: &Service,
    caller: &Caller,
    batch: Vec<pb::Reading>,
    unreadable: Vec<pb::RefusedReading>,
    mut turn: Option<Turn>,
) -> Result<Checked> {
    let now = service.suite.clock.now();
    let known = look_up(service, caller, &batch, &mut turn).await?;
    let mut unreadable: HashMap<i32, pb::RefusedReading> =
        unreadable.into_iter().map(|refused| (refused.index, refused)).collect();
    let mut checked = Checked::default();
    for (index, wire) in (0..).zip(batch) {
        let values = wire.metrics.len();
        if let Some(refused) = unreadable.remove(&index) {
            ingest::refused(values);
            checked.verdict.refused.push(refused);
            continue;
        }
        match read_known(service, caller, wire, now, &known) {
            Ok(reading) => {
                checked.readings.push(reading);
                checked.verdict.good.push(index);
            }
            Err(Error::Invalid { field, problem }) => {
                ingest::refused(values);
                let refused = pb::RefusedReading { index, field, message: problem };
                checked.verdict.refused.push(refused);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(checked)
}

/// What the register says, by id.
type Known = HashMap<EquipmentId, register::Entry>;

/// What is known of the equipment that `readings` name and the caller may send of: of others the register isn't asked. Several
/// that are not known here are asked for at once, and meanwhile it is another's `turn`.
async fn look_up(
    service: &Service,
    caller: &Caller,
    readings: &[pb::Reading],
    turn: &mut Option<Turn>,
) -> Result<Known> {
    let id = |reading: &pb::Reading| EquipmentId::parse("equipment_id", &reading.equipment_id).ok();
    let mut ids: HashSet<EquipmentId> = readings.iter().filter_map(id).collect();
    ids.retain(|id| may_send(caller, *id));
    let (mut known, unknown) = service.register.known(ids).await;
    if let Some(turn) = turn
        && !unknown.is_empty()
    {
        turn.pass();
    }
    let mut found = stream::iter(unknown)
        .map(async |id| Ok::<_, Error>((id, service.register.find(id).await?)))
        .buffer_unordered(LOOK_UPS);
    while let Some((id, entry)) = found.try_next().await? {
        known.extend(entry.map(|entry| (id, entry)));
    }
    drop(found);
    Ok(known)
}

/// A checked reading of equipment that is there.
fn read_known(
    service: &Service,
    caller: &Caller,
    wire: pb::Reading,
    now: Timestamp,
    known: &Known,
) -> Result<Reading> {
    let reading = read(wire, now)?;
    let id = reading.key.equipment_id;
    if !may_send(caller, id) {
        return Err(Error::invalid("equipment_id", NOT_BOUND));
    }
    check_equipment(known.get(&id))?;
    check_kept(service, &reading)?;
    Ok(reading)
}
