//! Histories that the register tells page by page.

use super::*;

testkit::both! {
    async fn a_history_of_more_than_a_page_is_read_whole(world: World) {
        const FAILURES: i64 = 600;
        let suite = start(&world).await;
        let pump = installed(&world, &suite, None).await;
        let begin = world.clock.now();
        let second_before = |second: i64| begin.minus(Duration::from_secs(second.unsigned_abs()));
        // A second up, a second down; up to when it was registered.
        let spans = (0..2 * FAILURES).map(|number| {
            let status = if number % 2 == 0 { "OPERATIONAL" } else { "DOWN" };
            (status, second_before(2 * FAILURES - number), second_before(2 * FAILURES - number - 1))
        });
        insert_history(&world, &pump, spans).await;

        let answer = life(&world, &suite, of(&pump)).await.unwrap();

        let second = Some(Duration::from_secs(1).try_into().unwrap());
        assert_eq!(answer.mtbf, Some(MeanTime { mean: second, events: 600, note: None }));
        assert_eq!(answer.mttr, Some(MeanTime { mean: second, events: 600, note: None }));
        let start_time = Some(begin.minus(Duration::from_secs(5)).into());
        let request = GetServiceLifeRequest { start_time, ..of(&pump) };
        assert_eq!(life(&world, &suite, request).await.unwrap().mtbf.unwrap().events, 3);
    }

    async fn a_failure_before_the_window_is_known_wherever_its_page_ends(world: World) {
        let suite = start(&world).await;
        let pump = installed(&world, &suite, None).await;
        let begin = world.clock.now();
        let hours_before = |hours: u32| begin.minus(HOUR * hours);
        // With the first known state, those after the failure fill a page of the register: it ends with the planned work.
        let later = (0..998).map(|number| {
            let status = if number % 2 == 0 { "OPERATIONAL" } else { "DOWN" };
            (status, hours_before(998 - number), hours_before(997 - number))
        });
        let failed = ("DOWN", hours_before(1020), hours_before(1010));
        let planned = ("MAINTENANCE", hours_before(1010), hours_before(998));
        insert_history(&world, &pump, [failed, planned].into_iter().chain(later)).await;
        let record = MaintenanceRecord {
            equipment_id: pump.clone(),
            kind: Kind::Corrective.into(),
            started_at: Some(hours_before(1009).into()),
            finished_at: Some(hours_before(1003).into()),
            ..Default::default()
        };
        let request = RecordMaintenanceRequest { record: Some(record), ..Default::default() };
        let mut technician = records(&suite, &world.user(Role::Technician));
        technician.record_maintenance(request).await.unwrap();

        let start_time = Some(hours_before(1005).into());
        let request = GetServiceLifeRequest { start_time, ..of(&pump) };
        let answer = life(&world, &suite, request).await.unwrap();

        assert_eq!(answer.mtbf.unwrap().events, 499);
    }
}
