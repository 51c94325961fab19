use super::*;
use crate::{
    auth::v1::{self as auth, RegisterRequest},
    equipment::v1 as equipment,
    maintenance::v1 as maintenance,
    telemetry::v1 as telemetry,
};

fn problems(request: &impl Validate) -> Vec<String> {
    let mut checker = Checker::default();
    request.check(&mut checker);
    checker.violations.into_iter().map(|v| format!("{} {}", v.field, v.description)).collect()
}

#[test]
fn a_field_path_leads_through_messages_and_maps() {
    let equipment = equipment::Equipment {
        status: 99,
        attributes: [("".to_owned(), "x".to_owned())].into(),
        ..Default::default()
    };
    let request =
        equipment::CreateEquipmentRequest { equipment: Some(equipment), ..Default::default() };

    assert_eq!(
        problems(&request),
        [
            "equipment.name must not be empty",
            "equipment.status 99 is not a known value",
            "equipment.attributes[\"\"] must not be empty",
        ]
    );
}

#[test]
fn a_missing_resource_is_named() {
    let request = equipment::CreateEquipmentRequest::default();
    assert_eq!(problems(&request), ["equipment is required"]);
}

#[test]
fn text_with_a_nul_is_refused() {
    let equipment = equipment::Equipment {
        name: "Pump\0".into(),
        attributes: [("colour".to_owned(), "\0".to_owned())].into(),
        ..Default::default()
    };
    let request =
        equipment::CreateEquipmentRequest { equipment: Some(equipment), ..Default::default() };
    assert_eq!(
        problems(&request),
        [
            "equipment.name must not contain the character NUL",
            "equipment.attributes[\"colour\"] must not contain the character NUL",
        ]
    );
}

#[test]
fn what_is_not_as_it_should_be_is_said_in_words() {
    let task = maintenance::Task {
        title: " ".into(),
        due_date: Some("soon".into()),
        ..Default::default()
    };
    let request = maintenance::CreateTaskRequest { task: Some(task), ..Default::default() };
    assert_eq!(
        problems(&request),
        ["task.title must not be blank", "task.due_date must be a day, written YYYY-MM-DD"]
    );
    let rule = telemetry::Rule { name: "Hot".into(), metric: "Heat!".into(), ..Default::default() };
    let request = telemetry::CreateRuleRequest { rule: Some(rule), ..Default::default() };
    assert_eq!(
        problems(&request).first().map(String::as_str),
        Some(
            "rule.metric must be a lower-case letter (a to z), then up to 63 lower-case letters, digits or _"
        )
    );
    let request = RegisterRequest { username: "a b".into(), ..Default::default() };
    assert_eq!(
        problems(&request).first().map(String::as_str),
        Some(
            "username must be 1 to 64 letters (a to z, A to Z), digits, `.`, `_` or `-`, the first a letter or digit"
        )
    );
}

#[test]
fn what_people_know_equipment_by_has_no_outer_spaces_and_no_control_characters() {
    let named = |text: &str| {
        let equipment = equipment::Equipment {
            name: text.into(),
            r#type: text.into(),
            serial_number: text.into(),
            location: text.into(),
            attributes: [(text.to_owned(), String::new())].into(),
            ..Default::default()
        };
        let equipment = Some(equipment);
        problems(&equipment::CreateEquipmentRequest { equipment, ..Default::default() })
    };
    for text in ["P", "Pump 7", "Насос №7", "é\u{301}", "\u{feff}x", "🛩\u{fe0f}", "a\u{a0}b"]
    {
        assert_eq!(named(text), [""; 0], "{text:?}");
    }
    let problem = "must not be blank, begin or end with a space, or have control characters";
    for text in [" ", "\u{a0}", " P", "P ", "P\u{3000}", "\tP", "P\n", "P\u{7}ump", "P\u{85}x"] {
        let places = ["name", "type", "serial_number", "location"].map(str::to_owned);
        let places = places.into_iter().chain([format!("attributes[{text:?}]")]);
        let expected: Vec<_> = places.map(|place| format!("equipment.{place} {problem}")).collect();
        assert_eq!(named(text), expected);
    }
}

#[test]
fn an_address_needs_both_sides_of_one_at_sign() {
    for email in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@.c"] {
        let request = RegisterRequest {
            username: "ana".into(),
            email: email.into(),
            password: "twelve chars".into(),
            ..Default::default()
        };
        assert_eq!(problems(&request), ["email must be an e-mail address"], "{email:?}");
    }
}

#[test]
fn a_rule_needs_a_condition_and_finite_numbers() {
    let rule = telemetry::Rule {
        name: "hot".into(),
        metric: "temperature".into(),
        threshold: Some(f64::NAN),
        deadband: -1.0,
        on_delay: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
        ..Default::default()
    };
    let request = telemetry::CreateRuleRequest { rule: Some(rule), ..Default::default() };

    assert_eq!(
        problems(&request),
        [
            "rule.condition is required",
            "rule.threshold must be a finite number",
            "rule.deadband must be at least 0",
            "rule.on_delay must be at least 0s",
        ]
    );
}

#[test]
fn an_update_is_held_to_the_rules_of_what_it_names() {
    let update = |paths: &[&str]| {
        let user = auth::User {
            username: "no spaces please".into(),
            full_name: "\0".into(),
            ..Default::default()
        };
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        problems(&auth::UpdateUserRequest {
            user: Some(user),
            update_mask: Some(prost_types::FieldMask { paths }),
        })
    };
    let name = "user.full_name must not contain the character NUL";

    assert_eq!(update(&["full_name"]), [name]);
    assert_eq!(update(&["role"]), [""; 0]);
    assert_eq!(update(&[]).len(), 3);
    assert_eq!(update(&["*"]), update(&[]));
    assert_eq!(problems(&auth::UpdateUserRequest::default()), ["user is required"]);
}

#[test]
fn a_creation_has_what_its_resource_must_have() {
    let create = |user: auth::User| {
        problems(&auth::CreateUserRequest { user: Some(user), ..Default::default() })
    };
    let fields = create(auth::User::default());
    let fields: Vec<_> = fields.iter().filter_map(|problem| problem.split(' ').next()).collect();

    assert_eq!(fields, ["user.username", "user.email", "user.password"]);
}

#[test]
fn an_order_is_one_of_those_that_the_contract_names() {
    let ordered = |order_by: &str| {
        let order_by = order_by.to_owned();
        problems(&telemetry::ListAlertsRequest { order_by, ..Default::default() })
    };
    for order_by in ["", "raised_at", "raised_at desc"] {
        assert_eq!(ordered(order_by), [""; 0]);
    }
    let problem = "order_by must be one of raised_at, raised_at desc";
    for order_by in ["raised_at asc", "metric", " "] {
        assert_eq!(ordered(order_by), [problem]);
    }
}

#[test]
fn who_is_meant_is_an_id_or_me() {
    let problem = "id must be an id (a UUID) or `me`";
    for (id, expected) in [
        ("me", None),
        ("018f0000-0000-7000-8000-00000000000A", None),
        ("", Some(problem)),
        ("you", Some(problem)),
        ("018f0000000070008000000000000000", Some(problem)),
    ] {
        let request = auth::GetUserRequest { id: id.to_owned(), ..Default::default() };
        assert_eq!(problems(&request).first().map(String::as_str), expected, "{id}");
    }
}

#[test]
fn an_item_of_a_list_is_named_by_its_place() {
    let equipment_ids = vec!["018f0000-0000-7000-8000-000000000000".to_owned(), "x".to_owned()];
    let request = telemetry::ListLatestRequest { equipment_ids, ..Default::default() };
    assert_eq!(problems(&request), ["equipment_ids[1] must be an id (a UUID)"]);
}

#[test]
fn what_may_be_there_once_is_named_where_it_is_again() {
    let id = |last: char| format!("018f0000-0000-7000-8000-00000000000{last}");
    let key = auth::Key {
        name: "Hangar\n2".to_owned(),
        equipment_ids: vec![id('1'), id('2'), id('1')],
        ..Default::default()
    };
    let request = auth::CreateKeyRequest { key: Some(key) };
    assert_eq!(
        problems(&request),
        [
            "key.name must not be blank, begin or end with a space, or have control characters",
            "key.equipment_ids[2] is there twice"
        ]
    );
}

/// Each reading of a batch is the service's to look at: one that is wrong must not spoil its neighbours.
#[test]
fn a_rule_that_only_tells_is_not_checked() {
    let reading = telemetry::Reading {
        equipment_id: "0".to_owned(),
        metrics: [("No Metric".to_owned(), 1.0)].into(),
        ..Default::default()
    };
    let request =
        telemetry::BatchCreateReadingsRequest { readings: vec![reading], ..Default::default() };
    assert_eq!(problems(&request), [""; 0]);
}

#[test]
fn an_answer_is_not_checked() {
    const { assert!(!equipment::Equipment::IS_REQUEST) };
    const { assert!(equipment::CreateEquipmentRequest::IS_REQUEST) };
}
