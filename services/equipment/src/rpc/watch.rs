//! Tells other services of every change of the register.

use kit::{
    Call, Result,
    changes::{self, Change, Position, Reader, Start},
    order::OrderedPage,
};
use proto::equipment::v1 as pb;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{Service, equipment::CHANGE};
use crate::store;

/// Messages on their way to the watcher.
pub type WatchStream = ReceiverStream<Result<pb::WatchEquipmentResponse, Status>>;

type Sender = mpsc::Sender<Result<pb::WatchEquipmentResponse, Status>>;

pub async fn watch(
    service: &Service,
    call: Call<pb::WatchEquipmentRequest>,
) -> Result<WatchStream> {
    let token = &call.message.resume_token;
    let start = changes::resume(&mut service.db.read().await?, "resume_token", token).await?;

    let (sender, receiver) = mpsc::channel(256);
    let (db, watcher) = (service.db.clone(), sender.clone());
    service.suite.spawn(async move {
        let sent = send(&db, &sender, start).await;
        if let Err(error) = sent {
            // The watcher may have gone; it resumes from the last token that it kept.
            let _ = watcher.send(Err(error.into())).await;
        }
    });
    Ok(ReceiverStream::new(receiver))
}

/// Sends all there is, unless the watcher resumes, and then every change until the watcher goes.
async fn send(db: &kit::Db, sender: &Sender, start: Start) -> Result<()> {
    if start.with_snapshot {
        send_all(db, sender, start.position).await?;
    }
    let mut reader = Reader::new(db, start.position);
    loop {
        let changes = tokio::select! {
            changes = reader.next() => changes?,
            () = sender.closed() => return Ok(()),
        };
        for change in changes.into_iter().filter(|change| change.kind == CHANGE) {
            if sender.send(Ok(message(&change)?)).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// Sends the whole register, and a message without equipment that says so.
async fn send_all(db: &kit::Db, sender: &Sender, start: Position) -> Result<()> {
    let filter = store::equipment::Filter::default();
    let page_after = |token: &str| OrderedPage::parse(db.seal(), &[], "", 1000, token, &());
    let mut page = page_after("")?;
    loop {
        let rows = store::equipment::list(&mut db.read().await?, &filter, &page).await?;
        let (all, next) = page.cut(rows, |equipment| equipment.id, pb::Equipment::from)?;
        for equipment in all {
            let equipment = Some(equipment);
            let message = pb::WatchEquipmentResponse { equipment, ..Default::default() };
            // A watcher that has gone is noticed by the caller.
            let _ = sender.send(Ok(message)).await;
        }
        if next.is_empty() {
            break;
        }
        page = page_after(&next)?;
    }
    let end = pb::WatchEquipmentResponse { equipment: None, resume_token: start.to_string() };
    let _ = sender.send(Ok(end)).await;
    Ok(())
}

fn message(change: &Change) -> Result<pb::WatchEquipmentResponse> {
    Ok(pb::WatchEquipmentResponse {
        equipment: Some(change.decode()?),
        resume_token: change.position.to_string(),
    })
}
