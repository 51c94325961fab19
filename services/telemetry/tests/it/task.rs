//! From an alert to a task.

use kit::peer::Place;
use proto::{
    maintenance::v1::{
        ListCommentsRequest, ListTasksRequest, Task,
        task::{Priority, Source, Status},
    },
    telemetry::v1::{DeleteAlertRequest, Rule, alert::Severity},
};
use testkit::eventually;

use super::{Suite, below, maintenance, temperature};

impl Suite {
    pub async fn all_tasks(&self) -> Vec<Task> {
        let tasks = self.tasks().list_tasks(ListTasksRequest::default()).await.unwrap();
        tasks.into_inner().tasks
    }

    /// The one task that there comes to be, once its alert knows it.
    pub async fn the_task(&self) -> Task {
        eventually("an alert names its task", async || {
            let alerts = self.all_alerts().await;
            alerts.iter().any(|alert| alert.task_id.is_some()).then_some(())
        })
        .await;
        let mut tasks = self.all_tasks().await;
        assert_eq!(tasks.len(), 1);
        tasks.remove(0)
    }
}

testkit::both! {
    async fn an_alert_that_stays_open_opens_one_task(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let rule = Rule {
            severity: Severity::Critical.into(),
            guidance: "Close the valve.".into(),
            ..below(&id, 50.0, 0.0)
        };
        suite.rule(rule).await;

        // The second reading finds the alert open and asks for nothing more.
        suite.send(temperature(&id, 1, 40.0)).await.unwrap();
        suite.send(temperature(&id, 2, 39.0)).await.unwrap();

        let task = suite.the_task().await;
        let alert = suite.all_alerts().await.remove(0);
        assert_eq!(alert.task_id.as_deref(), Some(task.id.as_str()));
        assert_eq!(task.alert_id.as_deref(), Some(alert.id.as_str()));
        assert_eq!(task.equipment_id.as_deref(), Some(id.as_str()));
        assert_eq!((task.source(), task.status()), (Source::Alert, Status::Pending));
        assert_eq!((task.title.as_str(), task.priority()), ("Too cold", Priority::Critical));
        assert!(task.description.contains("temperature 40 is below 50"), "{}", task.description);
        assert!(task.description.ends_with("Close the valve."), "{}", task.description);
    }

    async fn an_alert_that_is_first_seen_cleared_opens_none(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.rule(below(&id, 50.0, 0.0)).await;

        suite.send_all(vec![temperature(&id, 1, 40.0), temperature(&id, 2, 60.0)]).await;
        // The next one does, and comes after it in the log.
        suite.send(temperature(&id, 3, 40.0)).await.unwrap();

        let task = suite.the_task().await;
        let alerts = suite.all_alerts().await;
        assert_eq!(alerts.len(), 2);
        assert_eq!(alerts[0].task_id, None);
        assert_eq!(alerts[1].task_id, Some(task.id));
    }

    async fn a_rule_that_opens_no_tasks_opens_none(world: World) {
        let suite = Suite::start(world).await;
        let (quiet, loud) = (suite.machine("pump").await, suite.machine("pump").await);
        suite.rule(Rule { open_task: false, ..below(&quiet, 50.0, 0.0) }).await;
        suite.rule(below(&loud, 50.0, 0.0)).await;

        suite.send(temperature(&quiet, 1, 40.0)).await.unwrap();
        suite.send(temperature(&loud, 1, 40.0)).await.unwrap();

        assert_eq!(suite.the_task().await.equipment_id, Some(loud));
    }

    async fn an_alert_that_late_readings_reopen_opens_a_task(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.rule(below(&id, 50.0, 0.0)).await;

        suite.send_all(vec![temperature(&id, 1, 40.0), temperature(&id, 2, 60.0)]).await;
        suite.send(temperature(&id, 2, 45.0)).await.unwrap();

        suite.the_task().await;
    }

    async fn a_task_whose_alert_never_was_stays_and_is_told(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.rule(below(&id, 50.0, 0.0)).await;
        suite.send(temperature(&id, 1, 40.0)).await.unwrap();
        let task = suite.the_task().await;

        suite.send(temperature(&id, 1, 60.0)).await.unwrap();

        assert!(suite.all_alerts().await.is_empty());
        let text = eventually("the task is told", async || {
            let request = ListCommentsRequest { task_id: task.id.clone(), ..Default::default() };
            let comments = suite.tasks().list_comments(request).await.unwrap().into_inner();
            comments.comments.into_iter().next().map(|comment| comment.text)
        })
        .await;
        assert!(text.contains("never was"), "{text}");
        assert_eq!(suite.all_tasks().await, [task]);
    }

    async fn an_alert_that_is_removed_before_its_task_is_opened_opens_none(world: World) {
        // Nobody finds it yet.
        let tasks = maintenance(&world, &Place::default()).await;
        let suite = Suite::start_beside(&telemetry::Config::default(), world, tasks).await;
        let (never, deleted) = (suite.machine("pump").await, suite.machine("pump").await);
        let stands = suite.machine("pump").await;
        for id in [&never, &deleted, &stands] {
            suite.rule(below(id, 50.0, 0.0)).await;
            suite.send(temperature(id, 1, 40.0)).await.unwrap();
        }

        suite.send(temperature(&never, 1, 60.0)).await.unwrap();
        let mut alerts = suite.all_alerts().await;
        alerts.retain(|alert| alert.equipment_id == deleted);
        let delete = DeleteAlertRequest { id: alerts.remove(0).id, ..Default::default() };
        suite.alerts().delete_alert(delete).await.unwrap();
        maintenance(&suite.world, &suite.world.places.maintenance).await;

        assert_eq!(suite.the_task().await.equipment_id, Some(stands.clone()));
        // What says that the first one never was came before this in the log.
        suite.send(temperature(&stands, 2, 60.0)).await.unwrap();
        suite.send(temperature(&stands, 3, 40.0)).await.unwrap();
        let all = eventually("the next alert opens its task", async || {
            Some(suite.all_tasks().await).filter(|tasks| 2 <= tasks.len())
        })
        .await;
        assert!(all.iter().all(|task| task.equipment_id.as_ref() == Some(&stands)), "{all:?}");
    }

    async fn a_wish_that_a_stopped_service_left_is_carried_by_the_next(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.rule(below(&id, 50.0, 0.0)).await;
        suite.send(temperature(&id, 1, 40.0)).await.unwrap();

        // Both dispatchers carry the same wish, as two replicas do.
        let suite = Suite::start(suite.world).await;

        suite.the_task().await;
    }
}
