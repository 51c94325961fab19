//! Random things that happen to the store.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{MACHINES, METRICS, TIMES};
use crate::domain::reading::Edit;

pub type Metrics = BTreeMap<String, f64>;

/// What happens to the store.
#[derive(Clone, Debug)]
pub enum Step {
    Send(Vec<(usize, i64, Metrics)>),
    Change(usize, i64, Edit),
    /// Seals what has waited for less than its time, too.
    Seal,
    /// Drops of the journal all that is sealed.
    Trim,
    Restart,
    /// Time goes by, and with it what is kept of one metric.
    Wait(u64),
    Expire,
    /// Asks for everything.
    Look,
}

fn metrics(least: usize) -> impl Strategy<Value = Metrics> {
    let metric = prop::sample::select(&METRICS[..]).prop_map(str::to_owned);
    prop::collection::btree_map(metric, (-9_i32..9).prop_map(f64::from), least..=METRICS.len())
}

fn edits() -> impl Strategy<Value = Edit> {
    let metric = prop::sample::select(&METRICS[..]).prop_map(str::to_owned);
    let value = prop::option::of((-9_i32..9).prop_map(f64::from));
    prop_oneof![
        Just(Edit::Delete),
        metrics(1).prop_map(Edit::Replace),
        prop::collection::btree_map(metric, value, 1..3).prop_map(Edit::Merge),
    ]
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = || (0..MACHINES, 0..TIMES);
    let reading = || (place(), metrics(1)).prop_map(|((id, at), metrics)| (id, at, metrics));
    // In order, as machines send.
    let run = (place(), 1_i64..12, metrics(1)).prop_map(|((id, at), length, metrics)| {
        let times = at..(at + length).min(TIMES);
        Step::Send(times.map(|at| (id, at, metrics.clone())).collect())
    });
    let step = prop_oneof![
        4 => prop::collection::vec(reading(), 1..6).prop_map(Step::Send),
        4 => run,
        3 => (place(), edits()).prop_map(|((id, at), edit)| Step::Change(id, at, edit)),
        2 => Just(Step::Seal),
        1 => Just(Step::Trim),
        1 => Just(Step::Restart),
        1 => (1_u64..9).prop_map(Step::Wait),
        1 => Just(Step::Expire),
        2 => Just(Step::Look),
    ];
    prop::collection::vec(step, 1..30)
}
