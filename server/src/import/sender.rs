//! Sends readings, as often as it takes.

use kit::peer::Peer;
use proto::telemetry::v1::{
    BatchCreateReadingsRequest, BatchCreateReadingsResponse, Reading, RefusedReading,
    telemetry_service_client::TelemetryServiceClient,
};
use tonic::Status;

use super::{
    problem::Problem,
    rows::{Columns, Row},
};
use crate::session::{Session, patiently};

/// Sends rows as readings of one metric of one piece of equipment.
pub struct Sender {
    pub telemetry: TelemetryServiceClient<Peer>,
    pub session: Session,
    pub equipment_id: String,
    pub metric: String,
    pub columns: Columns,
}

impl Sender {
    /// Sends `rows` until the service has answered; what it refused comes back as problems of their lines. A reading
    /// that is sent again doubles nothing.
    ///
    /// # Errors
    ///
    /// The service refuses the whole, or was away too long.
    pub async fn send(&mut self, rows: &[Row]) -> Result<Vec<Problem>, Status> {
        let answer = patiently(async || self.try_send(rows).await).await?;
        Ok(self.problems(rows, answer))
    }

    async fn try_send(&mut self, rows: &[Row]) -> Result<BatchCreateReadingsResponse, Status> {
        let readings = rows.iter().map(|row| self.reading(row)).collect();
        let request = self
            .session
            .request(BatchCreateReadingsRequest { readings, ..Default::default() })
            .await?;
        Ok(self.telemetry.batch_create_readings(request).await?.into_inner())
    }

    fn reading(&self, row: &Row) -> Reading {
        Reading {
            id: String::new(),
            equipment_id: self.equipment_id.clone(),
            recorded_at: Some(row.at.into()),
            metrics: [(self.metric.clone(), row.value)].into(),
        }
    }

    fn problems(&self, rows: &[Row], answer: BatchCreateReadingsResponse) -> Vec<Problem> {
        let line = |index| Some(rows.get(usize::try_from(index).ok()?)?.line);
        let problem = |refused: RefusedReading| Problem {
            line: line(refused.index).unwrap_or_default(),
            column: self.column(&refused.field).to_owned(),
            reason: refused.message,
        };
        answer.refused.into_iter().map(problem).collect()
    }

    /// The column that a reading's field came from; the field, if from none.
    fn column<'a>(&'a self, field: &'a str) -> &'a str {
        match field {
            "recorded_at" => &self.columns.time,
            _ if field.starts_with("metrics") => &self.columns.value,
            _ => field,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use kit::Timestamp;
    use proto::equipment::v1::{
        CreateEquipmentRequest, Equipment, equipment_service_client::EquipmentServiceClient,
    };
    use tonic::Code;
    use tower::ServiceExt;

    use super::*;
    use crate::testing;

    /// Answers `status` to the first calls and leaves the others to `peer`.
    fn away(peer: &Peer, calls: usize, status: Code) -> (Peer, Arc<AtomicUsize>) {
        let (peer, count) = (peer.clone(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&count);
        let service = tower::service_fn(move |request| {
            let (peer, call) = (peer.clone(), counted.fetch_add(1, Ordering::SeqCst));
            async move {
                if call < calls {
                    return Err(Status::new(status, "away"));
                }
                peer.oneshot(request).await
            }
        });
        (Peer::new(service), count)
    }

    async fn sender(suite: &crate::Running, telemetry: Peer) -> Sender {
        let mut session = testing::admin(suite.peers().auth.clone()).await;
        let pump = Some(Equipment { name: "Pump".into(), ..Default::default() });
        let message = CreateEquipmentRequest { equipment: pump, ..Default::default() };
        let request = session.request(message).await.unwrap();
        let mut client = EquipmentServiceClient::new(suite.peers().equipment.clone());
        let equipment_id = client.create_equipment(request).await.unwrap().into_inner().id;
        Sender {
            telemetry: TelemetryServiceClient::new(telemetry),
            session,
            equipment_id,
            metric: "temperature".into(),
            columns: Columns { time: "time".into(), value: "value".into() },
        }
    }

    fn row() -> Row {
        Row { line: 2, at: Timestamp::from_micros(0), value: 1.0 }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn rows_are_sent_again_while_the_service_is_away_or_full() {
        for status in [Code::Unavailable, Code::ResourceExhausted] {
            let (suite, _, _folder) = testing::suite().await;
            let (telemetry, count) = away(&suite.peers().telemetry, 2, status);
            let mut sender = sender(&suite, telemetry).await;

            assert_eq!(sender.send(&[row()]).await.unwrap(), []);
            assert_eq!(count.load(Ordering::SeqCst), 3);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn rows_that_are_refused_as_a_whole_are_not_sent_again() {
        let (suite, _, _folder) = testing::suite().await;
        let (telemetry, count) = away(&suite.peers().telemetry, 1, Code::PermissionDenied);
        let mut sender = sender(&suite, telemetry).await;

        let status = sender.send(&[row()]).await.unwrap_err();

        assert_eq!(status.code(), Code::PermissionDenied);
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}
