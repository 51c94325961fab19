//! Clears open alerts where their rule looks no more: the equipment was decommissioned, or is of another type now.

use kit::{Clock, Db, Result, Timestamp, changes};
use proto::telemetry::v1 as pb;

use crate::{
    change,
    domain::alert::AlertId,
    ingest::{last_seen, mark},
    observe::Event,
    recent::Recent,
    register::{Entry, Register},
    store::{self, alert::Open},
};

const DECOMMISSIONED: &str = "Cleared because the equipment was decommissioned.";
const OTHER_TYPE: &str = "Cleared because the equipment is of another type now.";

/// Clears them all.
pub async fn clear(db: &Db, clock: &Clock, register: &Register, recent: &Recent) -> Result<()> {
    let open = store::alert::open(&mut db.read().await?).await?;
    for alert in open {
        // What the register has not told of yet is left alone.
        let Some(entry) = register.entry(alert.equipment_id).await else { continue };
        if let Some(why) = why(&alert, &entry) {
            clear_one(db, clock, recent, alert.id, why).await?;
        }
    }
    Ok(())
}

fn why(alert: &Open, entry: &Entry) -> Option<&'static str> {
    if !entry.in_service {
        return Some(DECOMMISSIONED);
    }
    let kind = alert.equipment_type.as_deref()?;
    (*entry.kind != *kind).then_some(OTHER_TYPE)
}

async fn clear_one(db: &Db, clock: &Clock, recent: &Recent, id: AlertId, why: &str) -> Result<()> {
    let mut tx = db.begin("clear orphan").await?;
    store::journal::take_turn(&mut tx).await?;
    let alert = store::alert::lock(&mut tx, id).await?;
    // Another replica may have been faster, or a reading.
    let Some(mut alert) = alert.filter(|alert| alert.cleared_at.is_none()) else { return Ok(()) };
    // Where none was, no later one is waited for.
    let last = last_seen(&mut tx, recent, &alert).await?.filter(|last| *last != Timestamp::MIN);
    let now = clock.now();
    alert.leave(now, last, why);
    Event::Cleared.note(&mut tx, 1);
    store::alert::update(&mut tx, &alert).await?;
    mark(&mut tx, &alert, now).await?;
    changes::append(&mut tx, now, change::ALERT, alert.id.uuid(), &pb::Alert::from(alert)).await?;
    tx.commit().await
}
