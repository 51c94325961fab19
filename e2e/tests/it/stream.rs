//! What goes on ends with the credential that began it.

use std::time::Duration;

use proto::telemetry::v1::{
    Reading, StreamReadingsRequest, telemetry_service_client::TelemetryServiceClient,
};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, transport::Endpoint};

use crate::rest::{Rest, text};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The last that is told on a stream of JSON lines.
async fn last_line(mut stream: Response) -> Value {
    let mut text = String::new();
    while let Some(chunk) = timeout(PATIENCE, stream.chunk()).await.expect("it ends").unwrap() {
        text.push_str(str::from_utf8(&chunk).unwrap());
    }
    serde_json::from_str(text.lines().last().unwrap_or("null")).unwrap()
}

/// A machine's equipment, its key, and the path of that.
async fn machine(chief: &Rest) -> (String, String, String) {
    let pump =
        text(&chief.post("/api/equipment", &json!({ "name": "Pump" })).await.created(), "id");
    let key = json!({ "name": "Pump's sensor", "equipment_ids": [pump] });
    let key = chief.post("/api/keys", &key).await.with(StatusCode::CREATED);
    (pump, text(&key, "secret"), format!("/api/keys/{}", text(&key, "id")))
}

crate::everywhere! {
    async fn a_watch_ends_with_the_session_of_its_watcher(site: Site) {
        let (ana, ben) = (site.technician("ana").await, site.technician("ben").await);
        let watch = ana.watch("/api/data/watch").await;
        let mut stays = ben.watch("/api/data/watch").await;

        // A body is ignored.
        let out = ana.send(Method::POST, "/api/logout/", Some(&json!([{ "all": 1 }])), &[]).await;
        out.with(StatusCode::NO_CONTENT);

        let last = last_line(watch).await;
        assert_eq!(last["error"]["reason"], "UNAUTHENTICATED", "{last}");
        let goes_on = timeout(Duration::ZERO, stays.chunk()).await;
        assert!(!matches!(goes_on, Ok(Ok(None) | Err(_))), "{goes_on:?}");
    }

    async fn no_batch_is_taken_on_a_stream_whose_key_is_deleted(site: Site) {
        let chief = site.admin().await;
        let (pump, secret, path) = machine(&chief).await;
        let channel = Endpoint::from_shared(site.grpc.last().unwrap().clone()).unwrap();
        let mut client = TelemetryServiceClient::new(channel.connect().await.unwrap());
        let (sender, batches) = mpsc::channel(1);
        let mut request = Request::new(ReceiverStream::new(batches));
        request.metadata_mut().insert("authorization", format!("Bearer {secret}").parse().unwrap());
        let batch = || {
            let metrics = [("temperature".to_owned(), 1.0)].into();
            let reading = Reading { equipment_id: pump.clone(), metrics, ..Reading::default() };
            StreamReadingsRequest { readings: vec![reading] }
        };
        sender.send(batch()).await.unwrap();
        let mut answers = client.stream_readings(request).await.unwrap().into_inner();
        assert_eq!(answers.message().await.unwrap().unwrap().accepted, 1);

        let deleted = chief.send(Method::DELETE, &path, None, &[]).await;
        let ended = Instant::now();
        deleted.with(StatusCode::NO_CONTENT);

        let end = loop {
            let sent = ended.elapsed();
            // It may have ended already.
            let _ = sender.send(batch()).await;
            match timeout(PATIENCE, answers.message()).await.expect("it is answered") {
                Ok(answer) => assert!(sent < site.grace(), "{answer:?} to what was sent {sent:?} after"),
                Err(end) => break end,
            }
        };
        assert_eq!(end.code(), Code::Unauthenticated, "{end}");
    }
}
