//! Alerts against the readings that are there: whatever came late, changed, went or was sealed in between, the alerts of a rule
//! are what its readings say in the order of their times.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use kit::{Db, Timestamp, on};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use proto::equipment::v1::Equipment;
use testkit::{Engine, World};
use tokio::runtime::Runtime;

use super::{seal, service};
use crate::{
    SCHEMA,
    domain::{
        alert::Severity,
        course::{Breach, Course},
        journal::{Marks, encode_marks},
        reading::{Edit, EquipmentId, Key, Reading, Sample},
        rule::{Condition, Delay, Rule, RuleId},
    },
    rpc::Service,
    store,
};

/// Seconds that late readings lie in.
const TIMES: i64 = 40;
/// The equipment's type, and its metric.
const KIND: &str = "pump";
const METRIC: &str = "a";

/// What happens to the readings of one machine.
#[derive(Clone, Debug)]
enum Step {
    /// So many seconds after the last one.
    Go(i64, Vec<i32>),
    Send(Vec<(i64, i32)>),
    Delete(i64),
    Seal,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let late = prop::collection::vec((0..TIMES, 0_i32..10), 1..5);
    let next = (1_i64..4, prop::collection::vec(0_i32..10, 1..4));
    let step = prop_oneof![
        8 => next.prop_map(|(seconds, values)| Step::Go(seconds, values)),
        3 => late.prop_map(Step::Send),
        2 => (0..TIMES).prop_map(Step::Delete),
        3 => Just(Step::Seal),
        3 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..30)
}

fn rule() -> impl Strategy<Value = Rule> {
    let condition = prop::sample::select(vec![
        (Condition::Above, 5.0),
        (Condition::Below, 5.0),
        (Condition::RateAbove, 1.0),
        (Condition::RateBelow, -1.0),
    ]);
    (condition, 0_i32..4, 0_u64..6, 0_u64..6).prop_map(
        |((condition, threshold), deadband, on_delay, off_delay)| Rule {
            id: RuleId::new(),
            name: "Rule".into(),
            equipment_id: None,
            equipment_type: None,
            metric: METRIC.into(),
            condition,
            threshold: Some(threshold),
            deadband: f64::from(deadband),
            on_delay: Delay(Duration::from_secs(on_delay)),
            off_delay: Delay(Duration::from_secs(off_delay)),
            severity: Severity::Warning,
            open_task: false,
            enabled: true,
            guidance: String::new(),
            created_at: Timestamp::from_micros(0),
            updated_at: Timestamp::from_micros(0),
            revision: 1,
        },
    )
}

/// The service, and one machine with what should be known of it.
struct Site {
    world: World,
    db: Db,
    service: Service,
    id: EquipmentId,
    rules: Vec<Rule>,
    values: BTreeMap<i64, f64>,
}

impl Site {
    async fn start(engine: Engine) -> Self {
        let world = World::new(engine).await;
        let db = SCHEMA.open(&world.db).await.unwrap();
        let (service, id) = (service(&world, &db), EquipmentId::new());
        Self { world, db, service, id, rules: Vec::new(), values: BTreeMap::new() }
    }

    /// Another machine, which `rules` look at.
    async fn begin(&mut self, rules: &[Rule]) {
        self.id = EquipmentId::new();
        self.values.clear();
        self.register().await;
        let now = self.world.clock.now();
        let of_machine = |rule: &Rule| Rule {
            id: RuleId::new(),
            equipment_id: Some(self.id),
            updated_at: now,
            ..rule.clone()
        };
        self.rules = rules.iter().map(of_machine).collect();
        let mut tx = self.db.begin("make rules").await.unwrap();
        store::journal::take_turn(&mut tx).await.unwrap();
        for rule in &self.rules {
            store::rule::insert(&mut tx, rule).await.unwrap();
        }
        let rules = self.rules.iter().map(|rule| rule.id).collect();
        let marks = encode_marks(&Marks { rules, ..Marks::default() });
        store::journal::append(&mut tx, &marks, now).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn register(&self) {
        let equipment =
            Equipment { id: self.id.to_string(), r#type: KIND.into(), ..Default::default() };
        self.service.register.keep(&equipment).await.unwrap();
    }

    fn key(&self, second: i64) -> Key {
        Key { equipment_id: self.id, recorded_at: at(second) }
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Go(seconds, values) => {
                let last = self.values.last_key_value().map_or(0, |(second, _)| *second);
                self.send((last + seconds..).zip(values.iter().copied())).await;
            }
            Step::Send(readings) => self.send(readings.iter().copied()).await,
            Step::Delete(second) => {
                let gone = self.service.ingest.change(self.key(*second), Edit::Delete).await;
                assert_eq!(gone.is_ok(), self.values.remove(second).is_some());
            }
            Step::Seal => seal(&self.world, &self.db, &self.service).await,
            Step::Restart => {
                self.service = service(&self.world, &self.db);
                self.register().await;
            }
        }
    }

    async fn send(&mut self, readings: impl Iterator<Item = (i64, i32)>) {
        let mut sent = Vec::new();
        for (second, value) in readings {
            let metrics = [(METRIC.to_owned(), value.into())].into();
            sent.push(Reading { key: self.key(second), metrics });
            self.values.insert(second, value.into());
        }
        self.service.ingest.write(sent, None).await.unwrap();
    }

    async fn look(&self) {
        for rule in &self.rules {
            let found: Vec<(Timestamp, Option<Timestamp>, Option<f64>)> =
                on!(&mut self.db.read().await.unwrap(), c => sqlx::query_as(
                    "select raised_at, cleared_at, value
                     from alerts
                     where rule_id = $1
                     order by raised_at",
                )
                .bind(rule.id)
                .fetch_all(c).await)
                .unwrap();
            assert_eq!(found, self.expected(rule), "{rule:?} on {:?}", self.values);
        }
    }

    fn expected(&self, rule: &Rule) -> Vec<(Timestamp, Option<Timestamp>, Option<f64>)> {
        let mut course = Course::default();
        let samples =
            self.values.iter().map(|(second, value)| Sample { at: at(*second), value: *value });
        let mut breaches: Vec<Breach> =
            samples.filter_map(|sample| course.step(rule, sample)).collect();
        breaches.extend(course.cut());
        breaches.into_iter().map(|it| (it.raised_at, it.cleared_at, it.value)).collect()
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

/// Tries rules and sequences of steps, each on a machine of its own, and shrinks what fails.
fn compare(engine: Engine, cases: u32) {
    let runtime = Runtime::new().unwrap();
    let site = Mutex::new(runtime.block_on(Site::start(engine)));
    let config = Config { failure_persistence: None, cases, ..Config::default() };
    let tried = (prop::collection::vec(rule(), 1..5), steps());
    let tried = TestRunner::new(config).run(&tried, |(rules, steps)| {
        let mut site = site.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        runtime.block_on(async {
            site.begin(&rules).await;
            for step in &steps {
                site.take(step).await;
                site.look().await;
            }
        });
        Ok(())
    });
    if let Err(error) = tried {
        panic!("{error}");
    }
}

#[test]
fn alerts_are_what_the_readings_say_however_they_came_and_were_sealed_on_sqlite() {
    compare(Engine::Sqlite, 64);
}

#[test]
fn alerts_are_what_the_readings_say_however_they_came_and_were_sealed_on_postgres() {
    compare(Engine::Postgres, 32);
}
