//! What others learn from the change log.

use kit::{
    access::Role,
    changes::{Position, Reader},
};
use proto::maintenance::v1::{
    ClaimTaskRequest, Comment, CompleteTaskRequest, CreateCommentRequest, MaintenanceRecord,
    RecordMaintenanceRequest,
};

use testkit::World;

use super::{pump, records, start, task_for, tasks};

/// The kinds in the change log up to the first `last`, waiting for it.
async fn changes(world: &World, last: &str) -> Vec<String> {
    let db = maintenance::SCHEMA.open(&world.db).await.unwrap();
    let mut reader = Reader::new(&db, Position::default());
    let mut kinds = Vec::new();
    while kinds.last().is_none_or(|kind| kind != last) {
        kinds.extend(reader.next().await.unwrap().into_iter().map(|change| change.kind));
    }
    kinds
}

testkit::both! {
    async fn every_change_is_told_once_and_a_refused_one_never(world: World) {
        let suite = start(&world).await;
        let pump = pump(&world, &suite).await;
        let (ana, bob) = (world.user(Role::Technician), world.user(Role::Technician));
        let task = task_for(&world, &suite, &pump).await;
        let (mut by_ana, mut by_bob) = (tasks(&suite, &ana), tasks(&suite, &bob));
        let claim = ClaimTaskRequest { id: task.id.clone(), ..Default::default() };
        let complete = CompleteTaskRequest { id: task.id.clone(), ..Default::default() };

        by_ana.claim_task(claim.clone()).await.unwrap();
        by_ana.claim_task(claim.clone()).await.unwrap();
        by_bob.claim_task(claim).await.unwrap_err();
        by_bob.complete_task(complete.clone()).await.unwrap_err();
        by_ana.complete_task(complete.clone()).await.unwrap();
        by_ana.complete_task(complete).await.unwrap_err();
        let record = Some(MaintenanceRecord { equipment_id: pump, ..Default::default() });
        let request = RecordMaintenanceRequest { record, ..Default::default() };
        let tried = RecordMaintenanceRequest { validate_only: true, ..request.clone() };
        records(&suite, &ana).record_maintenance(tried).await.unwrap();
        records(&suite, &ana).record_maintenance(request).await.unwrap();
        let comment = Some(Comment { text: "Done".into(), ..Default::default() });
        let request = CreateCommentRequest { task_id: task.id, comment, ..Default::default() };
        by_ana.create_comment(request).await.unwrap();

        let told = changes(&world, "comment").await;
        // Created, claimed, completed with its record, another record, a comment.
        assert_eq!(told, ["task", "task", "maintenance", "task", "maintenance", "comment"]);
    }
}
