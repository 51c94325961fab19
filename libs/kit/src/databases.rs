//! The databases that the services of a process opened: whether they answer, and their end.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use metrics::gauge;
use tokio::{sync::watch, time::MissedTickBehavior};

use crate::{
    Db,
    db::{Lost, Pulse},
};

/// The databases of this process.
#[derive(Clone, Default)]
pub struct Databases(Arc<Shared>);

#[derive(Default)]
struct Shared {
    open: Mutex<Vec<Db>>,
    states: watch::Sender<States>,
}

/// Whether each service's database answers.
type States = BTreeMap<&'static str, bool>;

impl Databases {
    /// Takes in a database that was just opened, and so answers.
    pub fn add(&self, db: &Db) {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).push(db.clone());
        self.note(db.name(), &Ok(()));
    }

    /// Feels the pulse of `db` for ever, and notes what it finds.
    pub async fn watch(self, db: Db) {
        let mut pulse = db.pulse();
        let mut ticks = tokio::time::interval(Pulse::EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let beat = pulse.beats().await;
            self.note(db.name(), &beat);
            measure(&db, beat.is_ok());
        }
    }

    /// Whether each service's database answers, and every change of that.
    pub fn states(&self) -> watch::Receiver<States> {
        self.0.states.subscribe()
    }

    /// Whether all of them answer.
    pub fn answer(&self) -> bool {
        self.0.states.borrow().values().all(|answers| *answers)
    }

    /// Closes them all: nothing is left beside the files of the embedded engine.
    pub async fn close(&self) {
        let open = std::mem::take(&mut *self.0.open.lock().unwrap_or_else(PoisonError::into_inner));
        for db in open {
            db.close().await;
        }
    }

    /// Notes whether the database of `name` answers.
    fn note(&self, name: &'static str, beat: &Result<(), Lost>) {
        self.0.states.send_if_modified(|states| {
            let was = states.insert(name, beat.is_ok());
            match (was, beat) {
                (Some(true), Err(cause)) => {
                    tracing::error!(database = name, %cause, "does not answer");
                }
                (Some(false), Ok(())) => tracing::info!(database = name, "answers again"),
                _ => {}
            }
            was != Some(beat.is_ok())
        });
    }
}

fn measure(db: &Db, answers: bool) {
    let database = db.name();
    gauge!("flightline_database_up", "database" => database).set(u32::from(answers));
    let (idle, used) = db.connections();
    for (state, count) in [("idle", idle), ("used", used)] {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        gauge!("flightline_database_connections", "database" => database, "state" => state)
            .set(count);
    }
}
