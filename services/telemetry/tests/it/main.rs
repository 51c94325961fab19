//! The telemetry service, seen through its API, with its real neighbours.
#![expect(clippy::unwrap_used, reason = "what a test doesn't expect should stop it")]

mod access;
mod alert;
mod history;
mod order;
mod reading;
mod replica;
mod rule;
mod series;
mod session;
mod silence;
mod start;
mod task;

use std::time::Duration;

use kit::{Timestamp, access::Role, peer::Place};
use proto::{
    equipment::v1::{
        CreateEquipmentRequest, Equipment, equipment_service_client::EquipmentServiceClient,
    },
    maintenance::v1::task_service_client::TaskServiceClient,
    telemetry::v1::{
        Alert, BatchCreateReadingsRequest, BatchCreateReadingsResponse, CreateReadingRequest,
        CreateRuleRequest, ListAlertsRequest, Reading, Rule,
        alert_service_client::AlertServiceClient, rule::Condition,
        rule_service_client::RuleServiceClient, telemetry_service_client::TelemetryServiceClient,
    },
};
use testkit::{Bearer, Server, User, World};
use tonic::{
    Response, Status,
    service::{Routes, interceptor::InterceptedService},
    transport::Channel,
};
use tonic_types::StatusExt;

type Client = InterceptedService<Channel, Bearer>;

/// The suite that a test speaks to.
struct Suite {
    world: World,
    equipment: Server,
    maintenance: Server,
    telemetry: Server,
    admin: User,
}

impl Suite {
    async fn start(world: World) -> Self {
        Self::start_as(&telemetry::Config::default(), world).await
    }

    async fn start_as(config: &telemetry::Config, world: World) -> Self {
        let maintenance = maintenance(&world, &world.places.maintenance).await;
        Self::start_beside(config, world, maintenance).await
    }

    /// Starts beside a maintenance service that is there.
    async fn start_beside(config: &telemetry::Config, world: World, maintenance: Server) -> Self {
        let (db, suite, places) = (&world.db, &world.suite, &world.places);
        let mut routes = Routes::builder();
        equipment::start(db, suite, &mut routes).await.unwrap();
        let equipment = world.serve(routes.routes(), &places.equipment).await;
        let mut routes = Routes::builder();
        telemetry::start(config, db, suite, &mut routes).await.unwrap();
        let telemetry = world.serve(routes.routes(), &places.telemetry).await;
        let admin = world.user(Role::Admin);
        Self { world, equipment, maintenance, telemetry, admin }
    }

    fn readings(&self) -> TelemetryServiceClient<Client> {
        TelemetryServiceClient::new(self.telemetry.by(&self.admin))
    }

    fn rules(&self) -> RuleServiceClient<Client> {
        RuleServiceClient::new(self.telemetry.by(&self.admin))
    }

    fn alerts(&self) -> AlertServiceClient<Client> {
        AlertServiceClient::new(self.telemetry.by(&self.admin))
    }

    fn tasks(&self) -> TaskServiceClient<Client> {
        TaskServiceClient::new(self.maintenance.by(&self.admin))
    }

    /// Registers a machine and answers its id.
    async fn machine(&self, kind: &str) -> String {
        let mut client = EquipmentServiceClient::new(self.equipment.by(&self.admin));
        let equipment = Equipment { name: "M".into(), r#type: kind.into(), ..Default::default() };
        let request = CreateEquipmentRequest { equipment: Some(equipment), ..Default::default() };
        client.create_equipment(request).await.unwrap().into_inner().id
    }

    /// Makes a rule; a moment passes before the next reading.
    async fn rule(&self, rule: Rule) -> Rule {
        let request = CreateRuleRequest { rule: Some(rule), ..Default::default() };
        let rule = self.rules().create_rule(request).await.unwrap().into_inner();
        self.world.clock.advance(Duration::from_millis(1));
        rule
    }

    async fn send(&self, reading: Reading) -> Result<Response<Reading>, Status> {
        let request = CreateReadingRequest { reading: Some(reading), ..Default::default() };
        self.readings().create_reading(request).await
    }

    async fn send_all(&self, readings: Vec<Reading>) -> BatchCreateReadingsResponse {
        let request = BatchCreateReadingsRequest { readings, ..Default::default() };
        self.readings().batch_create_readings(request).await.unwrap().into_inner()
    }

    async fn all_alerts(&self) -> Vec<Alert> {
        let request = ListAlertsRequest { page_size: 1000, ..Default::default() };
        self.alerts().list_alerts(request).await.unwrap().into_inner().alerts
    }
}

/// A maintenance service, which others find at `place`.
async fn maintenance(world: &World, place: &Place) -> Server {
    let mut routes = Routes::builder();
    maintenance::start(&world.db, &world.suite, &mut routes).await.unwrap();
    world.serve(routes.routes(), place).await
}

/// A rule on the temperature of one machine.
fn below(equipment_id: &str, threshold: f64, deadband: f64) -> Rule {
    Rule {
        name: "Too cold".into(),
        equipment_id: Some(equipment_id.into()),
        metric: "temperature".into(),
        condition: Condition::Below.into(),
        threshold: Some(threshold),
        deadband,
        open_task: true,
        ..Default::default()
    }
}

/// The field that a refusal names first.
fn field(status: &Status) -> String {
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations[0].field.clone()
}

/// A temperature `seconds` after the epoch.
fn temperature(equipment_id: &str, seconds: i64, value: f64) -> Reading {
    Reading {
        equipment_id: equipment_id.into(),
        recorded_at: Some(Timestamp::from_micros(seconds * 1_000_000).into()),
        metrics: [("temperature".to_owned(), value)].into(),
        ..Default::default()
    }
}
