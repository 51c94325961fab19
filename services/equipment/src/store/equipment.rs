use kit::{
    Error, Page, Result,
    db::{Conn, Tx},
    error::OnConstraint,
    on, search,
};
use sqlx::QueryBuilder;

use crate::domain::equipment::{Equipment, EquipmentId, Status};

/// Which equipment to list: by default, all there ever was.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Text in the name, serial number, model or location, without regard to case.
    pub q: Option<String>,
    pub kind: Option<String>,
    pub status: Option<Status>,
    pub in_service: bool,
    pub location: Option<String>,
    pub parent_id: Option<EquipmentId>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select id, name, type, model, manufacturer, serial_number, location, parent_id,
                    status, criticality, installation_date, notes, attributes,
                    created_at, updated_at, revision
             from equipment ",
            $rest
        )
    };
}

pub async fn insert(tx: &mut Tx, equipment: &Equipment) -> Result<()> {
    on!(tx, c => sqlx::query(
            "insert into equipment (
                 id, name, type, model, manufacturer, serial_number, location, parent_id,
                 status, criticality, installation_date, notes, attributes, search,
                 created_at, updated_at, revision
             )
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        )
        .bind(equipment.id)
        .bind(&equipment.name)
        .bind(&equipment.kind)
        .bind(&equipment.model)
        .bind(&equipment.manufacturer)
        .bind(&equipment.serial_number)
        .bind(&equipment.location)
        .bind(equipment.parent_id)
        .bind(equipment.status)
        .bind(equipment.criticality)
        .bind(&equipment.installation_date)
        .bind(&equipment.notes)
        .bind(equipment.attributes.to_json())
        .bind(search::fold(&equipment.searched()))
        .bind(equipment.created_at)
        .bind(equipment.updated_at)
        .bind(equipment.revision)
        .execute(c).await.map(drop))
    .on_constraint(
        "equipment_serial_number_key",
        Error::AlreadyExists("serial_number is taken by other equipment"),
    )
}

pub async fn find(db: &mut Conn, id: EquipmentId) -> Result<Option<Equipment>> {
    Ok(on!(db, c => sqlx::query_as(select!("where id = $1")).bind(id).fetch_optional(c).await)?)
}

/// By id, which is by age.
pub async fn list(
    db: &mut Conn,
    filter: &Filter,
    page: &Page<EquipmentId>,
) -> Result<Vec<Equipment>> {
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(select!("where true"));
        if let Some(q) = &filter.q {
            query.push(" and search like ").push_bind(search::contains(q)).push(" escape '\\'");
        }
        if let Some(kind) = &filter.kind {
            query.push(" and type = ").push_bind(kind);
        }
        if let Some(status) = filter.status {
            query.push(" and status = ").push_bind(status);
        }
        if filter.in_service {
            query.push(" and status <> ").push_bind(Status::Decommissioned);
        }
        if let Some(location) = &filter.location {
            query.push(" and location = ").push_bind(location);
        }
        if let Some(parent_id) = filter.parent_id {
            query.push(" and parent_id = ").push_bind(parent_id);
        }
        if let Some(after) = page.after {
            query.push(" and id > ").push_bind(after);
        }
        query.push(" order by id limit ").push_bind(page.limit());
        query.build_query_as().fetch_all(c).await
    })?)
}
