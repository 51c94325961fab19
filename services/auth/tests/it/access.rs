use kit::access::Role;
use proto::auth::v1::{GetUserRequest, ListUsersRequest, user_service_client::UserServiceClient};
use tonic::Code;

use super::{ana, anon, by, register, start};

testkit::both! {
    async fn every_method_lets_in_the_roles_of_its_rule_alone(world: World) {
        let server = start(&world).await;
        testkit::assert_access(&world, &server, "flightline.auth.v1").await;
    }

    async fn people_are_read_by_the_roles_that_the_contract_names(world: World) {
        let server = start(&world).await;
        let user = register(&mut anon(&server), ana()).await.unwrap();
        let get = || GetUserRequest { id: user.id.clone(), ..Default::default() };

        for role in Role::ALL {
            let mut caller = by(&server, &world, &user.id, *role);
            let person = matches!(role, Role::Admin | Role::Technician | Role::Viewer);

            let got = caller.get_user(get()).await.map(drop).map_err(|error| error.code());
            let may = person || *role == Role::Service;
            assert_eq!(got, may.then_some(()).ok_or(Code::PermissionDenied), "{role:?} gets");

            let list = caller.list_users(ListUsersRequest::default()).await;
            let listed = list.map(drop).map_err(|error| error.code());
            assert_eq!(listed, person.then_some(()).ok_or(Code::PermissionDenied), "{role:?} lists");
        }
    }

    async fn people_are_hidden_from_who_has_no_token(world: World) {
        let server = start(&world).await;
        let user = register(&mut anon(&server), ana()).await.unwrap();
        let mut stranger = UserServiceClient::new(server.channel.clone());

        let got = stranger.get_user(GetUserRequest { id: user.id, ..Default::default() }).await.unwrap_err();
        let listed = stranger.list_users(ListUsersRequest::default()).await.unwrap_err();

        assert_eq!((got.code(), listed.code()), (Code::Unauthenticated, Code::Unauthenticated));
    }
}
