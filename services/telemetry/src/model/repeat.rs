//! What the senders of equal readings are told.

use kit::{Timestamp, once::Once};
use proto::telemetry::v1 as pb;

use super::{call, service};
use crate::{
    SCHEMA,
    domain::reading::{EquipmentId, Key, Reading},
    ingest::{Single, Written},
};

fn reading(equipment_id: EquipmentId, micros: i64) -> Reading {
    let key = Key { equipment_id, recorded_at: Timestamp::from_micros(micros) };
    Reading { key, metrics: [("a".to_owned(), 1.0)].into() }
}

testkit::both! {
    async fn of_equal_readings_in_one_transaction_the_second_repeats_the_first(world: World) {
        let db = SCHEMA.open(&world.db).await.unwrap();
        let service = service(&world, &db);
        let id = EquipmentId::new();
        let single = || {
            let once = Once::new(&call(pb::CreateReadingRequest::default()), "");
            Some(Single { once, answer: pb::Reading::default() })
        };
        // The others come while these are written, and are written together.
        let before = (1..5000).map(|micros| reading(id, micros)).collect();
        let ingest = &service.ingest;

        let (before, first, second, other) = tokio::join!(
            ingest.write(before, None),
            ingest.write(vec![reading(id, 0)], single()),
            ingest.write(vec![reading(id, 0)], single()),
            ingest.write(vec![reading(id, -1)], single()),
        );

        assert!(matches!(before, Ok(Written::Kept)));
        assert!(matches!(first, Ok(Written::Kept)));
        assert!(matches!(second, Ok(Written::Merged)));
        assert!(matches!(other, Ok(Written::Kept)));
    }
}
