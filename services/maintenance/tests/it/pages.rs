use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use kit::access::Role;
use proto::maintenance::v1::{
    ClaimTaskRequest, Comment, CompleteTaskRequest, CreateCommentRequest, MaintenanceRecord,
    RecordMaintenanceRequest, ReleaseTaskRequest,
};

use super::{pump, records, start, start_telemetry, task_for, tasks};

testkit::both! {
    async fn every_list_shows_what_was_there_once_whatever_comes_meanwhile(world: World) {
        let suite = start(&world).await;
        start_telemetry(&world, &world.places.telemetry).await;
        let pump = pump(&world, &suite).await;
        let watched = task_for(&world, &suite, &pump).await;
        let ana = world.user(Role::Technician);
        let count = AtomicU32::new(0);

        let add = async |method: &str| {
            let number = count.fetch_add(1, Ordering::SeqCst);
            // Many rows have the same times.
            if number.is_multiple_of(3) {
                world.clock.advance(Duration::from_secs(1));
            }
            let (mut tasks, mut records) = (tasks(&suite, &ana), records(&suite, &ana));
            let id = watched.id.clone();
            match method {
                "ListTaskEvents" => {
                    let claim = ClaimTaskRequest { id: id.clone(), ..Default::default() };
                    tasks.claim_task(claim).await.unwrap();
                    tasks.release_task(ReleaseTaskRequest { id, ..Default::default() }).await.unwrap();
                }
                "ListComments" => {
                    let comment = Some(Comment { text: "Hm".into(), ..Default::default() });
                    let request =
                        CreateCommentRequest { task_id: id, comment, ..Default::default() };
                    tasks.create_comment(request).await.unwrap();
                }
                "ListCompletedTasks" => {
                    let id = task_for(&world, &suite, &pump).await.id;
                    let request = CompleteTaskRequest { id, ..Default::default() };
                    tasks.complete_task(request).await.unwrap();
                }
                "ListMaintenance" | "ListTimeline" => {
                    let finished_at = world.clock.now().minus(Duration::from_secs(2) * (number % 4));
                    let record = MaintenanceRecord {
                        equipment_id: pump.clone(),
                        finished_at: Some(finished_at.into()),
                        ..Default::default()
                    };
                    let request = RecordMaintenanceRequest { record: Some(record), ..Default::default() };
                    records.record_maintenance(request).await.unwrap();
                }
                _ => {
                    task_for(&world, &suite, &pump).await;
                }
            }
        };
        let of = [("equipment_id", pump.as_str()), ("task_id", watched.id.as_str())];
        testkit::assert_pages(&world, &suite.maintenance, "flightline.maintenance.v1", &of, add).await;
    }
}
