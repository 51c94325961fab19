use kit::{changes, on};
use proto::auth::v1::User;

use super::{create, delete, dora, update};
use crate::{admin, database, start};

testkit::both! {
    async fn who_is_deleted_leaves_no_password_and_no_address(world: World) {
        let server = start(&world).await;
        let mut admin = admin(&world, &server).await;
        let created = create(&mut admin, dora()).await.unwrap();
        let moved = User { email: "moved@example.org".into(), ..created.clone() };
        update(&mut admin, moved, &["email"]).await.unwrap();
        let kept = async || {
            let mut db = database(&world).await.read().await.unwrap();
            let id: uuid::Uuid = created.id.parse().unwrap();
            let row: (String, String, String) = on!(&mut db, c => sqlx::query_as(
                    "select email, email_lower, password_hash from users where id = $1",
                )
                .bind(id)
                .fetch_one(c).await).unwrap();
            let log = changes::after(&mut db, changes::Position::default(), 1000).await.unwrap();
            let log = log.into_iter().filter(|change| change.kind == "user" && change.id == id);
            (row, log.map(|change| change.decode::<User>().unwrap()).collect::<Vec<_>>())
        };
        // The log shows an entry once no older write is under way on the server, also in others' databases.
        let kept = &kept;
        let with_entries = |count: usize| {
            testkit::eventually("the log shows them", move || async move {
                let (row, log) = kept().await;
                (log.len() == count).then_some((row, log))
            })
        };
        let ((email, lower, hash), _) = with_entries(2).await;
        assert_eq!((email.as_str(), lower.as_str()), ("moved@example.org", "moved@example.org"));
        assert!(hash.starts_with("$argon2id$"));

        delete(&mut admin, &created.id).await.unwrap();

        let (row, log) = with_entries(1).await;
        assert_eq!(row, (String::new(), created.id.clone(), String::new()));
        let [gone] = &log[..] else { panic!("{log:?}") };
        assert_eq!((gone.username.as_str(), gone.email.as_str()), ("dora", ""));
        assert!(gone.deleted_at.is_some());
    }
}
