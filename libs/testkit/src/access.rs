//! Knocks at every method of a service with every role.

use kit::access::Role;
use proto::METHODS;
use tonic::{
    Code, Request, Status, client::Grpc, codegen::http::uri::PathAndQuery,
    service::interceptor::InterceptedService,
};
use tonic_prost::ProstCodec;

use crate::{Bearer, Server, World};

/// Checks that every method of `package` lets in the roles of its rule and nobody else, and that what is not a method is
/// refused. Whose the thing is that they ask for, the suite's own test of access looks at.
///
/// # Panics
///
/// A method lets in somebody that it should not, or the other way round.
pub async fn assert_access(world: &World, server: &Server, package: &str) {
    let methods = METHODS.iter().filter(|method| method.path.starts_with(&format!("/{package}.")));
    let mut count = 0;
    for method in methods {
        for role in Role::ALL {
            let bearer = Bearer::of(&world.user(*role));
            let code = knock(server, bearer, method.path).await;
            let may = method.public || method.door().any(|name| name == role.name());
            let refused = matches!(code, Code::PermissionDenied | Code::Unauthenticated);
            assert_eq!(may, !refused, "{} as {}: {code:?}", method.path, role.name());
        }
        let code = knock(server, Bearer::none(), method.path).await;
        assert_eq!(method.public, code != Code::Unauthenticated, "{}: {code:?}", method.path);
        count += 1;
    }
    assert_ne!(count, 0, "{package} has methods");

    let bearer = Bearer::of(&world.user(Role::Admin));
    let unlisted = format!("/{package}.NoService/NoMethod");
    assert_eq!(knock(server, bearer, &unlisted).await, Code::Unimplemented);
}

/// Calls `path` with an empty message. Whoever is let in is told at most that something is missing.
async fn knock(server: &Server, bearer: Bearer, path: &str) -> Code {
    let mut client = Grpc::new(InterceptedService::new(server.channel.clone(), bearer));
    client.ready().await.unwrap();
    let path: PathAndQuery = path.parse().unwrap();
    // The streaming form reads one answer or many.
    let answer = client.server_streaming(Request::new(()), path, ProstCodec::<(), ()>::default());
    answer.await.map_or_else(|status: Status| status.code(), |_| Code::Ok)
}
