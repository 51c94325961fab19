//! Tests a rule on stored readings: what it would have raised, and nothing kept.

use std::time::Duration;

use kit::{Call, Db, Error, Result, Timestamp};
use proto::telemetry::v1 as pb;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::read;
use crate::{
    domain::{
        alert::Alert,
        course::{Breach, Course},
        reading::{EquipmentId, Sample},
        rule::Rule,
        tally::{Count, Tally},
    },
    recent::Recent,
    register::Register,
    rpc::Service,
    store,
};

/// The longest span that one test looks at.
const SPAN: Duration = Duration::from_hours(3_660 * 24);
/// The most equipment and the most values that it looks at.
const EQUIPMENT: usize = 1_000;
const VALUES: i64 = 10_000_000;
/// Values that are read at a time, and alerts that go into one message.
const PAGE: i64 = 4096;
const ALERTS: usize = 100;
/// How long somebody who tests may leave a message lying: others wait for the room.
const PATIENCE: Duration = Duration::from_secs(30);

/// Messages on their way to whoever tests.
pub type TestStream = ReceiverStream<Result<pb::TestRuleResponse, Status>>;

pub async fn test(service: &Service, call: Call<pb::TestRuleRequest>) -> Result<TestStream> {
    let rule = read(call.message.rule.unwrap_or_default())?;
    let now = service.suite.clock.now();
    let start = call.message.start_time.unwrap_or_default();
    let start = Timestamp::parse("start_time", &start)?;
    let end = Timestamp::parse_optional("end_time", call.message.end_time.as_ref())?;
    if end.is_none() && now <= start {
        return Err(Error::invalid("start_time", "must lie before now, if there is no end_time"));
    }
    let end = end.unwrap_or(now);
    check_span(start, end)?;
    let equipment = equipment(&service.register, &rule).await?;
    let room = std::sync::Arc::clone(&service.tests).try_acquire_owned();
    let room = room.map_err(|_| Error::Exhausted("too many rules are being tested"))?;

    let (sender, receiver) = mpsc::channel(4);
    let mut test = Test {
        db: service.db.clone(),
        recent: service.recent.share(),
        // Nobody sees what is not kept any more.
        span: (start.max(service.begin(&rule.metric)), end),
        // What has not come yet lasts no time, and is no silence.
        tally: Tally::new(end.min(now)),
        until: end.min(now),
        rule,
        values: 0,
        alerts: Vec::new(),
        sender,
        _room: room,
    };
    service.suite.spawn(async move {
        if let Err(error) = test.run(&equipment).await {
            // Whoever tests may have gone.
            let _ = test.sender.send(Err(error.into())).await;
        }
    });
    Ok(ReceiverStream::new(receiver))
}

fn check_span(start: Timestamp, end: Timestamp) -> Result<()> {
    if end <= start {
        return Err(Error::invalid("end_time", "must be after start_time"));
    }
    if start.plus(SPAN) < end {
        return Err(Error::invalid("end_time", "must be at most 3660 days after start_time"));
    }
    Ok(())
}

/// What the rule looks at: the one piece of equipment, or all of its type in service.
async fn equipment(register: &Register, rule: &Rule) -> Result<Vec<EquipmentId>> {
    if let Some(id) = rule.equipment_id {
        let known = register.find(id).await?;
        known.ok_or_else(|| Error::invalid("rule.equipment_id", "there is no such equipment"))?;
        return Ok(vec![id]);
    }
    let mut equipment = register.covered(rule).await;
    if EQUIPMENT < equipment.len() {
        let problem = format!(
            "there are {} pieces of equipment of this type; one test looks at {EQUIPMENT} at most",
            equipment.len()
        );
        return Err(Error::invalid("rule.equipment_type", problem));
    }
    equipment.sort_unstable();
    Ok(equipment)
}

struct Test {
    db: Db,
    recent: Recent,
    rule: Rule,
    span: (Timestamp, Timestamp),
    /// Up to when silence is seen.
    until: Timestamp,
    tally: Tally,
    values: i64,
    /// What was found and is yet to be sent.
    alerts: Vec<pb::Alert>,
    sender: mpsc::Sender<Result<pb::TestRuleResponse, Status>>,
    _room: OwnedSemaphorePermit,
}

impl Test {
    async fn run(&mut self, equipment: &[EquipmentId]) -> Result<()> {
        for id in equipment {
            if !self.look_at(*id).await? {
                return Ok(());
            }
        }
        let summary = Some(self.summary(equipment.len()));
        let alerts = std::mem::take(&mut self.alerts);
        self.tell(pb::TestRuleResponse { alerts, summary }).await;
        Ok(())
    }

    /// Looks at one piece of equipment. Answers whether somebody still wants to know.
    async fn look_at(&mut self, id: EquipmentId) -> Result<bool> {
        let (start, end) = self.span;
        let metrics = std::slice::from_ref(&self.rule.metric);
        let series = store::reading::series_of(&mut self.db.read().await?, &[id], metrics).await?;
        let mut course = Course::from_silence(&self.rule, start);
        let (mut from, mut occurrences) = (start, 0);
        while let Some(series) = series.first()
            && from < end
        {
            let samples = self.samples(series.id, (from, end)).await?;
            let Some(last) = samples.last() else { break };
            from = last.at.plus(Duration::from_micros(1));
            self.count(&samples)?;
            for sample in samples {
                if let Some(breach) = course.step(&self.rule, sample) {
                    occurrences += 1;
                    self.keep(id, breach, occurrences);
                }
            }
            if !self.send().await {
                return Ok(false);
            }
        }
        course.wait(&self.rule, self.until);
        if let Some(breach) = course.cut() {
            self.keep(id, breach, occurrences + 1);
        }
        Ok(self.send().await)
    }

    async fn samples(&self, series_id: i64, span: (Timestamp, Timestamp)) -> Result<Vec<Sample>> {
        let mut db = self.db.read().await?;
        self.recent.catch_up(&mut db).await?;
        store::reading::range(&mut db, &self.recent, series_id, span, PAGE).await
    }

    fn count(&mut self, samples: &[Sample]) -> Result<()> {
        self.values += i64::try_from(samples.len()).unwrap_or(i64::MAX);
        if self.values <= VALUES {
            return Ok(());
        }
        let problem = format!(
            "there are more than {VALUES} values, which is what one test looks at: give a shorter time or one piece of equipment"
        );
        Err(Error::invalid("end_time", problem))
    }

    fn keep(&mut self, id: EquipmentId, breach: Breach, occurrences: i64) {
        self.tally.count(&breach);
        let alert = Alert { occurrences, ..Alert::raised(&self.rule, id, breach) };
        self.alerts.push(pb::Alert {
            id: String::new(),
            rule_id: String::new(),
            etag: String::new(),
            ..alert.into()
        });
    }

    /// Sends what fills messages. Answers whether somebody still wants to know.
    async fn send(&mut self) -> bool {
        while ALERTS <= self.alerts.len() {
            let rest = self.alerts.split_off(ALERTS);
            let alerts = std::mem::replace(&mut self.alerts, rest);
            let message = pb::TestRuleResponse { alerts, summary: None };
            if !self.tell(message).await {
                return false;
            }
        }
        !self.sender.is_closed()
    }

    /// Answers whether somebody takes it.
    async fn tell(&self, message: pb::TestRuleResponse) -> bool {
        let sent = tokio::time::timeout(PATIENCE, self.sender.send(Ok(message))).await;
        sent.is_ok_and(|sent| sent.is_ok())
    }

    fn summary(&self, equipment: usize) -> pb::TestRuleSummary {
        let day = |(day, count): (Timestamp, Count)| pb::TestRuleDay {
            date: day.date(),
            alerts: count.alerts.into(),
            tasks: self.tasks(count),
            time_in_alert: count.time_in_alert.try_into().ok(),
        };
        let total = self.tally.total();
        pb::TestRuleSummary {
            days: self.tally.days().map(day).collect(),
            alerts: total.alerts.into(),
            tasks: self.tasks(total),
            time_in_alert: total.time_in_alert.try_into().ok(),
            equipment: i32::try_from(equipment).unwrap_or(i32::MAX),
            values: self.values,
        }
    }

    /// Each reading counts as if it had come alone: every alert is open when it is first seen.
    fn tasks(&self, count: Count) -> i64 {
        if self.rule.open_task { count.alerts.into() } else { 0 }
    }
}
