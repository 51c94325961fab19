//! The state of this process's services, by gRPC's health protocol: they serve while their databases answer, and while auth
//! doesn't refuse to know the process. One that can't prove itself can't tell who its callers are.

use tokio_util::sync::CancellationToken;
use tonic::service::RoutesBuilder;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{databases::Databases, token::Proof};

/// Keeps what health checks are told true.
pub struct Health {
    reporter: HealthReporter,
    services: Vec<&'static str>,
    databases: Databases,
    proof: Proof,
}

impl Health {
    /// Adds health checks to `routes`: of the process as a whole, which has no name, and of each of `services`, with and
    /// without the last part of its name. Until it is [told](Self::tell), none of them serves.
    pub async fn serve(
        routes: &mut RoutesBuilder,
        services: Vec<&'static str>,
        databases: Databases,
        proof: Proof,
    ) -> Self {
        let (reporter, service) = tonic_health::server::health_reporter();
        routes.add_service(service);
        let health = Self { reporter, services, databases, proof };
        health.report(|_| false).await;
        health
    }

    /// Tells how things stand.
    pub async fn tell(&self) {
        let states = self.databases.states().borrow().clone();
        let is_refused = self.proof.is_refused();
        let answers = |service: &str| match package(service) {
            Some(package) => states.get(package).is_none_or(|answers| *answers),
            None => states.values().all(|answers| *answers),
        };
        self.report(|service| !is_refused && answers(service)).await;
    }

    /// Tells of every change until the process is `asked` to stop, and of that.
    pub async fn keep(self, asked: CancellationToken) {
        let (mut states, mut refused) = (self.databases.states(), self.proof.refused());
        loop {
            self.tell().await;
            tokio::select! {
                Ok(()) = states.changed() => {}
                Ok(()) = refused.changed() => {}
                () = asked.cancelled() => break,
            }
        }
        self.report(|_| false).await;
    }

    async fn report(&self, serves: impl Fn(&str) -> bool) {
        let packages = self.services.iter().filter_map(|service| service.rsplit_once('.'));
        let packages = packages.map(|(package, _)| package);
        for name in packages.chain(self.services.iter().copied()).chain([""]) {
            let status =
                if serves(name) { ServingStatus::Serving } else { ServingStatus::NotServing };
            self.reporter.set_service_status(name, status).await;
        }
    }
}

/// `auth` in `flightline.auth.v1.AuthService`: the name of its database, too.
fn package(service: &str) -> Option<&str> {
    service.split('.').nth(1)
}
