//! How much the recent level may hold.

use kit::Timestamp;

use super::{LIMITS, service, steps::Metrics};
use crate::{
    SCHEMA,
    domain::reading::{EquipmentId, Key, Reading},
};

testkit::both! {
    async fn what_comes_faster_than_it_is_sealed_waits_so_that_memory_has_a_limit(world: World) {
        let db = SCHEMA.open(&world.db).await.unwrap();
        let service = service(&world, &db);
        let metrics: Metrics = [("a".to_owned(), 1.0)].into();
        for round in 0..20_i64 {
            // Of each machine too few for a chunk.
            let reading = |number: i64| Reading {
                key: Key {
                    equipment_id: EquipmentId::new(),
                    recorded_at: Timestamp::from_micros(round * 100 + number),
                },
                metrics: metrics.clone(),
            };
            let batch: Vec<_> = (0..16).map(reading).collect();
            let size = batch.len();

            service.ingest.write(batch, None).await.unwrap();

            let held = service.recent.len();
            assert!(held <= 2 * LIMITS.held + size, "{held} in round {round}");
        }
    }
}
