//! Of which time the figures are.

use super::*;

testkit::both! {
    async fn a_window_is_answered_for_itself(world: World) {
        let suite = start(&world).await;
        let pump = live_through_the_example(&world, &suite).await;
        record(&world, &suite, &pump, Kind::Corrective, Some((4, 7.0, 9.5))).await;
        let inspected = record(&world, &suite, &pump, Kind::Inspection, Some((5, 7.0, 8.0))).await;
        record(&world, &suite, &pump, Kind::Corrective, Some((7, 12.0, 14.0))).await;

        let request = GetServiceLifeRequest {
            start_time: Some(january(4, 8.0).into()),
            end_time: Some(january(5, 8.5).into()),
            ..of(&pump)
        };
        let answer = life(&world, &suite, request).await.unwrap();

        assert_eq!(answer.unplanned_downtime, Some(downtime(2.0, 1)), "of a failure before the window");
        assert_eq!(answer.mtbf, Some(no_mean("not enough failures")));
        assert_eq!(answer.mttr, Some(no_mean("not enough restorations")));
        assert_eq!(answer.operating_time, hours(22.5));
        let work = WorkCounts { corrective: 1, inspection: 1, ..Default::default() };
        assert_eq!(answer.work, Some(work));
        assert_eq!(answer.last_work.unwrap().record_id, inspected);
        assert_eq!(answer.age, hours(240.0), "whatever is asked for");
    }

    async fn before_it_was_installed_it_served_nobody(world: World) {
        let suite = start(&world).await;
        wait_until(&world, january(4, 0.0));
        let pump = installed(&world, &suite, Some("2026-01-03")).await;
        wait_until(&world, january(5, 0.0));
        let request = |start: Timestamp, end: Timestamp| {
            let (start_time, end_time) = (Some(start.into()), Some(end.into()));
            GetServiceLifeRequest { start_time, end_time, ..of(&pump) }
        };

        let answer = life(&world, &suite, request(january(1, 0.0), january(5, 0.0))).await.unwrap();
        assert_eq!(answer.start_time, Some(january(3, 0.0).into()));
        assert_eq!((answer.operating_time, answer.assumed_time), (hours(48.0), hours(24.0)));
        let before = life(&world, &suite, request(january(1, 0.0), january(2, 0.0))).await.unwrap();
        assert_eq!((before.start_time, before.operating_time), (Some(january(2, 0.0).into()), hours(0.0)));
        assert_eq!(before.availability.unwrap().ratio, None);
    }

    async fn nothing_is_known_of_the_time_before_it_was_registered(world: World) {
        let suite = start(&world).await;
        wait_until(&world, january(4, 0.0));
        let pump = installed(&world, &suite, None).await;
        wait_until(&world, january(5, 0.0));
        let years_ago = Some(january(1, 0.0).minus(Duration::from_hours(24 * 365 * 25)).into());

        let request = GetServiceLifeRequest { start_time: years_ago, ..of(&pump) };
        let answer = life(&world, &suite, request).await.unwrap();

        assert_eq!(answer.start_time, Some(january(4, 0.0).into()));
        assert_eq!((answer.operating_time, answer.assumed_time), (hours(24.0), hours(0.0)));
    }

    async fn failures_are_counted_from_the_installation_on_and_what_is_older_is_told(world: World) {
        let suite = start(&world).await;
        wait_until(&world, january(5, 0.0));
        let pump = installed(&world, &suite, Some("2026-01-03")).await;
        wait_until(&world, january(6, 0.0));
        for day in [2, 4] {
            record(&world, &suite, &pump, Kind::Corrective, Some((day, 1.0, 2.0))).await;
        }

        let answer = life(&world, &suite, of(&pump)).await.unwrap();

        assert_eq!(answer.start_time, Some(january(3, 0.0).into()));
        let work = WorkCounts { corrective: 2, corrective_before_start: 1, ..Default::default() };
        assert_eq!(answer.work, Some(work));
        assert_eq!(answer.mtbf, Some(mean(71.0, 1)));
    }

    async fn since_when_it_is_down_does_not_depend_on_the_window(world: World) {
        let suite = start(&world).await;
        let pump = live_through_the_example(&world, &suite).await;
        record(&world, &suite, &pump, Kind::Corrective, Some((11, 15.0, 19.0))).await;
        let since = |hour| GetServiceLifeRequest { start_time: Some(january(11, hour).into()), ..of(&pump) };

        for request in [of(&pump), since(17.0), since(20.0)] {
            let answer = life(&world, &suite, request.clone()).await.unwrap();
            assert_eq!(answer.down_since, Some(january(11, 15.0).into()), "{request:?}");
        }
    }
}
