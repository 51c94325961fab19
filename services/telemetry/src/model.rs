//! The store against a plain map: whatever was sent, changed, deleted, sealed and started anew, every query says what the
//! map says.

mod alerts;
mod flood;
mod limit;
mod list;
mod repeat;
mod steps;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use kit::{Call, Db, Timestamp};
use proptest::test_runner::{Config, TestRunner};
use proto::telemetry::v1 as pb;
use testkit::{Engine, World};
use tokio::runtime::Runtime;
use tonic::Request;

use self::steps::{Metrics, Step, steps};
use crate::{
    SCHEMA,
    domain::{
        reading::{Edit, EquipmentId, Key, Reading},
        retention::Retention,
    },
    ingest::{self, Sealer},
    recent::{Limits, Recent},
    register,
    rpc::{self, Service},
    tidy,
};

/// So that a few values make many chunks.
const LIMITS: Limits =
    Limits { chunk: 4, held: 64, behind: 1_000_000, age: Duration::from_hours(1) };
/// It is kept for a day, the others for ever.
const SHORT: &str = "b";
const METRICS: [&str; 3] = ["a", "b", "c"];
const MACHINES: usize = 2;
/// Readings have one of so many times.
const TIMES: i64 = 40;

/// The service, and what it should hold.
struct Site {
    world: World,
    db: Db,
    service: Service,
    ids: Vec<EquipmentId>,
    /// The first of the times.
    start: Timestamp,
    /// By place of the machine and time.
    readings: BTreeMap<(usize, i64), Metrics>,
}

impl Site {
    async fn start(engine: Engine) -> Self {
        let world = World::new(engine).await;
        let db = SCHEMA.open(&world.db).await.unwrap();
        let service = service(&world, &db);
        Self {
            world,
            db,
            service,
            ids: Vec::new(),
            start: Timestamp::from_micros(0),
            readings: BTreeMap::new(),
        }
    }

    /// Other machines, without a past.
    fn begin(&mut self) {
        self.ids = (0..MACHINES).map(|_| EquipmentId::new()).collect();
        self.ids.sort();
        self.readings.clear();
        // One that is just kept yet.
        self.start = self.service.begin(SHORT);
    }

    fn at(&self, time: i64) -> Timestamp {
        Timestamp::from_micros(self.start.micros() + time * 1_000_000)
    }

    fn key(&self, machine: usize, time: i64) -> Key {
        Key { equipment_id: self.ids[machine], recorded_at: self.at(time) }
    }

    fn reading(&self, machine: usize, time: i64, metrics: &Metrics) -> Reading {
        Reading { key: self.key(machine, time), metrics: metrics.clone() }
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Send(readings) => {
                let sent = readings.iter();
                let sent = sent.map(|(id, at, metrics)| self.reading(*id, *at, metrics));
                self.service.ingest.write(sent.collect(), None).await.unwrap();
                for (id, at, metrics) in readings {
                    self.readings.entry((*id, *at)).or_default().extend(metrics.clone());
                }
                self.drop_expired();
            }
            Step::Change(id, at, edit) => {
                self.change(*id, *at, edit).await;
                self.drop_expired();
            }
            Step::Seal => self.seal().await,
            Step::Trim => {
                let ever = Timestamp::MAX;
                tidy::trim_to(&self.db, ever, 0, &self.service.recent).await.unwrap();
            }
            Step::Restart => self.service = service(&self.world, &self.db),
            Step::Wait(seconds) => self.wait(*seconds),
            Step::Expire => {
                let clock = &self.world.suite.clock;
                tidy::expire(&self.db, clock, &self.service.retention).await.unwrap();
            }
            Step::Look => self.look().await,
        }
    }

    /// What is not kept any more is gone for everybody.
    fn wait(&mut self, seconds: u64) {
        self.world.clock.advance(Duration::from_secs(seconds));
        self.drop_expired();
    }

    fn drop_expired(&mut self) {
        let begin = self.service.begin(SHORT);
        let start = self.start;
        for ((_, time), metrics) in &mut self.readings {
            if start.plus(Duration::from_secs(time.unsigned_abs())) < begin {
                metrics.remove(SHORT);
            }
        }
        self.readings.retain(|_, metrics| !metrics.is_empty());
    }

    async fn change(&mut self, id: usize, at: i64, edit: &Edit) {
        let changed = self.service.ingest.change(self.key(id, at), edit.clone()).await;
        let stored = self.readings.get(&(id, at)).cloned().unwrap_or_default();
        if stored.is_empty() {
            assert!(changed.is_err(), "a change of nothing");
            return;
        }
        match edit.apply(&stored) {
            Ok((after, _)) if after.is_empty() => {
                self.readings.remove(&(id, at));
                changed.map(drop).unwrap();
            }
            Ok((after, _)) => {
                self.readings.insert((id, at), after);
                changed.map(drop).unwrap();
            }
            Err(_) => assert!(changed.is_err(), "a change that leaves nothing"),
        }
    }

    async fn seal(&self) {
        seal(&self.world, &self.db, &self.service).await;
    }

    async fn look(&self) {
        for machine in 0..MACHINES {
            assert_eq!(self.listed(machine).await, self.expected(machine), "listed");
            self.look_at_readings(machine).await;
            self.look_at_series(machine).await;
        }
        assert_eq!(self.latest().await, self.expected_latest(), "latest");
    }

    fn expected(&self, machine: usize) -> Vec<pb::Reading> {
        let mine = self.readings.iter().filter(|((id, _), _)| *id == machine);
        mine.map(|((id, at), metrics)| self.reading(*id, *at, metrics).into()).collect()
    }

    /// All pages of a list.
    async fn listed(&self, machine: usize) -> Vec<pb::Reading> {
        let (mut all, mut page_token) = (Vec::new(), String::new());
        loop {
            let equipment_id = Some(self.ids[machine].to_string());
            let request = pb::ListReadingsRequest {
                equipment_id,
                page_size: 7,
                page_token,
                ..Default::default()
            };
            let page = rpc::reading::list(&self.service, call(request)).await.unwrap();
            all.extend(page.readings);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return all;
            }
        }
    }

    async fn look_at_readings(&self, machine: usize) {
        for time in 0..TIMES {
            let id = self.key(machine, time).id();
            let found = rpc::reading::get(&self.service, call(pb::GetReadingRequest { id })).await;
            let metrics = self.readings.get(&(machine, time));
            let expected = metrics.map(|metrics| self.reading(machine, time, metrics).into());
            assert_eq!(found.ok(), expected, "reading at {time}");
        }
    }

    async fn latest(&self) -> Vec<pb::Reading> {
        let equipment_ids = self.ids.iter().map(ToString::to_string).collect();
        let request = pb::ListLatestRequest { equipment_ids, metrics: Vec::new() };
        rpc::reading::list_latest(&self.service, call(request)).await.unwrap().readings
    }

    fn expected_latest(&self) -> Vec<pb::Reading> {
        let mut last = BTreeMap::<(usize, &str), (i64, f64)>::new();
        for ((id, at), metrics) in &self.readings {
            for (metric, value) in metrics {
                last.insert((*id, metric), (*at, *value));
            }
        }
        let mut readings = BTreeMap::<(usize, i64), Metrics>::new();
        for ((id, metric), (at, value)) in last {
            readings.entry((id, at)).or_default().insert(metric.to_owned(), value);
        }
        let reading = |((id, at), metrics)| self.reading(id, at, &metrics).into();
        readings.into_iter().map(reading).collect()
    }

    /// Short buckets, long ones, and some that begin in the middle.
    async fn look_at_series(&self, machine: usize) {
        for (start, end, interval) in
            [(0, TIMES, 1), (0, TIMES, 10), (-3, TIMES + 9, 60), (5, 31, 7)]
        {
            let request = pb::QuerySeriesRequest {
                equipment_ids: vec![self.ids[machine].to_string()],
                start_time: Some(self.at(start).into()),
                end_time: Some(self.at(end).into()),
                interval: Some(prost_types::Duration { seconds: interval, nanos: 0 }),
                ..Default::default()
            };
            let answer = rpc::series::query(&self.service, call(request)).await.unwrap();
            for metric in METRICS {
                let series = answer.series.iter().find(|series| series.metric == metric);
                let buckets = series.map_or(&[][..], |series| &series.buckets);
                let expected = self.expected_buckets(machine, metric, (start, end), interval);
                // Small whole numbers: their sums are exact in any order.
                assert_eq!(buckets, expected, "{metric} from {start} to {end} by {interval}");
            }
        }
    }

    fn expected_buckets(
        &self,
        machine: usize,
        metric: &str,
        (start, end): (i64, i64),
        interval: i64,
    ) -> Vec<pb::Bucket> {
        let mut buckets = BTreeMap::<i64, Vec<f64>>::new();
        for time in start..end {
            let metrics = self.readings.get(&(machine, time));
            if let Some(value) = metrics.and_then(|metrics| metrics.get(metric)) {
                buckets.entry((time - start) / interval).or_default().push(*value);
            }
        }
        let bucket = |(number, values): (i64, Vec<f64>)| {
            let count = i32::try_from(values.len()).unwrap();
            pb::Bucket {
                start_time: Some(self.at(start + number * interval).into()),
                min: values.iter().copied().fold(f64::INFINITY, f64::min),
                max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                mean: values.iter().sum::<f64>() / f64::from(count),
                last: values[values.len() - 1],
                count: count.into(),
            }
        };
        buckets.into_iter().map(bucket).collect()
    }
}

/// Seals what there is, though it has not waited for its time.
async fn seal(world: &World, db: &Db, service: &Service) {
    let later = world.clock.now().plus(LIMITS.age);
    let mut sealer = Sealer::new(db, &world.suite.clock);
    service.recent.catch_up(&mut db.read().await.unwrap()).await.unwrap();
    service.recent.ripen(later);
    while sealer.step(&service.recent).await.unwrap() {}
}

fn service(world: &World, db: &Db) -> Service {
    let recent = Arc::new(Recent::new(LIMITS));
    let register = register::follow(&world.suite);
    let metrics = format!("{SHORT}=1").parse().unwrap();
    let retention = Arc::new(Retention { metrics, ..Retention::default() });
    let suite = world.suite.clone();
    let (directory, kept) = (Arc::clone(&register), Arc::clone(&retention));
    let ingest = Arc::new(ingest::start(db, &suite, directory, &recent, kept));
    let tests = Arc::new(tokio::sync::Semaphore::new(1));
    Service { db: db.clone(), suite, register, ingest, recent, retention, tests }
}

fn call<T>(message: T) -> Call<T> {
    Request::new(message).into()
}

/// Tries sequences of steps, each on machines of its own, and shrinks one that fails.
fn compare(engine: Engine, cases: u32) {
    let runtime = Runtime::new().unwrap();
    let site = Mutex::new(runtime.block_on(Site::start(engine)));
    let config = Config { failure_persistence: None, cases, ..Config::default() };
    let tried = TestRunner::new(config).run(&steps(), |steps| {
        let mut site = site.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        runtime.block_on(async {
            site.begin();
            for step in &steps {
                site.take(step).await;
            }
            site.look().await;
            // What is sealed while somebody looks is seen all the same.
            tokio::join!(site.look(), site.seal());
            site.look().await;
        });
        Ok(())
    });
    if let Err(error) = tried {
        panic!("{error}");
    }
}

#[test]
fn every_query_says_what_a_plain_map_says_on_sqlite() {
    compare(Engine::Sqlite, 48);
}

#[test]
fn every_query_says_what_a_plain_map_says_on_postgres() {
    compare(Engine::Postgres, 24);
}
