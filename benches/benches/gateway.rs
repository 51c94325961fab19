//! CPU of a REST call to the same call over gRPC, in one process without sockets; fails beyond what was promised.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it found")]

use std::time::Duration;

use anyhow::ensure;
use benches::{Site, cpu_time};
use http::Request;
use http_body_util::BodyExt;
use proto::equipment::v1::{
    GetEquipmentRequest, ListEquipmentRequest, equipment_service_client::EquipmentServiceClient,
};
use tonic::body::Body;
use tower::ServiceExt;

const CALLS: u32 = 10_000;
const LISTS: u32 = 1_000;
const ROUNDS: u32 = 3;
/// Times the CPU of gRPC that REST may take.
const MOST_OF_ONE: f64 = 1.5;
const MOST_OF_LIST: f64 = 2.5;

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let site = Site::start().await?;
    let mut id = String::new();
    for number in 0..100 {
        id = site.machine(&format!("Pump {number}")).await?;
    }
    let one = format!("/api/equipment/{id}");
    compare(
        "GET one",
        MOST_OF_ONE,
        CALLS,
        async || grpc_one(&site, &id).await,
        async || rest(&site, &one).await,
    )
    .await?;
    let all = "/api/equipment?page_size=100";
    compare(
        "GET list of 100",
        MOST_OF_LIST,
        LISTS,
        async || grpc_list(&site).await,
        async || rest(&site, all).await,
    )
    .await
}

/// Prints the least CPU of a call either way, and the ratio, which may be `most`.
async fn compare(
    name: &str,
    most: f64,
    calls: u32,
    grpc: impl AsyncFn() -> anyhow::Result<()>,
    rest: impl AsyncFn() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (mut least_grpc, mut least_rest) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        least_grpc = least_grpc.min(cost(calls, &grpc).await?);
        least_rest = least_rest.min(cost(calls, &rest).await?);
    }
    let ratio = least_rest.as_secs_f64() / least_grpc.as_secs_f64();
    println!(
        "{name}: gRPC {least_grpc:?}, REST {least_rest:?} of CPU a call, ratio {ratio:.2}, at most {most}"
    );
    ensure!(ratio <= most, "{name} over REST costs {ratio:.2} times gRPC, more than {most}");
    Ok(())
}

async fn cost(calls: u32, call: &impl AsyncFn() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let before = cpu_time()?;
    for _ in 0..calls {
        call().await?;
    }
    Ok(cpu_time()?.saturating_sub(before) / calls)
}

async fn grpc_one(site: &Site, id: &str) -> anyhow::Result<()> {
    let mut client = EquipmentServiceClient::new(site.peers().equipment.clone());
    client.get_equipment(site.request(GetEquipmentRequest { id: id.into() })?).await?;
    Ok(())
}

async fn grpc_list(site: &Site) -> anyhow::Result<()> {
    let mut client = EquipmentServiceClient::new(site.peers().equipment.clone());
    let request = ListEquipmentRequest { page_size: 100, ..ListEquipmentRequest::default() };
    let list = client.list_equipment(site.request(request)?).await?.into_inner();
    ensure!(list.equipment.len() == 100, "a hundred machines");
    Ok(())
}

async fn rest(site: &Site, path: &str) -> anyhow::Result<()> {
    let request = Request::get(path).header("authorization", site.authorization());
    let response = site.gateway().oneshot(request.body(Body::empty())?).await?;
    ensure!(response.status() == 200, "{}", response.status());
    response.into_body().collect().await.map_err(|status| anyhow::anyhow!("{status}"))?;
    Ok(())
}
