//! Many machines that are silent.

use std::{sync::Arc, time::Duration};

use proto::equipment::v1::Equipment;
use testkit::World;

use super::*;
use crate::{
    SCHEMA,
    domain::{
        alert::Severity,
        rule::{Condition, Delay},
    },
    recent::Limits,
    register,
};

fn rule(now: Timestamp) -> Rule {
    Rule {
        id: RuleId::new(),
        name: "Silent".into(),
        equipment_id: None,
        equipment_type: Some("pump".into()),
        metric: "a".into(),
        condition: Condition::NoData,
        threshold: None,
        deadband: 0.0,
        on_delay: Delay(Duration::from_mins(1)),
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

/// The register, with so many pumps.
async fn register(world: &World, pumps: usize) -> Arc<Register> {
    let register = register::follow(&world.suite);
    for _ in 0..pumps {
        let id = EquipmentId::new().to_string();
        let pump = Equipment { id, r#type: "pump".into(), ..Default::default() };
        register.keep(&pump).await.unwrap();
    }
    register
}

async fn make(db: &Db, rule: &Rule) {
    let mut tx = db.begin("make rule").await.unwrap();
    store::rule::insert(&mut tx, rule).await.unwrap();
    tx.commit().await.unwrap();
}

async fn open(db: &Db) -> usize {
    store::alert::open(&mut db.read().await.unwrap()).await.unwrap().len()
}

testkit::both! {
    async fn a_look_raises_so_many_and_the_next_ones_the_others(world: World) {
        let db = SCHEMA.open(&world.db).await.unwrap();
        let (clock, recent) = (world.suite.clock.clone(), Recent::new(Limits::default()));
        let register = register(&world, RAISE + STEP + 1).await;
        make(&db, &rule(clock.now())).await;
        let mut silence = Silence::default();
        let around = (&*register, &recent);

        silence.look(&db, &clock, around).await.unwrap();
        assert_eq!(open(&db).await, 0);
        world.clock.advance(Duration::from_secs(61));
        for expected in [RAISE, RAISE + STEP + 1, RAISE + STEP + 1] {
            silence.look(&db, &clock, around).await.unwrap();
            assert_eq!(open(&db).await, expected);
        }
    }

    async fn a_place_is_due_once_however_often_it_is_disturbed_and_not_when_its_rule_has_gone(world: World) {
        let db = SCHEMA.open(&world.db).await.unwrap();
        let (clock, recent) = (world.suite.clock.clone(), Recent::new(Limits::default()));
        let register = register(&world, 3).await;
        let (first, second) = (rule(clock.now()), rule(clock.now()));
        make(&db, &first).await;
        make(&db, &second).await;
        let mut silence = Silence::default();
        let around = (&*register, &recent);
        silence.look(&db, &clock, around).await.unwrap();

        for _ in 0..10 {
            for id in register.covered(&first).await {
                silence.disturb((first.id, id));
            }
            assert_eq!(silence.due.len(), 6);
            silence.cover_anew();
            silence.look(&db, &clock, around).await.unwrap();
            assert_eq!(silence.due.len(), 6);
        }
        let mut tx = db.begin("drop rule").await.unwrap();
        store::rule::delete(&mut tx, first.id).await.unwrap();
        tx.commit().await.unwrap();
        silence.look(&db, &clock, around).await.unwrap();

        assert!(silence.due.iter().all(|(_, (rule, _))| *rule == second.id));
        assert_eq!(silence.due.len(), 3);
    }

    async fn what_fails_stays_due(world: World) {
        let db = SCHEMA.open(&world.db).await.unwrap();
        let (clock, recent) = (world.suite.clock.clone(), Recent::new(Limits::default()));
        let register = register(&world, 1).await;
        make(&db, &rule(clock.now())).await;
        let mut silence = Silence::default();
        let around = (&*register, &recent);
        silence.look(&db, &clock, around).await.unwrap();
        world.clock.advance(Duration::from_secs(61));
        let rename = |from: &'static str, to: &'static str| {
            let db = db.clone();
            let rename = sqlx::AssertSqlSafe(format!("alter table {from} rename to {to}"));
            async move {
                let mut tx = db.begin("rename").await.unwrap();
                kit::on!(&mut tx, c => sqlx::query(rename).execute(c).await.map(drop)).unwrap();
                tx.commit().await.unwrap();
            }
        };

        rename("alerts", "elsewhere").await;
        silence.look(&db, &clock, around).await.unwrap_err();
        rename("elsewhere", "alerts").await;
        silence.look(&db, &clock, around).await.unwrap();

        assert_eq!(open(&db).await, 1);
    }
}
