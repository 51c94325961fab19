//! The whole crew wants every task at once.

use std::{collections::HashMap, sync::Arc};

use kit::access::Role;
use proto::maintenance::v1::{
    ClaimTaskRequest, CompleteTaskRequest, ListMaintenanceRequest, ListTasksRequest,
    MaintenanceRecord, RecordMaintenanceRequest, Task, task::Status,
};
use testkit::World;
use tokio::{sync::Barrier, task::JoinSet};
use tonic::{Code, transport::Channel};
use tonic_types::StatusExt;

use crate::{Records, Suite, Tasks, pump, records, start, task_for, tasks};

const RACERS: usize = 64;
const TASKS: usize = 500;

/// What racers try, each something else on each task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    Claim,
    Complete,
    Record,
}

const ATTEMPTS: [Attempt; 3] = [Attempt::Claim, Attempt::Complete, Attempt::Record];

/// Somebody with a connection of their own.
#[derive(Clone)]
struct Racer {
    id: String,
    tasks: Tasks,
    records: Records,
}

/// How an attempt ended.
struct Outcome {
    task: usize,
    by: String,
    attempt: Attempt,
    done: Result<(), tonic::Status>,
    /// Who won a claim then sends the completion twice at once, as somebody does whose first answer is late.
    completions: Option<[Result<(), tonic::Status>; 2]>,
}

impl Racer {
    async fn new(world: &World, suite: &Suite) -> Self {
        let user = world.user(Role::Technician);
        let channel = Channel::from_shared(suite.maintenance.url.clone()).unwrap();
        let mut own = suite.maintenance.clone();
        own.channel = channel.connect().await.unwrap();
        let suite = Suite { maintenance: own, equipment: suite.equipment.clone() };
        Self { id: user.id.clone(), tasks: tasks(&suite, &user), records: records(&suite, &user) }
    }

    async fn attempt(&mut self, attempt: Attempt, id: String) -> Result<(), tonic::Status> {
        match attempt {
            Attempt::Claim => {
                let request = ClaimTaskRequest { id, ..Default::default() };
                self.tasks.claim_task(request).await.map(drop)
            }
            Attempt::Complete => {
                let request = CompleteTaskRequest { id, ..Default::default() };
                self.tasks.complete_task(request).await.map(drop)
            }
            Attempt::Record => {
                let record = MaintenanceRecord { task_id: Some(id), ..Default::default() };
                let request =
                    RecordMaintenanceRequest { record: Some(record), ..Default::default() };
                self.records.record_maintenance(request).await.map(drop)
            }
        }
    }

    /// Tries each task once, at the same time as everybody else.
    async fn race(mut self, number: usize, ids: Arc<[String]>, go: Arc<Barrier>) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for (task, id) in ids.iter().enumerate() {
            let attempt = ATTEMPTS[(number + task) % ATTEMPTS.len()];
            go.wait().await;
            let done = self.attempt(attempt, id.clone()).await;
            let completions = match attempt {
                Attempt::Claim if done.is_ok() => Some(self.complete_twice(id).await),
                _ => None,
            };
            outcomes.push(Outcome { task, by: self.id.clone(), attempt, done, completions });
        }
        outcomes
    }

    async fn complete_twice(&mut self, id: &str) -> [Result<(), tonic::Status>; 2] {
        let mut twin = self.clone();
        let (one, other) = tokio::join!(
            self.attempt(Attempt::Complete, id.to_owned()),
            twin.attempt(Attempt::Record, id.to_owned()),
        );
        [one, other]
    }
}

/// Whom a refused racer is told has it, or has done it.
fn winner(attempt: Attempt, error: &tonic::Status) -> String {
    assert_eq!(error.code(), Code::FailedPrecondition, "{error:?}");
    let mut info = error.get_details_error_info().unwrap();
    let key = match info.reason.as_str() {
        "TASK_HELD" => "holder_id",
        "TASK_COMPLETED" if attempt == Attempt::Claim => "holder_id",
        "TASK_COMPLETED" => "completed_by",
        reason => panic!("{reason}"),
    };
    info.metadata.remove(key).unwrap()
}

/// All tasks, by id, and who recorded work on each.
async fn kept(
    world: &World,
    suite: &Suite,
) -> (HashMap<String, Task>, HashMap<String, Vec<String>>) {
    let viewer = world.user(Role::Viewer);
    let list = ListTasksRequest { page_size: 1000, ..Default::default() };
    let all = tasks(suite, &viewer).list_tasks(list).await.unwrap().into_inner().tasks;
    let list = ListMaintenanceRequest { page_size: 1000, ..Default::default() };
    let answer = records(suite, &viewer).list_maintenance(list).await.unwrap();
    let mut recorded: HashMap<_, Vec<_>> = HashMap::new();
    for record in answer.into_inner().records {
        recorded.entry(record.task_id.unwrap()).or_default().push(record.technician_id);
    }
    (all.into_iter().map(|task| (task.id.clone(), task)).collect(), recorded)
}

testkit::both! {
    async fn of_64_who_want_each_of_500_tasks_one_wins_and_the_others_learn_who(world: World) {
        let suite = start(&world).await;
        let pump = pump(&world, &suite).await;
        let mut ids = Vec::new();
        for _ in 0..TASKS {
            ids.push(task_for(&world, &suite, &pump).await.id);
        }
        let (ids, go): (Arc<[String]>, _) = (ids.into(), Arc::new(Barrier::new(RACERS)));

        let mut racers = JoinSet::new();
        for number in 0..RACERS {
            let racer = Racer::new(&world, &suite).await;
            racers.spawn(racer.race(number, Arc::clone(&ids), Arc::clone(&go)));
        }
        let outcomes: Vec<_> = racers.join_all().await.into_iter().flatten().collect();

        let won: Vec<_> = outcomes.iter().filter(|it| it.done.is_ok()).collect();
        let winners: HashMap<_, _> = won.iter().map(|it| (it.task, &it.by)).collect();
        assert_eq!((outcomes.len(), won.len(), winners.len()), (RACERS * TASKS, TASKS, TASKS));
        for Outcome { task, attempt, done, completions, .. } in &outcomes {
            let completions = completions.as_ref().map_or(&[][..], |both| both);
            let counted = completions.iter().filter(|done| done.is_ok()).count();
            assert_eq!(counted, completions.len() / 2, "one of two completions");
            let completions = completions.iter().map(|done| (Attempt::Complete, done));
            for (attempt, done) in completions.chain([(*attempt, done)]) {
                if let Err(refusal) = done {
                    assert_eq!(&winner(attempt, refusal), winners[task], "task {task}");
                }
            }
        }
        for attempt in ATTEMPTS {
            assert!(won.iter().any(|it| it.attempt == attempt), "{attempt:?} never won");
        }
        let (all, recorded) = kept(&world, &suite).await;
        assert_eq!((all.len(), recorded.len()), (TASKS, TASKS));
        for (task, id) in ids.iter().enumerate() {
            assert_eq!(all[id].status(), Status::Completed);
            assert_eq!(all[id].completed_by.as_ref(), Some(winners[&task]));
            assert_eq!(&recorded[id], &[winners[&task].clone()], "one record a task");
        }
    }
}
