use std::borrow::Cow;

use kit::{
    Db, on,
    sqlx::{
        self, SqlSafeStr,
        migrate::{Migration, MigrationType, Migrator},
    },
};
use testkit::World;

/// A database whose schema takes the migrations.
pub async fn open(world: &World, migrations: &[&'static str]) -> Db {
    let migration = |(number, sql): (i64, &&'static str)| {
        let sql = sql.into_sql_str();
        Migration::new(100 + number, Cow::Borrowed("words"), MigrationType::Simple, sql, false)
    };
    let migrations = (0..).zip(migrations).map(migration).collect();
    Db::open(&world.db, "words", &Migrator::with_migrations(migrations)).await.unwrap()
}

testkit::both! {
    async fn text_is_in_the_order_of_its_bytes_on_either_engine(world: World) {
        const WORDS: &str = "create table words (word text not null primary key)";
        const OTHERS: &str = "alter table words add column other text not null default 'b'";
        open(&world, &[WORDS]).await.close().await;
        let db = open(&world, &[WORDS, OTHERS]).await;

        let mut tx = db.begin("insert words").await.unwrap();
        for word in ["b", "a b", "Ä", "ab", "a-c", "B", "", "\u{1f6e0}", "z"] {
            on!(&mut tx, c => sqlx::query("insert into words (word) values ($1)")
                .bind(word)
                .execute(c).await.map(drop)).unwrap();
        }
        tx.commit().await.unwrap();

        let mut db = db.read().await.unwrap();
        let words: Vec<String> = on!(&mut db, c => sqlx::query_scalar(
                "select word from words where word < other order by word",
            )
            .fetch_all(c).await).unwrap();
        assert_eq!(words, ["", "B", "a b", "a-c", "ab"]);
    }
}
