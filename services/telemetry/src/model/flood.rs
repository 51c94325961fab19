//! More than the service can take.

use kit::Timestamp;
use testkit::{Engine, World};

use super::service;
use crate::{
    SCHEMA,
    domain::reading::{EquipmentId, Key, Reading},
    ingest::Written,
    store,
};

fn reading(equipment_id: EquipmentId, micros: i64) -> Reading {
    let key = Key { equipment_id, recorded_at: Timestamp::from_micros(micros) };
    Reading { key, metrics: [("a".to_owned(), 1.0)].into() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readings_are_kept_while_queries_hold_every_connection() {
    let world = World::new(Engine::Postgres).await;
    let db = SCHEMA.open(&world.db).await.unwrap();
    let service = service(&world, &db);
    let mut queries = Vec::new();
    for _ in 0..world.db.database_connections {
        queries.push(db.read().await.unwrap());
    }
    let reading = reading(EquipmentId::new(), 1);

    let written = service.ingest.write(vec![reading.clone()], None).await;

    assert!(matches!(written, Ok(Written::Kept)));
    drop(queries);
    let mut db = service.read().await.unwrap();
    let kept = store::reading::find(&mut db, &service.recent, reading.key).await.unwrap();
    assert_eq!(kept, [("a".to_owned(), 1.0)]);
}
