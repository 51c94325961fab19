//! What matters of the past, kept in memory, so that readings at which nothing happens cost no query.
//!
//! The database is the truth. What is kept here was read from it, and is good as long as everything in the journal was
//! heard: writes of other replicas, rules that changed, alerts that people cleared or deleted. What is in doubt is forgotten
//! and read anew when the next reading comes.

use std::{collections::HashMap, sync::Arc};

use kit::Timestamp;

use crate::domain::{
    course::Course,
    journal::Write,
    reading::{EquipmentId, Sample},
    rule::{Rule, RuleId},
};

/// Courses that are kept: about 60 MB of them.
const COURSES: usize = 400_000;

/// What is known of each series, and the rules.
#[derive(Default)]
pub struct Memory {
    rules: Rules,
    series: HashMap<i64, Known>,
    /// How many courses there are, and one for each series.
    size: usize,
    /// Counts the transactions, so that what is not used goes first.
    turn: u64,
}

/// What is known of one series.
pub struct Known {
    equipment_id: EquipmentId,
    metric: String,
    /// The type of the equipment when the rules were chosen.
    kind: Arc<str>,
    used: u64,
    /// The rules that look at it.
    pub looks: Vec<Look>,
}

/// A rule on its way along one series.
pub struct Look {
    pub rule: Arc<Rule>,
    /// None: it has to be read from what is stored.
    pub course: Option<Course>,
}

/// The rules that are on, by metric.
#[derive(Default)]
struct Rules {
    by_metric: HashMap<String, Vec<Arc<Rule>>>,
    newest: Option<Timestamp>,
}

impl Memory {
    /// Begins anew, with these rules.
    pub fn begin(rules: Vec<Rule>) -> Self {
        let mut memory = Self::default();
        for rule in rules {
            memory.rules.insert(Arc::new(rule));
        }
        memory
    }

    /// When the newest rule was made or changed.
    pub fn newest_rule(&self) -> Option<Timestamp> {
        self.rules.newest
    }

    /// Another transaction begins: what is used from now on is used last.
    pub fn turn(&mut self) {
        self.turn += 1;
        if COURSES < self.size {
            self.forget_unused();
        }
    }

    /// What is known of the series, which is of equipment of the type `kind`.
    pub fn of(
        &mut self,
        series_id: i64,
        equipment_id: EquipmentId,
        metric: &str,
        kind: &Arc<str>,
    ) -> &mut Known {
        if self.series.get(&series_id).is_some_and(|known| known.kind != *kind) {
            self.forget(series_id);
        }
        let (rules, size, used) = (&self.rules, &mut self.size, self.turn);
        let known = self.series.entry(series_id).or_insert_with(|| {
            let rules = rules.covering(metric, equipment_id, kind);
            let looks: Vec<_> = rules.map(|rule| Look { rule, course: None }).collect();
            *size += 1 + looks.len();
            let (metric, kind) = (metric.to_owned(), Arc::clone(kind));
            Known { equipment_id, metric, kind, used, looks }
        });
        known.used = used;
        known
    }

    /// Whether nothing has to be read from what is stored of the series.
    pub fn is_known(&self, series_id: i64) -> bool {
        let known = self.series.get(&series_id);
        known.is_some_and(|known| known.looks.iter().all(|look| look.course.is_some()))
    }

    /// The rules of a series whose course has to be read from what is stored.
    pub fn unknown(&mut self, series_id: i64) -> impl Iterator<Item = &mut Look> {
        let known = self.series.get_mut(&series_id);
        let looks = known.map(|known| &mut known.looks).into_iter().flatten();
        looks.filter(|look| look.course.is_none())
    }

    /// Forgets what is known of a series.
    pub fn forget(&mut self, series_id: i64) {
        if let Some(known) = self.series.remove(&series_id) {
            self.size -= 1 + known.looks.len();
        }
    }

    /// Hears that another process wrote `write` and judged it.
    pub fn hear(&mut self, write: Write) {
        let Some(known) = self.series.get_mut(&write.series_id) else { return };
        let sample = write.value.map(|value| Sample { at: write.at, value });
        let passed = known.looks.iter_mut().all(|look| {
            let samples = sample.into_iter();
            // What time it is, that process knows: whoever finds silence marks the series.
            let pass = |course: Course| course.pass(&look.rule, samples, write.at);
            let passed = look.course.filter(|_| sample.is_some()).and_then(pass);
            look.course = passed;
            passed.is_some()
        });
        if !passed {
            self.forget(write.series_id);
        }
    }

    /// Hears that the rule `id` was made, changed or deleted. What it says now, it has yet to say of every series.
    pub fn change_rule(&mut self, id: RuleId, rule: Option<Rule>) {
        self.rules.remove(id);
        let rule = rule.filter(|rule| rule.enabled).map(Arc::new);
        for known in self.series.values_mut() {
            known.looks.retain(|look| look.rule.id != id);
            let rule = rule.as_ref().filter(|rule| {
                rule.metric == known.metric && rule.covers(known.equipment_id, &known.kind)
            });
            let course = Some(Course::default());
            known.looks.extend(rule.map(|rule| Look { rule: Arc::clone(rule), course }));
        }
        self.size = self.series.values().map(|known| 1 + known.looks.len()).sum();
        if let Some(rule) = rule {
            self.rules.insert(rule);
        }
    }

    /// Forgets half of the series: those that were not used for the longest.
    fn forget_unused(&mut self) {
        let mut used: Vec<u64> = self.series.values().map(|known| known.used).collect();
        let middle = used.len() / 2;
        let (_, until, _) = used.select_nth_unstable(middle);
        let until = *until;
        self.series.retain(|_, known| until < known.used);
        self.size = self.series.values().map(|known| 1 + known.looks.len()).sum();
    }
}

impl Rules {
    fn insert(&mut self, rule: Arc<Rule>) {
        self.newest = self.newest.max(Some(rule.updated_at));
        self.by_metric.entry(rule.metric.clone()).or_default().push(rule);
    }

    fn remove(&mut self, id: RuleId) {
        self.by_metric.retain(|_, rules| {
            rules.retain(|rule| rule.id != id);
            !rules.is_empty()
        });
    }

    fn covering(
        &self,
        metric: &str,
        equipment_id: EquipmentId,
        kind: &str,
    ) -> impl Iterator<Item = Arc<Rule>> {
        let rules = self.by_metric.get(metric).into_iter().flatten();
        rules.filter(move |rule| rule.covers(equipment_id, kind)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        alert::Severity,
        rule::{Condition, Delay},
    };

    fn above(kind: &str) -> Rule {
        let now = Timestamp::from_micros(0);
        Rule {
            id: RuleId::new(),
            name: "Rule".into(),
            equipment_id: None,
            equipment_type: Some(kind.into()),
            metric: "value".into(),
            condition: Condition::Above,
            threshold: Some(5.0),
            deadband: 0.0,
            on_delay: Delay::default(),
            off_delay: Delay::default(),
            severity: Severity::Warning,
            open_task: false,
            enabled: true,
            guidance: String::new(),
            created_at: now,
            updated_at: now,
            revision: 1,
        }
    }

    fn write(at: i64, value: f64) -> Write {
        Write { series_id: 1, at: Timestamp::from_micros(at), value: Some(value) }
    }

    /// A series that the rule on pumps looks at, and has seen nothing of.
    fn memory() -> Memory {
        let mut memory = Memory::begin(vec![above("pump"), above("fan")]);
        let known = memory.of(1, EquipmentId::new(), "value", &"pump".into());
        assert_eq!(known.looks.len(), 1);
        known.looks[0].course = Some(Course::default());
        memory
    }

    fn last(memory: &Memory) -> Option<Timestamp> {
        memory.series.get(&1)?.looks[0].course?.runs.previous.map(|sample| sample.at)
    }

    #[test]
    fn what_others_wrote_is_passed_while_nothing_turns_and_forgotten_otherwise() {
        for (second, is_known) in [
            (write(3, 1.0), true),
            (write(2, 1.0), false),
            (write(3, 6.0), false),
            (Write { value: None, ..write(3, 1.0) }, false),
        ] {
            let mut memory = memory();
            memory.hear(write(2, 1.0));
            assert_eq!(last(&memory), Some(Timestamp::from_micros(2)));
            memory.hear(second);
            assert_eq!(last(&memory), Some(second.at).filter(|_| is_known), "{second:?}");
        }
    }

    #[test]
    fn a_rule_that_is_made_or_changed_has_seen_nothing_and_one_that_is_off_does_not_look() {
        let mut memory = memory();
        memory.hear(write(2, 1.0));
        let rule = above("pump");
        let courses = |memory: &Memory| -> Vec<Option<Timestamp>> {
            let looks = memory.series[&1].looks.iter();
            looks.map(|look| look.course.unwrap().runs.previous.map(|it| it.at)).collect()
        };
        let two = Some(Timestamp::from_micros(2));

        memory.change_rule(rule.id, Some(rule.clone()));
        assert_eq!(courses(&memory), [two, None]);
        memory.hear(write(3, 1.0));
        memory.change_rule(rule.id, Some(Rule { enabled: false, ..rule.clone() }));
        assert_eq!((courses(&memory).len(), memory.size), (1, 2));
        memory.change_rule(
            rule.id,
            Some(Rule { equipment_type: Some("fan".into()), ..rule.clone() }),
        );
        assert_eq!(memory.series[&1].looks.len(), 1);
        memory.change_rule(rule.id, None);
        let known = memory.of(2, EquipmentId::new(), "value", &"fan".into());
        assert_eq!(known.looks.len(), 1);
    }

    #[test]
    fn equipment_that_changes_its_type_is_looked_at_by_other_rules() {
        let mut memory = memory();
        let id = EquipmentId::new();
        let known = memory.of(1, id, "value", &"fan".into());
        assert_eq!(known.looks[0].rule.equipment_type.as_deref(), Some("fan"));
        assert_eq!(known.looks[0].course, None);
    }

    #[test]
    fn what_was_not_used_is_forgotten_first() {
        let mut memory = memory();
        for series_id in 2..=10 {
            memory.turn();
            memory.of(series_id, EquipmentId::new(), "value", &"pump".into());
        }
        memory.turn();
        memory.of(1, EquipmentId::new(), "value", &"pump".into());
        memory.forget_unused();
        let mut left: Vec<_> = memory.series.keys().copied().collect();
        left.sort_unstable();
        assert_eq!((left, memory.size), (vec![1, 8, 9, 10], 8));
    }
}
