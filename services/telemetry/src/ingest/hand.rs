//! What something else than a reading has to see to when it raises, ends or removes an alert: up to where its rule has looked,
//! and that whoever judges hears of it.

use kit::{Result, Timestamp, db::Tx};

use crate::{
    domain::{
        alert::Alert,
        journal::{Marks, encode_marks},
    },
    recent::Recent,
    store,
};

/// The last reading that the alert's rule has seen, or a time before all; none if no rule raised it.
pub async fn last_seen(tx: &mut Tx, recent: &Recent, alert: &Alert) -> Result<Option<Timestamp>> {
    let Some(since) = alert.judged_since else { return Ok(None) };
    recent.catch_up(tx).await?;
    let last = match series(tx, alert).await? {
        Some(series_id) => {
            store::reading::last_before(tx, recent, series_id, since, Timestamp::MAX).await?
        }
        None => None,
    };
    Ok(Some(last.unwrap_or(Timestamp::MIN)))
}

/// Tells whoever holds readings against the alert's rule that it is not as they left it. The transaction has its turn.
pub async fn mark(tx: &mut Tx, alert: &Alert, now: Timestamp) -> Result<()> {
    if alert.rule_id.is_none() {
        return Ok(());
    }
    let Some(series_id) = series(tx, alert).await? else { return Ok(()) };
    let marks = Marks { series: vec![series_id], ..Marks::default() };
    store::journal::append(tx, &encode_marks(&marks), now).await.map(drop)
}

/// What the alert's rule looked at.
async fn series(tx: &mut Tx, alert: &Alert) -> Result<Option<i64>> {
    let metrics = [alert.metric.clone()];
    let series = store::reading::series_of(tx, &[alert.equipment_id], &metrics).await?;
    Ok(series.first().map(|series| series.id))
}
