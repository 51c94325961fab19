use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use kit::access::Role;
use proto::equipment::v1::{
    Equipment,
    equipment::{Criticality, Status},
};

use super::{by, create, pump, start, update};

testkit::both! {
    async fn every_list_shows_what_was_there_once_whatever_comes_meanwhile(world: World) {
        let server = start(&world).await;
        let admin = world.user(Role::Admin);
        let watched = create(&mut by(&server, &admin), pump("watched")).await.unwrap();
        let count = AtomicUsize::new(0);

        let add = async |method: &str| {
            let number = count.fetch_add(1, Ordering::SeqCst);
            let of_two = |one: &str, other: &str| [one, other][number % 2].to_owned();
            // Many rows have the same values, and many the same times.
            if number.is_multiple_of(3) {
                world.clock.advance(Duration::from_secs(1));
            }
            let mut admin = by(&server, &admin);
            if method == "ListStatusIntervals" {
                let status = [Status::Down, Status::Operational][number % 2].into();
                let wished = Equipment { id: watched.id.clone(), status, ..Default::default() };
                update(&mut admin, wished, &["status"]).await.unwrap();
                return;
            }
            let equipment = Equipment {
                r#type: of_two("pump", "fan"),
                location: of_two("", "Hangar 2"),
                status: [Status::Standby, Status::Down, Status::Operational][number % 3].into(),
                criticality: [Criticality::Low, Criticality::High][number % 2].into(),
                installation_date: number.is_multiple_of(2).then(|| format!("2024-01-{:02}", 9 - number % 4)),
                ..pump(["b", "a", "B", "ä"][number % 4])
            };
            create(&mut admin, equipment).await.unwrap();
        };
        let of = [("equipment_id", watched.id.as_str())];
        testkit::assert_pages(&world, &server, "flightline.equipment.v1", &of, add).await;
    }
}
