mod change;
mod trial;

use std::time::Duration;

use proto::telemetry::v1::{
    CreateRuleRequest, GetRuleRequest, ListRulesRequest, Rule, alert::Severity, rule::Condition,
};
use tonic::Code;
use tonic_types::StatusExt;

use super::{Suite, below, temperature};

testkit::both! {
    async fn a_rule_is_read_back_whole(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let sent = Rule {
            on_delay: Some(Duration::from_millis(1500).try_into().unwrap()),
            severity: Severity::Critical.into(),
            enabled: Some(false),
            guidance: "Look at the bearing.".into(),
            ..below(&id, 50.0, 5.0)
        };

        let created = suite.rule(sent.clone()).await;
        let request = GetRuleRequest { id: created.id.clone() };
        let read = suite.rules().get_rule(request).await.unwrap().into_inner();

        let expected = Rule {
            id: created.id.clone(),
            off_delay: Some(prost_types::Duration::default()),
            created_at: created.created_at,
            updated_at: created.created_at,
            etag: created.etag.clone(),
            ..sent
        };
        assert_eq!(created, expected);
        assert_eq!(read, expected);
    }

    async fn a_rule_is_on_and_warns_by_default(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let rule = suite.rule(below(&id, 1.0, 0.0)).await;
        assert_eq!((rule.enabled, rule.severity()), (Some(true), Severity::Warning));
    }

    async fn a_rule_looks_at_one_equipment_or_at_one_type(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let rule = below(&id, 1.0, 0.0);
        let nobody = "018f0000-0000-7000-8000-000000000000";
        for bad in [
            Rule { equipment_type: Some("pump".into()), ..rule.clone() },
            Rule { equipment_id: None, ..rule.clone() },
            Rule { equipment_id: Some(nobody.into()), ..rule },
        ] {
            let request = CreateRuleRequest { rule: Some(bad), ..Default::default() };
            let error = suite.rules().create_rule(request).await.unwrap_err();
            let violations = error.get_details_bad_request().unwrap().field_violations;
            assert_eq!(violations[0].field, "rule.equipment_id");
            assert_eq!(error.code(), Code::InvalidArgument);
        }
    }

    async fn a_rule_needs_a_name_and_a_threshold(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let rule = below(&id, 1.0, 0.0);
        let by_type = |kind: &str| Rule {
            equipment_id: None,
            equipment_type: Some(kind.into()),
            ..below(&id, 1.0, 0.0)
        };
        for (bad, field) in [
            (Rule { name: " \t".into(), ..rule.clone() }, "rule.name"),
            (Rule { threshold: None, ..rule }, "rule.threshold"),
            (by_type(" "), "rule.equipment_type"),
            (by_type(""), "rule.equipment_type"),
            // No equipment is of such a type.
            (by_type("pump "), "rule.equipment_type"),
            (by_type("pu\tmp"), "rule.equipment_type"),
        ] {
            let request = CreateRuleRequest { rule: Some(bad), ..Default::default() };
            let error = suite.rules().create_rule(request).await.unwrap_err();
            let violations = error.get_details_bad_request().unwrap().field_violations;
            assert_eq!(violations[0].field, field);
        }
    }

    async fn rules_are_filtered(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let rule = below(&id, 1.0, 0.0);
        let by_type = Rule { equipment_id: None, equipment_type: Some("pump".into()), ..rule.clone() };
        let one = suite.rule(rule.clone()).await.id;
        let two = suite.rule(Rule { severity: Severity::Critical.into(), ..by_type }).await.id;
        let three =
            suite.rule(Rule { metric: "speed".into(), enabled: Some(false), ..rule }).await.id;

        let all = ListRulesRequest::default();
        for (request, expected) in [
            (all.clone(), vec![&one, &two, &three]),
            (ListRulesRequest { equipment_id: Some(id), ..all.clone() }, vec![&one, &three]),
            (ListRulesRequest { equipment_type: "pump".into(), ..all.clone() }, vec![&two]),
            (ListRulesRequest { metric: "speed".into(), ..all.clone() }, vec![&three]),
            (ListRulesRequest { severity: Severity::Critical.into(), ..all.clone() }, vec![&two]),
            (ListRulesRequest { enabled: Some(true), ..all.clone() }, vec![&one, &two]),
            (ListRulesRequest { enabled: Some(false), ..all }, vec![&three]),
        ] {
            let rules = suite.rules().list_rules(request.clone()).await.unwrap().into_inner().rules;
            let found: Vec<_> = rules.iter().map(|rule| &rule.id).collect();
            assert_eq!(found, expected, "{request:?}");
        }
    }

    async fn a_rule_by_type_watches_all_of_that_type(world: World) {
        let suite = Suite::start(world).await;
        let rule = Rule {
            equipment_id: None,
            equipment_type: Some("pump".into()),
            condition: Condition::Above.into(),
            ..below("", 90.0, 0.0)
        };
        suite.rule(rule).await;
        // Registered after the rule, and read a millisecond later.
        let (one, two) = (suite.machine("pump").await, suite.machine("pump").await);
        let other = suite.machine("fan").await;

        let hot = [&one, &two, &other].map(|id| temperature(id, 1, 95.0));
        suite.send_all(hot.into()).await;

        let mut raised: Vec<_> =
            suite.all_alerts().await.into_iter().map(|alert| alert.equipment_id).collect();
        raised.sort();
        assert_eq!(raised, [one, two]);
    }

    async fn a_rule_that_is_off_raises_nothing(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.rule(Rule { enabled: Some(false), ..below(&id, 50.0, 0.0) }).await;
        suite.send(temperature(&id, 1, 1.0)).await.unwrap();
        assert!(suite.all_alerts().await.is_empty());
    }

    async fn rules_are_listed_in_pages(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        for threshold in 0..3 {
            suite.rule(below(&id, f64::from(threshold), 0.0)).await;
        }
        let first = ListRulesRequest { page_size: 2, ..Default::default() };
        let first = suite.rules().list_rules(first).await.unwrap().into_inner();
        let rest =
            ListRulesRequest { page_size: 2, page_token: first.next_page_token, ..Default::default() };
        let rest = suite.rules().list_rules(rest).await.unwrap().into_inner();
        assert_eq!((first.rules.len(), rest.rules.len()), (2, 1));
        assert!(rest.next_page_token.is_empty());
    }

    async fn a_repeated_request_makes_one_rule(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let request =
            CreateRuleRequest { rule: Some(below(&id, 1.0, 0.0)), request_id: "key".into() };
        let first = suite.rules().create_rule(request.clone()).await.unwrap().into_inner();
        let again = suite.rules().create_rule(request).await.unwrap().into_inner();
        assert_eq!(first, again);
    }

    async fn delays_count_by_the_time_of_the_reading(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let seconds = |seconds| Some(Duration::from_secs(seconds).try_into().unwrap());
        let rule = Rule { on_delay: seconds(10), off_delay: seconds(5), ..below(&id, 50.0, 0.0) };
        suite.rule(rule).await;

        // Each alone, so that the delay runs across transactions and the last but one comes late.
        for (at, value) in [(0, 40.0), (5, 40.0), (10, 40.0), (20, 60.0), (26, 60.0), (23, 40.0)] {
            suite.send(temperature(&id, at, value)).await.unwrap();
        }

        let alerts = suite.all_alerts().await;
        assert_eq!(alerts.len(), 1);
        assert_eq!(alerts[0].raised_at.unwrap().seconds, 10);
        assert_eq!(alerts[0].cleared_at, None, "the late reading was below again");
    }
}
