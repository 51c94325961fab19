use ::maintenance::fill::{End, Life, fill};
use kit::{Timestamp, access::Role};
use proto::maintenance::v1::{
    ListCommentsRequest, ListTasksRequest, maintenance_record,
    task::{Priority, Status},
    task_event::Kind,
};

use crate::{all_records, events, start, tasks};

const PUMP: &str = "018e0000-0000-7000-8000-000000000001";

fn life(title: &str, claimed: bool, end: Option<End>) -> Life {
    let at = Timestamp::from_micros;
    Life {
        title: title.into(),
        description: "More of it.".into(),
        equipment_id: PUMP.into(),
        priority: "HIGH",
        due_date: Some("2025-01-01".into()),
        created_by: "chief".into(),
        created_at: at(1),
        claimed: claimed.then(|| ("ana".to_owned(), at(2))),
        end,
        comments: vec![("ana".into(), "Look.".into(), at(3))],
    }
}

testkit::both! {
    async fn what_is_filled_in_is_as_if_everybody_had_done_it(world: World) {
        let suite = start(&world).await;
        let at = Timestamp::from_micros;
        let work_done = "Oiled it.".to_owned();
        let done = End::Done { from: at(4), to: at(5), work_done, is_corrective: false };
        let lives = [
            life("waits", false, None),
            life("is held", true, None),
            life("is done", true, Some(done)),
            life("is not to be", false, Some(End::Cancelled(at(6)))),
        ];

        let mut filled = 0;
        fill(&world.db, lives.into_iter(), |count| filled += count).await.unwrap();

        assert_eq!(filled, 4);
        let mut client = tasks(&suite, &world.user(Role::Viewer));
        let request = ListTasksRequest { title: "IS".into(), ..Default::default() };
        let found = client.list_tasks(request).await.unwrap().into_inner().tasks;
        let seen: Vec<_> = found.iter().map(|task| (task.title.as_str(), task.status())).collect();
        assert_eq!(
            seen,
            [("is held", Status::InProgress), ("is done", Status::Completed), ("is not to be", Status::Cancelled)]
        );
        let task = &found[1];
        assert_eq!((task.priority(), task.equipment_id(), task.completed_by()), (Priority::High, PUMP, "ana"));
        let happened = events(&world, &suite, &task.id).await;
        let kinds: Vec<_> = happened.iter().map(|(kind, who, _)| (*kind, who.as_str())).collect();
        assert_eq!(kinds, [(Kind::Created, "chief"), (Kind::Claimed, "ana"), (Kind::Completed, "ana")]);
        let [record] = &all_records(&world, &suite).await[..] else { panic!("one record") };
        assert_eq!(
            (record.task_id(), record.technician_id.as_str(), record.kind(), record.work_done.as_str()),
            (task.id.as_str(), "ana", maintenance_record::Kind::Preventive, "Oiled it.")
        );
        let request = ListCommentsRequest { task_id: task.id.clone(), ..Default::default() };
        assert_eq!(client.list_comments(request).await.unwrap().into_inner().comments.len(), 1);
    }
}
