use kit::access::Role;
use proto::auth::v1::{
    CreateStreamTicketRequest, StreamTicket, auth_service_client::AuthServiceClient,
};
use testkit::{Server, User};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::{start, token};

const WATCH: &str = "/flightline.telemetry.v1.TelemetryService/WatchReadings";

async fn ticket(server: &Server, user: &User, path: &str) -> Result<StreamTicket, Status> {
    let request = CreateStreamTicketRequest { path: path.into() };
    let answer = AuthServiceClient::new(server.by(user)).create_stream_ticket(request).await;
    Ok(answer?.into_inner())
}

testkit::both! {
    async fn a_ticket_names_its_holder_and_the_one_stream_that_it_opens(world: World) {
        let server = start(&world).await;
        let verifier = token::verifier(&world, &server);
        for role in [Role::Admin, Role::Technician, Role::Viewer] {
            let known = world.issuer.claims("somebody", role);
            let user = User { id: known.sub.clone(), token: world.issuer.sign(&known) };

            for path in ["/api/data/watch", "/api/data/watch/"] {
                let ticket = ticket(&server, &user, path).await.unwrap();

                let (claims, named) = verifier.verify_ticket(&ticket.ticket, WATCH).await.unwrap();
                assert_eq!((claims.sub, claims.sid, named), (known.sub.clone(), known.sid.clone(), role));
                assert_eq!(claims.exp - claims.iat, i64::from(ticket.expires_in));
                assert!(verifier.verify(&ticket.ticket).await.is_err(), "it is no access token");
            }
        }
    }

    async fn what_is_no_stream_has_no_ticket(world: World) {
        let server = start(&world).await;
        let user = world.user(Role::Admin);
        for path in ["/api/tasks", "/api/data/watch?x=1", "api/data/watch", "/api/data/watch//", WATCH] {
            let refused = ticket(&server, &user, path).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{path}");
            let violations = refused.get_details_bad_request().unwrap().field_violations;
            assert_eq!(violations[0].field, "path", "{path}");
        }
        for role in [Role::Device, Role::Service] {
            let refused = ticket(&server, &world.user(role), "/api/data/watch").await.unwrap_err();
            assert_eq!(refused.code(), Code::PermissionDenied);
        }
    }
}
