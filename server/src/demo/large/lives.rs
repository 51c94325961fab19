//! The tasks of the large demo.

use chrono::{DateTime, Utc};
use kit::Timestamp;
use maintenance::fill::{End, Life};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::workshop::Workshop;

/// How far back the work goes.
const YEARS: f64 = 4.0;
const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// What is done when it is due, and when something is wrong.
const CARE: [&str; 5] = ["Inspect", "Grease", "Clean", "Calibrate", "Replace"];
const TROUBLE: [&str; 5] = ["leaks", "is worn", "is loose", "makes noise", "runs hot"];
const REMARKS: [&str; 4] = [
    "Ordered the part.",
    "Seen before, two months ago.",
    "Works again, but keep an eye on it.",
    "The operator says it comes and goes.",
];

/// One task after the other, in the order of their times, the last one now.
pub struct Lives {
    workshop: Workshop,
    random: StdRng,
    now: i64,
    /// Microseconds from one task to the next.
    step: f64,
    count: u32,
    next: u32,
}

impl Lives {
    pub fn new(workshop: Workshop, now: Timestamp, count: u32) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a day is a small number")]
        let step = YEARS * 365.0 * DAY as f64 / f64::from(count.max(1));
        let random = StdRng::seed_from_u64(2);
        Self { workshop, random, now: now.micros(), step, count, next: 0 }
    }

    fn life(&mut self, created_at: i64) -> Option<Life> {
        let random = &mut self.random;
        let machine = self.workshop.machines.choose(random)?;
        let technician = self.workshop.technicians.choose(random)?.clone();
        let part = machine.kind.parts.choose(random)?;
        let is_corrective = random.random_bool(0.3);
        let (title, work_done) = if is_corrective {
            let trouble = TROUBLE.choose(random)?;
            (format!("{} {part} {trouble}", machine.kind.title), format!("Replaced the {part}."))
        } else {
            let care = CARE.choose(random)?;
            (format!("{care} the {part}"), format!("{care}: done, the {part} is in order."))
        };
        let priority = match random.random_range(0..100) {
            0..2 => "CRITICAL",
            2..15 => "HIGH",
            15..75 => "MEDIUM",
            _ => "LOW",
        };
        let due = created_at + random.random_range(1..60) * DAY;
        let claimed = created_at + random.random_range(5..14 * 24 * 60) * MINUTE;
        let done = claimed + random.random_range(10..8 * 60) * MINUTE;
        let is_cancelled = random.random_bool(0.03);
        let end = match () {
            () if is_cancelled && claimed < self.now => Some(End::Cancelled(at(claimed))),
            () if done < self.now => {
                Some(End::Done { from: at(claimed), to: at(done), work_done, is_corrective })
            }
            () => None,
        };
        let claimed =
            (claimed < self.now && !is_cancelled).then(|| (technician.clone(), at(claimed)));
        let remark = random.random_bool(0.1).then(|| REMARKS.choose(random).copied()).flatten();
        let comments = remark.into_iter().filter(|_| claimed.is_some());
        let comments =
            comments.map(|remark| (technician.clone(), remark.to_owned(), at(created_at)));
        Some(Life {
            comments: comments.collect(),
            title,
            description: String::new(),
            equipment_id: machine.id.clone(),
            priority,
            due_date: random.random_bool(0.8).then(|| day(due)),
            created_by: if is_corrective { technician } else { self.workshop.chief.clone() },
            created_at: at(created_at),
            claimed,
            end,
        })
    }
}

impl Iterator for Lives {
    type Item = Life;

    fn next(&mut self) -> Option<Life> {
        let left = self.count.checked_sub(self.next).filter(|left| *left > 0)?;
        self.next += 1;
        #[expect(clippy::cast_possible_truncation, reason = "microseconds of four years")]
        let ago = (f64::from(left) * self.step) as i64;
        self.life(self.now - ago)
    }
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn day(micros: i64) -> String {
    DateTime::<Utc>::from_timestamp_micros(micros)
        .map(|at| at.date_naive().to_string())
        .unwrap_or_default()
}
