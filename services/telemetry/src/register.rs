//! What this service knows of the equipment: a projection of the register, kept by watching it.
//!
//! Equipment that the projection doesn't know yet is asked of its owner before anything is refused, so that what the
//! register has acknowledged is accepted here at once.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use kit::{Error, Result, Suite, Timestamp};
use proto::equipment::v1::{
    Equipment, GetEquipmentRequest, WatchEquipmentRequest, equipment::Status,
    equipment_service_client::EquipmentServiceClient,
};
use tokio::sync::RwLock;
use tonic::Code;

use crate::domain::{reading::EquipmentId, rule::Rule};

/// How long to wait before the register is asked again after it failed.
const PAUSE: Duration = Duration::from_millis(500);

/// The projection.
pub struct Register {
    suite: Suite,
    entries: RwLock<HashMap<EquipmentId, Entry>>,
    /// Counts its changes.
    version: AtomicU64,
}

/// What matters here of one piece of equipment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its type.
    pub kind: Arc<str>,
    /// Whether it was not taken out of service for good.
    pub in_service: bool,
    /// Since when that is so, as far as is known.
    pub since: Timestamp,
    /// Counts its changes: news may come in another order.
    revision: i64,
}

/// Follows the register for as long as the process runs.
pub fn follow(suite: &Suite) -> Arc<Register> {
    let register = Arc::new(Register {
        suite: suite.clone(),
        entries: RwLock::default(),
        version: AtomicU64::new(0),
    });
    suite.spawn({
        let register = Arc::clone(&register);
        async move {
            let mut token = String::new();
            loop {
                if let Err(error) = register.watch(&mut token).await {
                    tracing::debug!(%error, "the register can't be watched");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    });
    register
}

impl Register {
    /// What is known of `id`; `None` if there is no such equipment.
    ///
    /// # Errors
    ///
    /// It isn't known here and its owner is away.
    pub async fn find(&self, id: EquipmentId) -> Result<Option<Entry>> {
        if let Some(entry) = self.entries.read().await.get(&id) {
            return Ok(Some(entry.clone()));
        }
        let request =
            self.suite.identity.request(GetEquipmentRequest { id: id.to_string() }).await?;
        let mut client = EquipmentServiceClient::new(self.suite.peers.equipment.clone());
        match client.get_equipment(request).await {
            Ok(answer) => Ok(self.keep(&answer.into_inner()).await),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            // Whatever it refuses it refuses this service, not the caller.
            Err(status) => {
                tracing::warn!(%status, "the register can't be asked");
                Err(Error::Unavailable("the register of equipment is away"))
            }
        }
    }

    /// What is known of `ids` here, and those that are not known here.
    pub async fn known(
        &self,
        ids: HashSet<EquipmentId>,
    ) -> (HashMap<EquipmentId, Entry>, Vec<EquipmentId>) {
        let entries = self.entries.read().await;
        let (mut known, mut unknown) = (HashMap::with_capacity(ids.len()), Vec::new());
        for id in ids {
            match entries.get(&id) {
                Some(entry) => drop(known.insert(id, entry.clone())),
                None => unknown.push(id),
            }
        }
        (known, unknown)
    }

    /// Checks that the equipment that came in as `field` is there and in service.
    ///
    /// # Errors
    ///
    /// It isn't, or as above.
    pub async fn check(&self, field: &str, id: EquipmentId) -> Result<()> {
        check(field, self.find(id).await?.as_ref())
    }

    /// The type of `id`, if it is in service and known here: whoever sent readings of it has [found](Self::find) it before.
    pub async fn kind(&self, id: EquipmentId) -> Option<Arc<str>> {
        let entries = self.entries.read().await;
        entries.get(&id).filter(|entry| entry.in_service).map(|entry| Arc::clone(&entry.kind))
    }

    /// Since when `id` has its type and is in service, as far as that is known; long since, if it isn't.
    pub async fn since(&self, id: EquipmentId) -> Timestamp {
        self.entry(id).await.map_or(Timestamp::MIN, |entry| entry.since)
    }

    /// Counts the changes of what is known here.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// What is known here of `id`; nobody else is asked.
    pub async fn entry(&self, id: EquipmentId) -> Option<Entry> {
        self.entries.read().await.get(&id).cloned()
    }

    /// The equipment in service that `rule` looks at, as far as it is known here.
    pub async fn covered(&self, rule: &Rule) -> Vec<EquipmentId> {
        let entries = self.entries.read().await;
        let covers =
            |id: &EquipmentId, entry: &Entry| entry.in_service && rule.covers(*id, &entry.kind);
        if let Some(id) = rule.equipment_id {
            return entries
                .get(&id)
                .filter(|entry| covers(&id, entry))
                .map(|_| id)
                .into_iter()
                .collect();
        }
        entries.iter().filter(|(id, entry)| covers(id, entry)).map(|(id, _)| *id).collect()
    }

    async fn watch(&self, token: &mut String) -> Result<()> {
        let request = WatchEquipmentRequest { resume_token: token.clone() };
        let request = self.suite.identity.request(request).await?;
        let mut client = EquipmentServiceClient::new(self.suite.peers.equipment.clone());
        let mut stream = client.watch_equipment(request).await?.into_inner();
        while let Some(message) = stream.message().await? {
            if let Some(equipment) = &message.equipment {
                self.keep(equipment).await;
            }
            if !message.resume_token.is_empty() {
                *token = message.resume_token;
            }
        }
        Ok(())
    }

    /// Takes in what is heard of a piece of equipment, unless that is older than what is known.
    pub async fn keep(&self, equipment: &Equipment) -> Option<Entry> {
        let id = EquipmentId::parse("id", &equipment.id).ok()?;
        let in_service = equipment.status() != Status::Decommissioned;
        let revision = equipment.etag.parse().unwrap_or_default();
        let since = Timestamp::parse_optional("updated_at", equipment.updated_at.as_ref()).ok()?;
        let since = since.unwrap_or(Timestamp::from_micros(0));
        let mut entry =
            Entry { kind: equipment.r#type.as_str().into(), in_service, since, revision };
        let mut entries = self.entries.write().await;
        if let Some(known) = entries.get(&id) {
            if entry.revision <= known.revision {
                return Some(known.clone());
            }
            if (&known.kind, known.in_service) == (&entry.kind, entry.in_service) {
                entry.since = known.since;
            }
        }
        entries.insert(id, entry.clone());
        self.version.fetch_add(1, Ordering::Release);
        Some(entry)
    }
}

/// Checks that the equipment that came in as `field`, and of which this is known, is there and in service.
///
/// # Errors
///
/// It isn't.
pub fn check(field: &str, entry: Option<&Entry>) -> Result<()> {
    match entry {
        Some(entry) if entry.in_service => Ok(()),
        Some(_) => Err(Error::invalid(field, "is decommissioned")),
        None => Err(Error::invalid(field, "there is no such equipment")),
    }
}
