//! A rolling restart: every replica of every part is stopped and started again, one after the other, while others call. Who
//! retries as docs/api/README.md says meets no failure; what was acknowledged is there, and nothing is there twice.

mod load;
mod patient;

use flightline::{Config, Part, Running};
use testkit::{Engine, World, free_port};
use tokio_util::sync::CancellationToken;

use self::load::Load;
use crate::site::{self, PASSWORD, SERVICES, Site};

/// Two replicas of every part on one database, at addresses that stay.
struct Fleet {
    replicas: Vec<Replica>,
    world: World,
}

struct Replica {
    part: Part,
    config: Config,
    running: Option<Running>,
}

impl Fleet {
    async fn start(world: World) -> Self {
        let services = SERVICES.map(|part| (part, [free_port(), free_port()]));
        let neighbours = services.map(|(part, ports)| (part, ports.map(site::url).join(",")));
        let gateways = (Part::Gateway, [free_port(), free_port()]);
        let mut fleet = Self { replicas: Vec::new(), world };
        for (part, ports) in services.into_iter().chain([gateways]) {
            for port in ports {
                let mut config = site::config(&fleet.world, &neighbours);
                config.grpc.grpc_listen.set_port(port);
                config.gateway.http_listen = Some(([127, 0, 0, 1], port).into());
                fleet.replicas.push(Replica::start(part, config).await);
            }
        }
        fleet
    }

    /// The addresses of the gateways.
    fn gateways(&self) -> Vec<String> {
        let running = self.replicas.iter().filter_map(|replica| replica.running.as_ref());
        running.filter_map(Running::http_url).collect()
    }
}

impl Replica {
    async fn start(part: Part, config: Config) -> Self {
        let mut replica = Self { part, config, running: None };
        replica.start_again().await;
        replica
    }

    async fn start_again(&mut self) {
        let (config, shutdown) = (self.config.clone(), CancellationToken::new());
        self.running = Some(Running::start(config, Some(self.part), shutdown).await.unwrap());
    }

    /// As after `SIGTERM`. That it ends well means that all calls under way were finished in the time that they have.
    async fn stop(&mut self) {
        self.running.take().unwrap().stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_replica_is_replaced_under_load_without_a_failed_call() {
    let mut fleet = Fleet::start(World::new(Engine::Postgres).await).await;
    let load = Load::begin(&fleet.gateways(), PASSWORD).await;

    for replica in &mut fleet.replicas {
        load.goes_on().await;
        replica.stop().await;
        load.goes_on().await;
        replica.start_again().await;
    }
    load.goes_on().await;

    load.end().await;
}

mod every_replica_is_replaced_under_load {
    use std::process::Command;

    use super::*;

    /// `FLIGHTLINE_E2E_RESTART` is a command that restarts all replicas, one after the other.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "wants a deployed suite: make compose-test"]
    async fn deployed() {
        let site = Site::deployed().await;
        let load = Load::begin(&site.grpc, &site.password).await;
        load.goes_on().await;

        let command = site::setting("FLIGHTLINE_E2E_RESTART");
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", &command]);
        let output = tokio::task::spawn_blocking(move || shell.output()).await.unwrap().unwrap();

        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {said}");
        load.goes_on().await;
        load.end().await;
    }
}
