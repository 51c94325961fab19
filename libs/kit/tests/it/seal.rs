use kit::Page;

testkit::both! {
    async fn replicas_read_each_others_page_tokens_and_those_from_before_a_restart(world: World) {
        let (one, other) = tokio::join!(crate::open(&world.db), crate::open(&world.db));
        let first = Page::<i64>::parse(one.seal(), 1, "", &7).unwrap();
        let (_, token) = first.cut(vec![1, 2], |row| *row, |row| row).unwrap();

        let beside = Page::<i64>::parse(other.seal(), 1, &token, &7).unwrap();
        one.close().await;
        other.close().await;
        let later = crate::open(&world.db).await;
        let later = Page::<i64>::parse(later.seal(), 1, &token, &7).unwrap();

        assert_eq!((beside.after, later.after), (Some(1), Some(1)));
    }
}
