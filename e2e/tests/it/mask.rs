//! Which fields an update changes: the contract says which methods take a mask, and each of them is asked to replace all.

use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MethodDescriptor};
use serde_json::{Value, json};
use testkit::{Engine, World};
use tonic::{
    Code, Request, Status, client::Grpc, codegen::http::uri::PathAndQuery, transport::Endpoint,
};
use tonic_prost::ProstCodec;

use crate::site::Site;

/// An id that nothing has.
const NOBODY: &str = "018f0000-0000-7000-8000-000000000000";

/// The methods that take a mask.
fn methods() -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
    let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    methods.filter(|method| method.input().get_field_by_name("update_mask").is_some()).collect()
}

/// The document's own example of what `method` takes as the resource `name`.
fn example(document: &Value, method: &MethodDescriptor) -> Value {
    let operations = document["paths"].as_object().unwrap().values();
    let mut updates = operations.map(|operations| &operations["put"]).filter(|operation| {
        let id = operation["operationId"].as_str().unwrap_or_default().to_lowercase();
        id.contains(&method.name().to_lowercase())
    });
    let update = updates.next().unwrap_or_else(|| panic!("{} is no PUT", method.full_name()));
    update["requestBody"]["content"]["application/json"]["example"].clone()
}

/// What comes of an update, with `mask`, of a resource that there isn't.
async fn update(
    site: &Site,
    token: &str,
    method: &MethodDescriptor,
    resource: &Value,
    mask: &str,
) -> Status {
    let field = method.input().fields().find(|field| {
        matches!(field.kind(), Kind::Message(kind) if kind.package_name().starts_with("flightline"))
    });
    let mut resource = resource.clone();
    resource["id"] = NOBODY.into();
    let message = json!({ field.unwrap().name(): resource, "update_mask": mask });
    let mut request = Request::new(DynamicMessage::deserialize(method.input(), message).unwrap());
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let path: PathAndQuery = path.parse().unwrap();

    let channel = Endpoint::from_shared(site.grpc[0].clone()).unwrap().connect_lazy();
    let mut client = Grpc::new(channel);
    client.ready().await.unwrap();
    let answer = client.unary(request, path, ProstCodec::<DynamicMessage, ()>::default()).await;
    answer.expect_err("there is no such thing")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_star_is_everything_to_every_update_and_no_mask_is_too() {
    let site = Site::whole(World::new(Engine::Sqlite).await).await;
    let admin = site.admin().await;
    let document = admin.get("/openapi.json").await.ok();

    let methods = methods();
    for method in &methods {
        let resource = example(&document, method);
        for (mask, code) in [
            ("", Code::NotFound),
            ("*", Code::NotFound),
            ("*,etag", Code::InvalidArgument),
            ("nothing", Code::InvalidArgument),
        ] {
            let status = update(&site, admin.token(), method, &resource, mask).await;
            assert_eq!(status.code(), code, "{} of {mask:?}: {status:?}", method.full_name());
        }
    }
    assert_eq!(methods.len(), 7);
}
