//! The demo at work: the fleet lives, its readings are sent, and what follows is told.

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use anyhow::{anyhow, ensure};
use kit::{
    Clock,
    peer::{Peer, Peers},
};
use proto::{
    maintenance::v1::Task,
    telemetry::v1::{
        BatchCreateReadingsRequest, Reading, telemetry_service_client::TelemetryServiceClient,
    },
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};
use tonic::Status;

use super::{
    assets::{self, Asset},
    events::{Event, Events},
    fleet::{Fleet, Step},
    people::People,
    story::Story,
    technician::Technician,
};
use crate::session::Session;

/// How often the machines measure.
const BEAT: Duration = Duration::from_secs(1);

/// Everything that the demo needs to go on.
pub struct Play {
    chief: Session,
    assets: Arc<[Asset]>,
    fleet: Fleet,
    telemetry: TelemetryServiceClient<Peer>,
    events: Events,
    /// What the technicians go by.
    open_tasks: watch::Sender<Vec<Task>>,
    names: HashMap<String, &'static str>,
    clock: Clock,
    story: Story,
    /// Stop with the play.
    _technicians: JoinSet<()>,
}

impl Play {
    /// Finds or registers the machines, and sends the technicians to work.
    ///
    /// # Errors
    ///
    /// A service refuses, or no machine can be had.
    pub async fn set_up(
        people: People,
        peers: Peers,
        clock: Clock,
        story: Story,
    ) -> anyhow::Result<Self> {
        let People { mut chief, technicians } = people;
        let assets: Arc<[Asset]> = assets::set_up(&mut chief, &peers)
            .await
            .map_err(|status| anyhow!("can't set up the demo: {}", status.message()))?
            .into();
        ensure!(!assets.is_empty(), "none of the demo's machines can be registered");
        let names = technicians.iter().map(|person| (person.id.clone(), person.name)).collect();

        let (open_tasks, open) = watch::channel(Vec::new());
        let mut working = JoinSet::new();
        for person in technicians {
            let (assets, open) = (Arc::clone(&assets), open.clone());
            let technician = Technician::new(person, &peers, assets, open, clock.clone());
            working.spawn(technician.run());
        }
        Ok(Self {
            chief,
            fleet: Fleet::new(clock.now().micros().unsigned_abs()),
            telemetry: TelemetryServiceClient::new(peers.telemetry.clone()),
            events: Events::new(&peers),
            assets,
            open_tasks,
            names,
            clock,
            story,
            _technicians: working,
        })
    }

    /// Goes on until it is dropped. A service that is away is tried again at the next beat.
    pub async fn run(mut self) -> Infallible {
        let machines = self.assets.len();
        self.story.say(&format!("{machines} machines send readings every second; one is ailing."));
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = Instant::now();
        loop {
            let now = beat.tick().await;
            let step = self.fleet.step((now - before).as_secs_f64());
            before = now;
            if let Err(status) = self.beat(step).await {
                tracing::warn!(error = status.message(), "a beat of the demo failed");
            }
        }
    }

    async fn beat(&mut self, step: Step) -> Result<(), Status> {
        self.announce(&step);
        self.send(&step).await?;
        for asset in Arc::clone(&self.assets).iter() {
            for event in self.events.look(&mut self.chief, asset).await? {
                self.story.event(asset, &event, |id| self.names.get(id).copied());
                if matches!(event, Event::Ended(_)) {
                    self.fleet.repair(asset.index);
                }
            }
        }
        self.open_tasks.send_replace(self.events.open_tasks());
        Ok(())
    }

    fn announce(&self, step: &Step) {
        let failing = self.assets.iter().find(|asset| step.failing == Some(asset.index));
        if let Some(asset) = failing {
            self.story
                .tell(asset, &format!("({}; nobody knows yet)", asset.model.kind.failure.name));
        }
    }

    async fn send(&mut self, step: &Step) -> Result<(), Status> {
        let now = self.clock.now();
        let reading = |asset: &Asset| Reading {
            id: String::new(),
            equipment_id: asset.id.clone(),
            recorded_at: Some(now.into()),
            metrics: step
                .of(asset.index)
                .iter()
                .map(|(name, value)| ((*name).into(), *value))
                .collect(),
        };
        let readings = self.assets.iter().map(reading).collect();
        let request = self
            .chief
            .request(BatchCreateReadingsRequest { readings, ..Default::default() })
            .await?;
        let answer = self.telemetry.batch_create_readings(request).await?.into_inner();
        for refused in answer.refused {
            tracing::warn!(
                field = refused.field,
                reason = refused.message,
                "a reading was refused"
            );
        }
        Ok(())
    }
}
