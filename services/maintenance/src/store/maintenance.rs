use kit::{
    Error, Page, Result,
    db::{Conn, Engine, Tx},
    error::OnConstraint,
    on,
};
use sqlx::QueryBuilder;

use super::{TOGETHER, equals};
use crate::domain::{
    equipment::EquipmentId,
    maintenance::{Maintenance, MaintenanceId},
    task::TaskId,
    timeline,
};

/// Which records to list.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_field_names, reason = "the contract's names")]
pub struct Filter {
    pub equipment_id: Option<EquipmentId>,
    pub task_id: Option<TaskId>,
    pub technician_id: Option<String>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select id, equipment_id, task_id, completion, technician_id,
                    kind, work_done, started_at, finished_at, parts_used,
                    created_at, updated_at, revision
             from maintenance_records ",
            $rest
        )
    };
}

pub async fn insert(tx: &mut Tx, record: &Maintenance) -> Result<()> {
    on!(tx, c => sqlx::query(
            "insert into maintenance_records (
                 id, equipment_id, task_id, completion, technician_id,
                 kind, work_done, started_at, finished_at, parts_used,
                 created_at, updated_at, revision
             )
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(record.id)
        .bind(record.equipment_id)
        .bind(record.task_id)
        .bind(record.completion)
        .bind(&record.technician_id)
        .bind(record.work.kind)
        .bind(&record.work.work_done)
        .bind(record.work.started_at)
        .bind(record.work.finished_at)
        .bind(&record.work.parts_used)
        .bind(record.created_at)
        .bind(record.updated_at)
        .bind(record.revision)
        .execute(c).await.map(drop))
    .on_constraint(
        "maintenance_records_task_id_completion_key",
        Error::AlreadyExists("the work is recorded already"),
    )
}

/// Many at once, that nobody has yet.
pub async fn insert_all(tx: &mut Tx, records: &[Maintenance]) -> Result<()> {
    for some in records.chunks(TOGETHER) {
        on!(tx, c => {
            let mut query = QueryBuilder::new(
                "insert into maintenance_records (
                     id, equipment_id, task_id, completion, technician_id, kind, work_done,
                     started_at, finished_at, parts_used, created_at, updated_at, revision
                 ) ",
            );
            query.push_values(some, |mut row, one| {
                row
                    .push_bind(one.id)
                    .push_bind(one.equipment_id)
                    .push_bind(one.task_id)
                    .push_bind(one.completion)
                    .push_bind(&one.technician_id)
                    .push_bind(one.work.kind)
                    .push_bind(&one.work.work_done)
                    .push_bind(one.work.started_at)
                    .push_bind(one.work.finished_at)
                    .push_bind(&one.work.parts_used)
                    .push_bind(one.created_at)
                    .push_bind(one.updated_at)
                    .push_bind(one.revision);
            });
            query.build().persistent(false).execute(c).await.map(drop)
        })?;
    }
    Ok(())
}

pub async fn find(db: &mut Conn, id: MaintenanceId) -> Result<Option<Maintenance>> {
    Ok(on!(db, c => sqlx::query_as(select!("where id = $1")).bind(id).fetch_optional(c).await)?)
}

/// Nobody else changes the record until the transaction ends.
pub async fn lock(tx: &mut Tx, id: MaintenanceId) -> Result<Option<Maintenance>> {
    let record = match tx.engine() {
        // The transaction is the only one that writes.
        Engine::Sqlite(c) => {
            sqlx::query_as(select!("where id = $1")).bind(id).fetch_optional(c).await?
        }
        Engine::Postgres(c) => {
            sqlx::query_as(select!("where id = $1 for update")).bind(id).fetch_optional(c).await?
        }
    };
    Ok(record)
}

pub async fn update(tx: &mut Tx, record: &Maintenance) -> Result<()> {
    on!(tx, c => sqlx::query(
            "update maintenance_records
             set kind = $2,
                 work_done = $3,
                 started_at = $4,
                 finished_at = $5,
                 parts_used = $6,
                 updated_at = $7,
                 revision = $8
             where id = $1",
        )
        .bind(record.id)
        .bind(record.work.kind)
        .bind(&record.work.work_done)
        .bind(record.work.started_at)
        .bind(record.work.finished_at)
        .bind(&record.work.parts_used)
        .bind(record.updated_at)
        .bind(record.revision)
        .execute(c).await.map(drop))?;
    Ok(())
}

pub async fn delete(tx: &mut Tx, id: MaintenanceId) -> Result<()> {
    on!(tx, c => sqlx::query("delete from maintenance_records where id = $1")
        .bind(id)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// Whether work on the task is on record.
pub async fn exists_of(db: &mut Conn, task_id: TaskId) -> Result<bool> {
    Ok(on!(db, c => sqlx::query_scalar(
            "select exists (select 1 from maintenance_records where task_id = $1)",
        )
        .bind(task_id)
        .fetch_one(c).await)?)
}

/// By id, which is by age.
pub async fn list(
    db: &mut Conn,
    filter: &Filter,
    page: &Page<MaintenanceId>,
) -> Result<Vec<Maintenance>> {
    // A task has few records, a piece of equipment more, a person most.
    let is_wide = filter.task_id.is_none();
    let is_wider = is_wide && filter.equipment_id.is_none();
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(select!("where true"));
        if let Some(task_id) = filter.task_id {
            query.push(" and task_id = ").push_bind(task_id);
        }
        if let Some(equipment_id) = filter.equipment_id {
            query.push(equals("equipment_id", is_wide)).push_bind(equipment_id);
        }
        if let Some(technician_id) = &filter.technician_id {
            query.push(equals("technician_id", is_wider)).push_bind(technician_id);
        }
        if let Some(after) = page.after {
            query.push(" and id > ").push_bind(after);
        }
        query.push(" order by id limit ").push_bind(page.limit());
        query.build_query_as().fetch_all(c).await
    })?)
}

/// Work on a piece of equipment, what was done last first.
pub async fn list_of_equipment(
    db: &mut Conn,
    filter: &timeline::Filter,
) -> Result<Vec<Maintenance>> {
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(select!("where equipment_id = "));
        query.push_bind(filter.equipment_id);
        if let Some(from) = filter.from {
            query.push(" and coalesce(finished_at, started_at, created_at) >= ").push_bind(from);
        }
        // What comes after a page lies before `to`. SQLite finds the time of an expression in an index, and no pair with one.
        match (filter.after, filter.to) {
            (Some((at, id)), _) => {
                query.push(" and coalesce(finished_at, started_at, created_at) <= ").push_bind(at);
                query.push(" and (coalesce(finished_at, started_at, created_at), id) < (");
                query.push_bind(at).push(", ").push_bind(id).push(")");
            }
            (None, Some(to)) => {
                query.push(" and coalesce(finished_at, started_at, created_at) < ").push_bind(to);
            }
            (None, None) => {}
        }
        query.push(" order by coalesce(finished_at, started_at, created_at) desc, id desc limit ");
        query.push_bind(filter.limit);
        query.build_query_as().fetch_all(c).await
    })?)
}
