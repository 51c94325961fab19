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

    /// An event in words; `name` knows the demo's own people.
    pub fn event(&self, asset: &Asset, event: &Event, name: impl Fn(&str) -> Option<&'static str>) {
        // Whoever isn't of the demo is at the console or a client.
        let who = |id: &str| name(id).unwrap_or("somebody else");
        let text = match event {
            Event::Raised(alert) => format!("ALERT {}", breach(asset, alert)),
            Event::Acknowledged(alert) => {
                format!("alert acknowledged by {}", who(alert.acknowledged_by()))
            }
            Event::Cleared(alert) => format!("alert cleared: {} is back", alert.metric),
            Event::Opened(task) => format!("task opened: {}", task.title),
            Event::Claimed(task) => format!("task claimed by {}", who(task.assignee_id())),
            Event::Ended(task) => ended(asset, task, name(task.completed_by())),
        };
        self.tell(asset, &text);
    }
}

fn breach(asset: &Asset, alert: &Alert) -> String {
    let direction = asset.model.kind.rule.direction();
    format!("{} {:.2} is {direction} {:.2}", alert.metric, alert.value(), alert.threshold())
}

fn ended(asset: &Asset, task: &Task, by: Option<&str>) -> String {
    match (task.status(), by) {
        (task::Status::Completed, Some(name)) => {
            format!("task completed by {name}: {}", asset.model.kind.work_done)
        }
        (task::Status::Completed, None) => "task completed by somebody else".to_owned(),
        _ => "task cancelled; the machine is restored".to_owned(),
    }
}

/// The time of day where the demo runs.
fn time(at: Timestamp) -> String {
    let at = DateTime::from_timestamp_micros(at.micros()).unwrap_or_default();
    at.with_timezone(&Local).format("%H:%M:%S").to_string()
}
