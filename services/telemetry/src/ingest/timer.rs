//! What happens without a reading: twice a second it follows what other replicas wrote, and looks for silence that has lasted,
//! and for open alerts where no rule looks any more.
//!
//! Every replica looks; whoever has the turn decides by what the database then says, so one of them raises. Nothing needs to
//! survive a restart: what is due is computed from the last reading of each series.

mod orphan;
mod silence;

use std::{sync::Arc, time::Duration};

use kit::{Clock, Db, Result, Suite};
use tokio::{sync::mpsc, time::MissedTickBehavior};

use self::silence::Silence;
use crate::{
    domain::{reading::EquipmentId, rule::RuleId},
    recent::Recent,
    register::Register,
};

/// How often it looks: what lasts too long is seen within a second, the look included.
const PERIOD: Duration = Duration::from_millis(500);
/// After how many looks open alerts are looked at, also if the register has not changed: another replica may have heard of a
/// change later than this one.
const LOOKS: u32 = 120;

/// A rule on silence and equipment of which other readings are known now.
pub type Disturbed = (RuleId, EquipmentId);

/// Looks for as long as the process runs. Tell it of what was `disturbed`.
pub fn start(
    db: &Db,
    suite: &Suite,
    register: Arc<Register>,
    recent: Recent,
    disturbed: mpsc::UnboundedReceiver<Disturbed>,
) {
    let mut timer = Timer {
        db: db.clone(),
        clock: suite.clock.clone(),
        silence: Silence::default(),
        disturbed,
        register,
        recent,
        seen: None,
        looks: 0,
    };
    suite.spawn(async move {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = timer.look().await {
                tracing::warn!(%error, "silence can't be looked for; it is tried again");
            }
        }
    });
}

struct Timer {
    db: Db,
    clock: Clock,
    register: Arc<Register>,
    recent: Recent,
    silence: Silence,
    disturbed: mpsc::UnboundedReceiver<Disturbed>,
    /// The version of the register whose equipment was looked at.
    seen: Option<u64>,
    looks: u32,
}

impl Timer {
    async fn look(&mut self) -> Result<()> {
        // Also while nobody asks here: whoever writes next would else have to catch up with all that others wrote meanwhile.
        self.recent.catch_up(&mut self.db.read().await?).await?;
        let version = self.register.version();
        if self.seen != Some(version) || self.looks == 0 {
            orphan::clear(&self.db, &self.clock, &self.register, &self.recent).await?;
            self.silence.cover_anew();
            self.seen = Some(version);
        }
        self.looks = (self.looks + 1) % LOOKS;
        while let Ok(place) = self.disturbed.try_recv() {
            self.silence.disturb(place);
        }
        self.silence.look(&self.db, &self.clock, (&self.register, &self.recent)).await
    }
}
