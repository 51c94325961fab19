//! The demo's machines in the register, and the rules that watch them. What an earlier start made is found again.

use std::collections::HashMap;

use kit::peer::Peers;
use proto::{
    equipment::v1::{
        CreateEquipmentRequest, Equipment, ListEquipmentRequest, equipment::Criticality,
        equipment::Status as EquipmentStatus, equipment_service_client::EquipmentServiceClient,
    },
    telemetry::v1::{
        CreateRuleRequest, ListRulesRequest, Rule, alert::Severity,
        rule_service_client::RuleServiceClient,
    },
};
use tonic::{Code, Status};

use super::kind::{MODELS, Model};
use crate::session::Session;

/// The attribute that makes equipment the demo's own.
const MARK: (&str, &str) = ("demo", "true");
const PAGE: i32 = 1000;

/// A machine of the demo that is in the register.
#[derive(Clone, Debug)]
pub struct Asset {
    pub id: String,
    pub model: &'static Model,
    /// Its place in [`MODELS`].
    pub index: usize,
}

/// Finds or registers every machine and its rule. A machine whose serial number belongs to other equipment, or that
/// was taken out of service, is left out.
///
/// # Errors
///
/// A service refuses or is away.
pub async fn set_up(chief: &mut Session, peers: &Peers) -> Result<Vec<Asset>, Status> {
    let registered = registered(chief, peers).await?;
    let mut assets = Vec::new();
    for (index, model) in MODELS.iter().enumerate() {
        let id = match registered.get(model.serial_number) {
            Some(found) if found.status() == EquipmentStatus::Decommissioned => None,
            Some(found) => Some(found.id.clone()),
            None => register(chief, peers, model).await?,
        };
        if let Some(id) = id {
            assets.push(Asset { id, model, index });
        } else {
            tracing::warn!(machine = model.name, "left out: its serial number is taken");
        }
    }
    watch(chief, peers, &assets).await?;
    Ok(assets)
}

/// The demo's own equipment, by serial number.
async fn registered(
    chief: &mut Session,
    peers: &Peers,
) -> Result<HashMap<String, Equipment>, Status> {
    let mut client = EquipmentServiceClient::new(peers.equipment.clone());
    let mut message =
        ListEquipmentRequest { page_size: PAGE, show_deleted: true, ..Default::default() };
    let mut all = HashMap::new();
    loop {
        let request = chief.request(message.clone()).await?;
        let page = client.list_equipment(request).await?.into_inner();
        let ours = page.equipment.into_iter().filter(is_ours);
        all.extend(ours.map(|equipment| (equipment.serial_number.clone(), equipment)));
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        message.page_token = page.next_page_token;
    }
}

fn is_ours(equipment: &Equipment) -> bool {
    equipment.attributes.get(MARK.0).is_some_and(|value| value == MARK.1)
}

/// Registers a machine; none if its serial number is taken.
async fn register(
    chief: &mut Session,
    peers: &Peers,
    model: &Model,
) -> Result<Option<String>, Status> {
    let equipment = Equipment {
        name: model.name.into(),
        r#type: model.kind.name.into(),
        manufacturer: model.kind.manufacturer.into(),
        serial_number: model.serial_number.into(),
        location: model.location.into(),
        criticality: Criticality::High.into(),
        notes: "A machine of the demo: it lives while `flightline demo` runs.".into(),
        attributes: [(MARK.0.to_owned(), MARK.1.to_owned())].into(),
        ..Default::default()
    };
    let request = CreateEquipmentRequest { equipment: Some(equipment), ..Default::default() };
    let request = chief.request(request).await?;
    match EquipmentServiceClient::new(peers.equipment.clone()).create_equipment(request).await {
        Err(status) if status.code() == Code::AlreadyExists => Ok(None),
        answer => Ok(Some(answer?.into_inner().id)),
    }
}

/// Makes the rules that are not there yet.
async fn watch(chief: &mut Session, peers: &Peers, assets: &[Asset]) -> Result<(), Status> {
    let rules = rules(chief, peers).await?;
    let mut client = RuleServiceClient::new(peers.telemetry.clone());
    for asset in assets {
        let rule = rule(asset);
        let is_watched = rules
            .iter()
            .any(|other| other.equipment_id == rule.equipment_id && other.metric == rule.metric);
        if !is_watched {
            let message = CreateRuleRequest { rule: Some(rule), request_id: String::new() };
            let request = chief.request(message).await?;
            client.create_rule(request).await?;
        }
    }
    Ok(())
}

async fn rules(chief: &mut Session, peers: &Peers) -> Result<Vec<Rule>, Status> {
    let mut client = RuleServiceClient::new(peers.telemetry.clone());
    let mut message = ListRulesRequest { page_size: PAGE, ..Default::default() };
    let mut all = Vec::new();
    loop {
        let request = chief.request(message.clone()).await?;
        let page = client.list_rules(request).await?.into_inner();
        all.extend(page.rules);
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        message.page_token = page.next_page_token;
    }
}

/// For this machine alone: a rule for its type would also watch what is not the demo's.
fn rule(asset: &Asset) -> Rule {
    let limit = &asset.model.kind.rule;
    Rule {
        name: format!("{}: {}", asset.model.name, limit.name.to_lowercase()),
        equipment_id: Some(asset.id.clone()),
        metric: limit.metric.into(),
        condition: limit.condition.into(),
        threshold: Some(limit.threshold),
        deadband: limit.deadband,
        severity: Severity::Critical.into(),
        open_task: true,
        guidance: limit.guidance.into(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use kit::Clock;

    use super::*;
    use crate::{Config, Running, demo::people::People, testing::suite};

    async fn chief(running: &Running, config: &Config) -> Session {
        let people = People::set_up(&config.db, &Clock::system(), running.peers()).await;
        people.unwrap().chief
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn another_start_finds_its_machines_and_rules() {
        let (running, config, _folder) = suite().await;
        let peers = running.peers();
        let ids = |assets: Vec<Asset>| assets.into_iter().map(|asset| asset.id).collect::<Vec<_>>();

        let first = ids(set_up(&mut chief(&running, &config).await, peers).await.unwrap());
        let mut chief = chief(&running, &config).await;
        let second = ids(set_up(&mut chief, peers).await.unwrap());

        assert_eq!((first.len(), &first), (MODELS.len(), &second));
        assert_eq!(rules(&mut chief, peers).await.unwrap().len(), MODELS.len());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn equipment_without_the_demos_mark_is_left_alone() {
        let (running, config, _folder) = suite().await;
        let peers = running.peers();
        let mut chief = chief(&running, &config).await;
        let real = Equipment {
            name: "Not a toy".into(),
            serial_number: MODELS[0].serial_number.into(),
            ..Default::default()
        };
        let message = CreateEquipmentRequest { equipment: Some(real), ..Default::default() };
        let request = chief.request(message).await.unwrap();
        let mut client = EquipmentServiceClient::new(peers.equipment.clone());
        let real = client.create_equipment(request).await.unwrap().into_inner();

        let assets = set_up(&mut chief, peers).await.unwrap();

        assert_eq!(assets.len(), MODELS.len() - 1);
        assert!(!assets.iter().any(|asset| asset.id == real.id));
        let rules = rules(&mut chief, peers).await.unwrap();
        assert!(!rules.iter().any(|rule| rule.equipment_id() == real.id));
    }
}
