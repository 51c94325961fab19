//! A machine of which there is more of everything than a page holds.

use anyhow::Context;
use benches::Site;
use proto::{
    equipment::v1::{
        CreateEquipmentRequest, Equipment, UpdateEquipmentRequest, equipment::Status,
        equipment_service_client::EquipmentServiceClient,
    },
    maintenance::v1::{
        ClaimTaskRequest, Comment, CompleteTaskRequest, CreateCommentRequest, CreateTaskRequest,
        ReleaseTaskRequest, Task, task_service_client::TaskServiceClient,
    },
};

/// More than two full pages.
const MANY: usize = 2100;

/// What was made.
pub struct Busy {
    pub machine: String,
    /// One that much was said of and done to.
    pub task: String,
}

/// Makes it as everybody would: its parts, the history of its states, its tasks and their records, and a task that is talked about.
pub async fn make(site: &mut Site) -> anyhow::Result<Busy> {
    let machine = site.machine("Busy").await?;
    site.log_in().await?;
    let task = create(site, &machine).await?;
    for number in 0..MANY {
        if number % 100 == 0 {
            site.log_in().await?;
        }
        add_part(site, &machine).await?;
        let status = if number % 2 == 0 { Status::Down } else { Status::Operational };
        set_status(site, &machine, status).await?;
        let done = create(site, &machine).await?;
        let mut client = TaskServiceClient::new(site.peers().maintenance.clone());
        let complete = CompleteTaskRequest { id: done, ..Default::default() };
        client.complete_task(site.request(complete)?).await?;
        let comment = Some(Comment { text: "Look.".into(), ..Default::default() });
        let say = CreateCommentRequest { task_id: task.clone(), comment, ..Default::default() };
        client.create_comment(site.request(say)?).await?;
        let id = task.clone();
        if number % 2 == 0 {
            let claim = ClaimTaskRequest { id, ..Default::default() };
            client.claim_task(site.request(claim)?).await?;
        } else {
            let release = ReleaseTaskRequest { id, ..Default::default() };
            client.release_task(site.request(release)?).await?;
        }
    }
    Ok(Busy { machine, task })
}

async fn create(site: &Site, machine: &str) -> anyhow::Result<String> {
    let equipment_id = Some(machine.to_owned());
    let task = Task { title: "Look at it".into(), equipment_id, ..Default::default() };
    let request = CreateTaskRequest { task: Some(task), ..Default::default() };
    let mut client = TaskServiceClient::new(site.peers().maintenance.clone());
    Ok(client.create_task(site.request(request)?).await?.into_inner().id)
}

async fn add_part(site: &Site, machine: &str) -> anyhow::Result<()> {
    let parent_id = Some(machine.to_owned());
    // As much as other equipment has: a page of these costs what theirs do.
    let equipment = Equipment {
        name: "Part of the busy one".into(),
        r#type: "part".into(),
        model: "P 100".into(),
        manufacturer: "Works".into(),
        location: "Hall 3".into(),
        parent_id,
        ..Default::default()
    };
    let request = CreateEquipmentRequest { equipment: Some(equipment), ..Default::default() };
    let mut client = EquipmentServiceClient::new(site.peers().equipment.clone());
    client.create_equipment(site.request(request)?).await.context("a part")?;
    Ok(())
}

async fn set_status(site: &Site, machine: &str, status: Status) -> anyhow::Result<()> {
    let (id, status) = (machine.to_owned(), status.into());
    let equipment = Some(Equipment { id, status, ..Default::default() });
    let update_mask = Some(prost_types::FieldMask { paths: vec!["status".into()] });
    let request = UpdateEquipmentRequest { equipment, update_mask };
    let mut client = EquipmentServiceClient::new(site.peers().equipment.clone());
    client.update_equipment(site.request(request)?).await?;
    Ok(())
}
