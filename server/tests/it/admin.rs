use std::{path::Path, process::Output};

use proto::auth::v1::{GetUserRequest, User, user::Role, user_service_client::UserServiceClient};
use tonic::Code;

use super::{PASSWORD, as_user, over_the_wire, run, suite, text, token};

fn create(folder: &Path, username: &str, more: &[&str], input: &str) -> Output {
    let data = folder.join("data").display().to_string();
    let arguments = ["admin", "create", "--username", username, "--data-dir", &data];
    let all: Vec<_> = arguments.iter().chain(more).copied().collect();
    run(&all, &[], input)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_who_is_made_beside_a_running_suite_may_log_in_at_once() {
    let (suite, folder) = suite().await;
    let auth = over_the_wire(&suite);

    let output = create(folder.path(), "boss", &["--full-name", "Bo Ross"], "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let password = printed.trim_end().rsplit(' ').next().unwrap();

    let boss = token(auth.clone(), "boss", password).await.unwrap();
    let request = as_user(&boss, GetUserRequest { id: "me".into(), ..Default::default() });
    let user: User = UserServiceClient::new(auth).get_user(request).await.unwrap().into_inner();
    assert_eq!((&*user.full_name, user.role()), ("Bo Ross", Role::Admin));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_from_standard_input_is_taken_and_not_shown() {
    let (suite, folder) = suite().await;

    let output = create(folder.path(), "boss", &["--password-stdin"], "quite another phrase\r\n");

    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!text(&output.stdout).contains("phrase"));
    assert!(token(over_the_wire(&suite), "boss", "quite another phrase").await.is_ok());
}

#[test]
fn a_folder_without_a_suite_gets_no_admin_and_no_database() {
    let folder = tempfile::tempdir().unwrap();

    let output = create(folder.path(), "boss", &[], "");

    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains("holds no data of Flightline"), "{error}");
    assert!(error.contains(&folder.path().display().to_string()), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_taken_is_refused_and_its_owner_stays() {
    let (suite, folder) = suite().await;
    let auth = over_the_wire(&suite);

    let more = ["--email", "other@example.com", "--password-stdin"];
    let output = create(folder.path(), "Admin", &more, "quite another phrase");

    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains("Admin") && error.contains("username is taken"), "{error}");
    assert!(token(auth.clone(), "admin", PASSWORD).await.is_ok());
    let refused = token(auth, "admin", "quite another phrase").await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}
