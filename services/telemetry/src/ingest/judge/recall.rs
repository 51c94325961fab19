//! Learns anew what matters of the past of many series at once: after a start nothing of them is known.

use std::collections::{HashMap, HashSet};

use kit::{Result, db::Tx};

use super::Judge;
use crate::{
    domain::{alert::Alert, reading::EquipmentId, replay::breach, rule::RuleId},
    ingest::writer::Changed,
    recent::Recent,
    store,
};

/// Series that are read at a time.
const SERIES: usize = 250;

/// What is open of the rules that look at some series.
type Open = HashMap<(RuleId, EquipmentId), Alert>;

impl Judge {
    /// Learns what is not known of the series in `changed`, as it was before the transaction under way wrote anything. What
    /// their last values don't tell stays unknown, and is replayed.
    pub async fn recall(&mut self, tx: &mut Tx, recent: &Recent, changed: &Changed) -> Result<()> {
        let mut strangers = Vec::new();
        for (series_id, series) in changed {
            if series.is_new || self.memory.is_known(*series_id) {
                continue;
            }
            let equipment_id = series.equipment_id;
            let Some(kind) = self.register.kind(equipment_id).await else { continue };
            self.memory.of(*series_id, equipment_id, &series.metric, &kind);
            if !self.memory.is_known(*series_id) {
                strangers.push((*series_id, equipment_id));
            }
        }
        for strangers in strangers.chunks(SERIES) {
            self.learn(tx, recent, strangers).await?;
        }
        Ok(())
    }

    async fn learn(
        &mut self,
        tx: &mut Tx,
        recent: &Recent,
        strangers: &[(i64, EquipmentId)],
    ) -> Result<()> {
        let series: Vec<i64> = strangers.iter().map(|(series_id, _)| *series_id).collect();
        let equipment: HashSet<_> = strangers.iter().map(|(_, id)| *id).collect();
        let mut rules = HashSet::new();
        for series_id in &series {
            rules.extend(self.memory.unknown(*series_id).map(|look| look.rule.id));
        }
        let open = store::alert::open_of(tx, &rules, &equipment).await?;
        let open: Open = open.into_iter().filter_map(by_place).collect();
        let tails = store::reading::tails(tx, recent, &series).await?;
        for (series_id, equipment_id) in strangers {
            let Some(tail) = tails.get(series_id) else { continue };
            for look in self.memory.unknown(*series_id) {
                let open = open.get(&(look.rule.id, *equipment_id));
                let open = open.filter(|alert| alert.judged_since == Some(look.rule.updated_at));
                look.course = tail.course(&look.rule, open.map(breach));
            }
        }
        Ok(())
    }
}

fn by_place(alert: Alert) -> Option<((RuleId, EquipmentId), Alert)> {
    Some(((alert.rule_id?, alert.equipment_id), alert))
}
