use kit::{
    Error, Result,
    db::{Conn, Engine, Tx},
    error::OnConstraint,
    on,
    order::{By, Field, OrderedPage},
    search,
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

impl Filter {
    /// The column with an index of its own that the list is filtered by, where it is the only one, and what it has.
    fn lead(&self) -> Option<(&'static str, String)> {
        match self {
            Self { status: Some(_), .. } | Self { parent_id: Some(_), .. } => None,
            Self { kind: Some(kind), location: None, .. } => Some(("type", kind.clone())),
            Self { kind: None, location: Some(at), .. } => Some(("location", at.clone())),
            _ => None,
        }
    }
}

const SERIAL_NUMBER: &str = "equipment_serial_number_key";
const NUMBER_TAKEN: Error =
    Error::Taken { field: "serial_number", message: "serial_number is taken by other equipment" };

/// What a list can be ordered by. What has no installation date is ordered as if it had the earliest.
pub const ORDERS: &[Field<Equipment>] = &[
    Field { name: "name", sql: "name", value: By::Text(|equipment| equipment.name.clone()) },
    Field { name: "type", sql: "type", value: By::Text(|equipment| equipment.kind.clone()) },
    Field {
        name: "location",
        sql: "location",
        value: By::Text(|equipment| equipment.location.clone()),
    },
    Field {
        name: "status",
        sql: "status",
        value: By::Text(|equipment| equipment.status.name().to_owned()),
    },
    Field {
        name: "criticality",
        sql: "criticality_rank",
        value: By::Number(|equipment| equipment.criticality.rank()),
    },
    Field {
        name: "installation_date",
        sql: "installation_day",
        value: By::Text(|equipment| equipment.installation_day().to_owned()),
    },
    Field {
        name: "created_at",
        sql: "created_at",
        value: By::Number(|equipment| equipment.created_at.micros()),
    },
    Field {
        name: "updated_at",
        sql: "updated_at",
        value: By::Number(|equipment| equipment.updated_at.micros()),
    },
];

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
                 criticality_rank, installation_day, created_at, updated_at, revision
             )
             values (
                 $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19
             )",
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
        .bind(equipment.criticality.rank())
        .bind(equipment.installation_day())
        .bind(equipment.created_at)
        .bind(equipment.updated_at)
        .bind(equipment.revision)
        .execute(c).await.map(drop))
    .on_constraint(SERIAL_NUMBER, NUMBER_TAKEN)
}

pub async fn find(db: &mut Conn, id: EquipmentId) -> Result<Option<Equipment>> {
    Ok(on!(db, c => sqlx::query_as(select!("where id = $1")).bind(id).fetch_optional(c).await)?)
}

/// Nobody else changes the equipment until the transaction ends.
pub async fn lock(tx: &mut Tx, id: EquipmentId) -> Result<Option<Equipment>> {
    let equipment = match tx.engine() {
        // The transaction is the only one that writes.
        Engine::Sqlite(c) => {
            sqlx::query_as(select!("where id = $1")).bind(id).fetch_optional(c).await?
        }
        Engine::Postgres(c) => {
            sqlx::query_as(select!("where id = $1 for update")).bind(id).fetch_optional(c).await?
        }
    };
    Ok(equipment)
}

/// Nobody else changes what is part of what until the transaction ends, nor decommissions anything. Comes before any other lock.
pub async fn lock_tree(tx: &mut Tx) -> Result<()> {
    match tx.engine() {
        // Its transactions write one at a time anyway.
        Engine::Sqlite(_) => {}
        Engine::Postgres(c) => {
            sqlx::query("select pg_advisory_xact_lock($1)").bind(TREE).execute(c).await?;
        }
    }
    Ok(())
}

/// Names the lock among those of the database.
const TREE: i64 = 7_166_825;

/// Whether `id` is `below` or something that `below` is part of, however far up.
pub async fn is_at_or_above(db: &mut Conn, id: EquipmentId, below: EquipmentId) -> Result<bool> {
    Ok(on!(db, c => sqlx::query_scalar(
            "with recursive above (id, parent_id) as (
                 select id, parent_id from equipment where id = $2
                 union
                 select equipment.id, equipment.parent_id
                 from equipment
                 join above on equipment.id = above.parent_id
             )
             select exists (select 1 from above where id = $1)",
        )
        .bind(id)
        .bind(below)
        .fetch_one(c).await)?)
}

/// Whether anything that is part of `id` is in service.
pub async fn any_part_in_service(db: &mut Conn, id: EquipmentId) -> Result<bool> {
    Ok(on!(db, c => sqlx::query_scalar(
            "select exists (
                 select 1 from equipment where parent_id = $1 and status <> 'DECOMMISSIONED'
             )",
        )
        .bind(id)
        .fetch_one(c).await)?)
}

pub async fn update(tx: &mut Tx, equipment: &Equipment) -> Result<()> {
    on!(tx, c => sqlx::query(
            "update equipment
             set name = $2,
                 type = $3,
                 model = $4,
                 manufacturer = $5,
                 serial_number = $6,
                 location = $7,
                 parent_id = $8,
                 status = $9,
                 criticality = $10,
                 installation_date = $11,
                 notes = $12,
                 attributes = $13,
                 search = $14,
                 criticality_rank = $15,
                 installation_day = $16,
                 updated_at = $17,
                 revision = $18
             where id = $1",
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
        .bind(equipment.criticality.rank())
        .bind(equipment.installation_day())
        .bind(equipment.updated_at)
        .bind(equipment.revision)
        .execute(c).await.map(drop))
    .on_constraint(SERIAL_NUMBER, NUMBER_TAKEN)
}

/// In the order of the page; by default by id, which is by age.
pub async fn list(
    db: &mut Conn,
    filter: &Filter,
    page: &OrderedPage<Equipment, EquipmentId>,
) -> Result<Vec<Equipment>> {
    let lead = match db.engine() {
        // Shown both, it would begin each page at the first row of the type.
        Engine::Sqlite(_) => None,
        Engine::Postgres(_) => filter.lead(),
    };
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
            // Spelled out, so that the engines know the index that is for it.
            query.push(" and status <> 'DECOMMISSIONED'");
        }
        if let Some(location) = &filter.location {
            query.push(" and location = ").push_bind(location);
        }
        if let Some(parent_id) = filter.parent_id {
            query.push(" and parent_id = ").push_bind(parent_id);
        }
        kit::push_page!(query, page, lead);
        query.build_query_as().fetch_all(c).await
    })?)
}
