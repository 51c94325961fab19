use futures_util::future;

testkit::both! {
    async fn processes_that_start_at_once_make_one_database(world: World) {
        let opened = future::join_all((0..8).map(|_| crate::open(&world.db))).await;

        for db in opened {
            db.close().await;
        }
    }
}
