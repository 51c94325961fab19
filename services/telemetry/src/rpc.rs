//! The wire: each method reads a request, asks `domain` and `store`, and writes an answer.

mod alert;
pub mod reading;
mod rule;
pub mod series;

use std::sync::Arc;

use futures_util::{StreamExt, stream::BoxStream};

use kit::{Call, Db, Suite, Timestamp, db::Conn};
use proto::telemetry::v1::{
    self as pb, alert_service_server::AlertService as AlertRpc,
    rule_service_server::RuleService as RuleRpc,
    telemetry_service_server::TelemetryService as TelemetryRpc,
};
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status, Streaming};

use crate::{domain::retention::Retention, ingest::Ingest, recent::Recent, register::Register};

/// What every method has at hand.
#[derive(Clone)]
pub struct Service {
    pub db: Db,
    pub suite: Suite,
    pub register: Arc<Register>,
    pub ingest: Arc<Ingest>,
    pub recent: Arc<Recent>,
    /// Who may test a rule now.
    pub tests: Arc<Semaphore>,
    pub retention: Arc<Retention>,
}

impl Service {
    /// A connection to read values on, and what is in no table yet, as of now.
    pub async fn read(&self) -> kit::Result<Conn> {
        let mut db = self.db.read().await?;
        self.recent.catch_up(&mut db).await?;
        Ok(db)
    }

    /// From when on values of `metric` are kept.
    pub fn begin(&self, metric: &str) -> Timestamp {
        self.retention.begin(metric, self.suite.clock.now())
    }
}

/// Rules that are tested at a time: readings come first.
pub const TESTS: usize = 4;

/// The table of contents. Every line is the same, so that only the bodies need reading.
#[tonic::async_trait]
impl TelemetryRpc for Service {
    async fn create_reading(
        &self,
        request: Request<pb::CreateReadingRequest>,
    ) -> Result<Response<pb::Reading>, Status> {
        Ok(reading::create(self, request.into()).await?)
    }

    async fn batch_create_readings(
        &self,
        request: Request<pb::BatchCreateReadingsRequest>,
    ) -> Result<Response<pb::BatchCreateReadingsResponse>, Status> {
        Ok(reading::batch::create(self, request.into()).await?.into())
    }

    type StreamReadingsStream = BoxStream<'static, Result<pb::StreamReadingsResponse, Status>>;

    async fn stream_readings(
        &self,
        request: Request<Streaming<pb::StreamReadingsRequest>>,
    ) -> Result<Response<Self::StreamReadingsStream>, Status> {
        let Call { caller, message, .. } = request.into();
        Ok(Response::new(reading::batch::stream(self, caller, message).boxed()))
    }

    async fn get_reading(
        &self,
        request: Request<pb::GetReadingRequest>,
    ) -> Result<Response<pb::Reading>, Status> {
        Ok(reading::get(self, request.into()).await?.into())
    }

    async fn list_readings(
        &self,
        request: Request<pb::ListReadingsRequest>,
    ) -> Result<Response<pb::ListReadingsResponse>, Status> {
        Ok(reading::list(self, request.into()).await?.into())
    }

    async fn update_reading(
        &self,
        request: Request<pb::UpdateReadingRequest>,
    ) -> Result<Response<pb::Reading>, Status> {
        Ok(reading::update(self, request.into()).await?.into())
    }

    async fn delete_reading(
        &self,
        request: Request<pb::DeleteReadingRequest>,
    ) -> Result<Response<()>, Status> {
        Ok(reading::delete(self, request.into()).await?.into())
    }

    async fn list_latest(
        &self,
        request: Request<pb::ListLatestRequest>,
    ) -> Result<Response<pb::ListLatestResponse>, Status> {
        Ok(reading::list_latest(self, request.into()).await?.into())
    }

    async fn query_series(
        &self,
        request: Request<pb::QuerySeriesRequest>,
    ) -> Result<Response<pb::QuerySeriesResponse>, Status> {
        Ok(series::query(self, request.into()).await?.into())
    }

    type WatchReadingsStream = reading::watch::WatchStream;

    async fn watch_readings(
        &self,
        request: Request<pb::WatchReadingsRequest>,
    ) -> Result<Response<Self::WatchReadingsStream>, Status> {
        Ok(reading::watch::watch(self, request.into()).await?.into())
    }
}

#[tonic::async_trait]
impl RuleRpc for Service {
    async fn create_rule(
        &self,
        request: Request<pb::CreateRuleRequest>,
    ) -> Result<Response<pb::Rule>, Status> {
        Ok(rule::create(self, request.into()).await?)
    }

    async fn get_rule(
        &self,
        request: Request<pb::GetRuleRequest>,
    ) -> Result<Response<pb::Rule>, Status> {
        Ok(rule::get(self, request.into()).await?.into())
    }

    async fn list_rules(
        &self,
        request: Request<pb::ListRulesRequest>,
    ) -> Result<Response<pb::ListRulesResponse>, Status> {
        Ok(rule::list(self, request.into()).await?.into())
    }

    async fn update_rule(
        &self,
        request: Request<pb::UpdateRuleRequest>,
    ) -> Result<Response<pb::Rule>, Status> {
        Ok(rule::update(self, request.into()).await?.into())
    }

    async fn delete_rule(
        &self,
        request: Request<pb::DeleteRuleRequest>,
    ) -> Result<Response<()>, Status> {
        Ok(rule::delete(self, request.into()).await?.into())
    }

    type TestRuleStream = rule::test::TestStream;

    async fn test_rule(
        &self,
        request: Request<pb::TestRuleRequest>,
    ) -> Result<Response<Self::TestRuleStream>, Status> {
        Ok(rule::test::test(self, request.into()).await?.into())
    }
}

#[tonic::async_trait]
impl AlertRpc for Service {
    async fn create_alert(
        &self,
        request: Request<pb::CreateAlertRequest>,
    ) -> Result<Response<pb::Alert>, Status> {
        Ok(alert::create(self, request.into()).await?)
    }

    async fn get_alert(
        &self,
        request: Request<pb::GetAlertRequest>,
    ) -> Result<Response<pb::Alert>, Status> {
        Ok(alert::get(self, request.into()).await?.into())
    }

    async fn list_alerts(
        &self,
        request: Request<pb::ListAlertsRequest>,
    ) -> Result<Response<pb::ListAlertsResponse>, Status> {
        Ok(alert::list(self, request.into()).await?.into())
    }

    async fn acknowledge_alert(
        &self,
        request: Request<pb::AcknowledgeAlertRequest>,
    ) -> Result<Response<pb::Alert>, Status> {
        Ok(alert::acknowledge(self, request.into()).await?.into())
    }

    async fn clear_alert(
        &self,
        request: Request<pb::ClearAlertRequest>,
    ) -> Result<Response<pb::Alert>, Status> {
        Ok(alert::clear(self, request.into()).await?.into())
    }

    async fn update_alert(
        &self,
        request: Request<pb::UpdateAlertRequest>,
    ) -> Result<Response<pb::Alert>, Status> {
        Ok(alert::update(self, request.into()).await?.into())
    }

    async fn delete_alert(
        &self,
        request: Request<pb::DeleteAlertRequest>,
    ) -> Result<Response<()>, Status> {
        Ok(alert::delete(self, request.into()).await?.into())
    }

    type WatchAlertsStream = alert::watch::WatchStream;

    async fn watch_alerts(
        &self,
        request: Request<pb::WatchAlertsRequest>,
    ) -> Result<Response<Self::WatchAlertsStream>, Status> {
        Ok(alert::watch::watch(self, request.into()).await?.into())
    }
}
