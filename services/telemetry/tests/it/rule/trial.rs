//! Rules are tested on stored readings, and nothing is kept.

use kit::{Timestamp, access::Role};
use proto::telemetry::v1::{
    Alert, ListRulesRequest, Rule, TestRuleRequest, TestRuleSummary, alert::State, rule::Condition,
    rule_service_client::RuleServiceClient,
};
use tonic::{Code, Status};

use super::super::{Suite, below, field, history, temperature};

fn at(seconds: i64) -> prost_types::Timestamp {
    Timestamp::from_micros(seconds * 1_000_000).into()
}

fn request(rule: Rule, from: i64, to: i64) -> TestRuleRequest {
    TestRuleRequest { rule: Some(rule), start_time: Some(at(from)), end_time: Some(at(to)) }
}

impl Suite {
    async fn try_rule(
        &self,
        request: TestRuleRequest,
    ) -> Result<(Vec<Alert>, TestRuleSummary), Status> {
        let technician = self.world.user(Role::Technician);
        let mut client = RuleServiceClient::new(self.telemetry.by(&technician));
        let mut stream = client.test_rule(request).await?.into_inner();
        let (mut alerts, mut summary) = (Vec::new(), None);
        while let Some(message) = stream.message().await? {
            assert!(summary.is_none(), "the summary comes last");
            alerts.extend(message.alerts);
            summary = message.summary;
        }
        Ok((alerts, summary.unwrap()))
    }
}

fn spans(alerts: &[Alert]) -> Vec<(i64, Option<i64>)> {
    let seconds = |at: &prost_types::Timestamp| at.seconds;
    alerts
        .iter()
        .map(|alert| (alert.raised_at.unwrap().seconds, alert.cleared_at.as_ref().map(seconds)))
        .collect()
}

fn days(summary: &TestRuleSummary) -> Vec<(&str, i64, i64, i64)> {
    let seconds = |time: &Option<prost_types::Duration>| time.as_ref().unwrap().seconds;
    summary
        .days
        .iter()
        .map(|day| (day.date.as_str(), day.alerts, day.tasks, seconds(&day.time_in_alert)))
        .collect()
}

testkit::both! {
    async fn the_worked_example_comes_out_of_stored_readings(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("press").await;
        history::send(&suite, &id, &history::lines()).await;

        let all = request(below(&id, 50.0, 5.0), 0, 1_767_000_000);
        let all = TestRuleRequest { start_time: Some(at(1_380_000_000)), end_time: Some(at(1_400_000_000)), ..all };
        let (alerts, summary) = suite.try_rule(all).await.unwrap();

        let expected: Vec<_> = history::expected().into_iter().map(|(from, to)| (from, Some(to))).collect();
        assert_eq!(spans(&alerts), expected);
        assert_eq!((summary.alerts, summary.tasks, summary.equipment), (6, 6, 1));
        let in_alert: i64 = history::expected().iter().map(|(from, to)| to - from).sum();
        assert_eq!(summary.time_in_alert.unwrap().seconds, in_alert);
        assert_eq!(
            days(&summary),
            [
                ("2013-12-10", 1, 1, 32_400),
                ("2013-12-16", 1, 1, 39_000),
                ("2014-01-29", 1, 1, 6_300),
                ("2014-01-30", 1, 1, 8_100),
                ("2014-02-03", 1, 1, 13_800),
                ("2014-02-07", 1, 1, 13_500),
                ("2014-02-08", 0, 0, 86_400),
                ("2014-02-09", 0, 0, 43_500),
            ]
        );
        assert!(suite.all_alerts().await.is_empty());
        let rules = suite.rules().list_rules(ListRulesRequest::default()).await.unwrap();
        assert!(rules.into_inner().rules.is_empty());
    }

    async fn an_alert_of_a_test_says_what_it_would_have_said(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        for (at, value) in [(1, 60.0), (2, 40.0), (3, 60.0), (4, 30.0)] {
            suite.send(temperature(&id, at, value)).await.unwrap();
        }
        let rule = Rule { open_task: false, ..below(&id, 50.0, 0.0) };

        let (alerts, summary) = suite.try_rule(request(rule, 1, 10)).await.unwrap();

        assert_eq!(spans(&alerts), [(2, Some(3)), (4, None)]);
        assert_eq!((alerts[0].state(), alerts[1].state()), (State::Cleared, State::Active));
        assert_eq!((alerts[1].message.as_str(), alerts[1].value), ("Too cold: temperature 30 is below 50", Some(30.0)));
        assert_eq!((alerts[0].occurrences, alerts[1].occurrences), (1, 2));
        assert_eq!((alerts[0].id.as_str(), alerts[0].rule_id.as_str()), ("", ""));
        assert_eq!((summary.alerts, summary.tasks, summary.values), (2, 0, 4));
        assert_eq!(summary.time_in_alert.unwrap().seconds, 1 + 6, "until the end of the test");
    }

    async fn a_test_looks_at_its_span_alone(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.send_all((0..9).map(|at| temperature(&id, at, 40.0)).collect()).await;
        let (alerts, summary) = suite.try_rule(request(below(&id, 50.0, 0.0), 3, 5)).await.unwrap();
        assert_eq!((spans(&alerts), summary.values), (vec![(3, None)], 2));
        let (alerts, summary) = suite.try_rule(request(below(&id, 50.0, 0.0), 10, 15)).await.unwrap();
        assert_eq!((spans(&alerts), summary.values, summary.days.len()), (vec![], 0, 0));
    }

    async fn a_rule_by_type_is_tested_on_all_of_that_type(world: World) {
        let suite = Suite::start(world).await;
        let mut machines = [suite.machine("pump").await, suite.machine("pump").await];
        machines.sort();
        let fan = suite.machine("fan").await;
        for id in machines.iter().chain([&fan]) {
            suite.send_all((0..300).map(|at| temperature(id, at, if at % 2 == 0 { 40.0 } else { 60.0 })).collect()).await;
        }
        let rule = Rule { equipment_id: None, equipment_type: Some("pump".into()), ..below("", 50.0, 0.0) };

        let (alerts, summary) = suite.try_rule(request(rule, 0, 1000)).await.unwrap();

        assert_eq!((alerts.len(), summary.alerts, summary.equipment, summary.values), (300, 300, 2, 600));
        let of = |place: usize| alerts.iter().filter(|alert| alert.equipment_id == machines[place]).count();
        assert_eq!((of(0), of(1)), (150, 150));
    }

    async fn silence_is_tested_too(world: World) {
        let suite = Suite::start(world).await;
        let (id, other) = (suite.machine("pump").await, suite.machine("pump").await);
        for at in [20, 25, 50] {
            suite.send(temperature(&id, at, 1.0)).await.unwrap();
        }
        let rule = |id: &str| Rule {
            condition: Condition::NoData.into(),
            threshold: None,
            on_delay: Some(prost_types::Duration { seconds: 10, nanos: 0 }),
            ..below(id, 0.0, 0.0)
        };
        let (alerts, _) = suite.try_rule(request(rule(&id), 0, 100)).await.unwrap();
        assert_eq!(spans(&alerts), [(10, Some(20)), (35, Some(50)), (60, None)]);
        let (alerts, summary) = suite.try_rule(request(rule(&other), 0, 100)).await.unwrap();
        assert_eq!(spans(&alerts), [(10, None)]);
        assert_eq!(summary.time_in_alert.unwrap().seconds, 90);
    }

    async fn a_test_that_makes_no_sense_is_refused_by_field(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let rule = below(&id, 50.0, 0.0);
        let nobody = "018f0000-0000-7000-8000-000000000000";
        for (bad, named) in [
            (request(rule.clone(), 5, 5), "end_time"),
            (request(rule.clone(), 0, 3_661 * 86_400), "end_time"),
            (TestRuleRequest { start_time: None, ..request(rule.clone(), 0, 5) }, "start_time"),
            (TestRuleRequest { end_time: None, ..request(rule.clone(), 4_000_000_000, 0) }, "start_time"),
            (request(Rule { threshold: None, ..rule.clone() }, 0, 5), "rule.threshold"),
            (request(Rule { equipment_id: Some(nobody.into()), ..rule.clone() }, 0, 5), "rule.equipment_id"),
            (TestRuleRequest { rule: None, ..request(rule, 0, 5) }, "rule"),
        ] {
            let error = suite.try_rule(bad).await.unwrap_err();
            assert_eq!((error.code(), field(&error).as_str()), (Code::InvalidArgument, named));
        }
    }
}
