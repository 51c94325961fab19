//! The demo's events as lines for people.

use chrono::{DateTime, Local};
use kit::{Clock, Timestamp};
use proto::{
    maintenance::v1::{Task, task},
    telemetry::v1::Alert,
};

use super::{assets::Asset, events::Event};

/// Tells what happens.
#[derive(Clone)]
pub struct Story {
    clock: Clock,
}

impl Story {
    pub fn new(clock: Clock) -> Self {
        Self { clock }
    }

    /// Says something of the whole.
    #[expect(clippy::print_stdout, reason = "for the person who watches")]
    pub fn say(&self, text: &str) {
        println!("{}  {text}", time(self.clock.now()));
    }

    /// Says what happened to one machine.
    pub fn tell(&self, asset: &Asset, text: &str) {
        self.say(&format!("{:<16} {text}", asset.model.name));
    }

    /// An event in words; `name` knows the people.
    pub fn event(&self, asset: &Asset, event: &Event, name: impl Fn(&str) -> String) {
        let text = match event {
            Event::Raised(alert) => format!("ALERT {}", breach(asset, alert)),
            Event::Acknowledged(alert) => {
                format!("alert acknowledged by {}", name(alert.acknowledged_by()))
            }
            Event::Cleared(alert) => format!("alert cleared: {} is back", alert.metric),
            Event::Opened(task) => format!("task opened: {}", task.title),
            Event::Claimed(task) => format!("task claimed by {}", name(task.assignee_id())),
            Event::Ended(task) => ended(asset, task, name),
        };
        self.tell(asset, &text);
    }
}

fn breach(asset: &Asset, alert: &Alert) -> String {
    let direction = asset.model.kind.rule.direction();
    format!("{} {:.1} is {direction} {:.1}", alert.metric, alert.value, alert.threshold)
}

fn ended(asset: &Asset, task: &Task, name: impl Fn(&str) -> String) -> String {
    match task.status() {
        task::Status::Completed => {
            let (who, what) = (name(task.completed_by()), asset.model.kind.work_done);
            format!("task completed by {who}: {what}")
        }
        _ => "task cancelled; the machine is restored".to_owned(),
    }
}

/// The time of day where the demo runs.
fn time(at: Timestamp) -> String {
    let at = DateTime::from_timestamp_micros(at.micros()).unwrap_or_default();
    at.with_timezone(&Local).format("%H:%M:%S").to_string()
}
