use kit::{
    Page, Result, Timestamp,
    db::{Conn, Engine, Tx},
    on, search,
};
use sqlx::QueryBuilder;

use crate::domain::{
    equipment::EquipmentId,
    task::{OVER, Priority, Status, Task, TaskId},
};

/// Which tasks to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Text in the title, without regard to case.
    pub title: Option<String>,
    pub status: Option<Status>,
    pub priority: Option<Priority>,
    pub equipment_id: Option<EquipmentId>,
    pub assignee_id: Option<String>,
    /// A day that their due dates lie before.
    pub due_before: Option<String>,
    /// A day that their due dates lie before while they are not over.
    pub overdue_on: Option<String>,
}

/// Which completed tasks to list.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub completed_by: Option<String>,
    pub equipment_id: Option<EquipmentId>,
    /// Completed at this time or after it.
    pub from: Option<Timestamp>,
    /// Completed before this time.
    pub to: Option<Timestamp>,
}

macro_rules! columns {
    () => {
        "id, title, description, equipment_id, status, priority, due_date, assignee_id,
         created_by, source, alert_id, completions, completed_at, completed_by,
         created_at, updated_at, revision"
    };
}

macro_rules! select {
    ($rest:literal) => {
        concat!("select ", columns!(), " from tasks ", $rest)
    };
}

/// Answers the task, or the one that its alert has already. That one is touched so that it is answered, and not
/// changed.
pub async fn insert(tx: &mut Tx, task: &Task) -> Result<Task> {
    Ok(on!(tx, c => sqlx::query_as(concat!(
            "insert into tasks (", columns!(), ", title_lower)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
             on conflict (alert_id) do update set alert_id = excluded.alert_id
             returning ", columns!(),
        ))
        .bind(task.id)
        .bind(&task.title)
        .bind(&task.description)
        .bind(task.equipment_id)
        .bind(task.status)
        .bind(task.priority)
        .bind(&task.due_date)
        .bind(&task.assignee_id)
        .bind(&task.created_by)
        .bind(task.source)
        .bind(task.alert_id)
        .bind(task.completions)
        .bind(task.completed_at)
        .bind(&task.completed_by)
        .bind(task.created_at)
        .bind(task.updated_at)
        .bind(task.revision)
        .bind(search::fold(&task.title))
        .fetch_one(c).await)?)
}

pub async fn find(db: &mut Conn, id: TaskId) -> Result<Option<Task>> {
    Ok(on!(db, c => sqlx::query_as(select!("where id = $1")).bind(id).fetch_optional(c).await)?)
}

/// Nobody else changes the task until the transaction ends.
pub async fn lock(tx: &mut Tx, id: TaskId) -> Result<Option<Task>> {
    let task = match tx.engine() {
        // The transaction is the only one that writes.
        Engine::Sqlite(c) => {
            sqlx::query_as(select!("where id = $1")).bind(id).fetch_optional(c).await?
        }
        Engine::Postgres(c) => {
            sqlx::query_as(select!("where id = $1 for update")).bind(id).fetch_optional(c).await?
        }
    };
    Ok(task)
}

pub async fn update(tx: &mut Tx, task: &Task) -> Result<()> {
    on!(tx, c => sqlx::query(
            "update tasks
             set title = $2,
                 title_lower = $3,
                 description = $4,
                 equipment_id = $5,
                 status = $6,
                 priority = $7,
                 due_date = $8,
                 assignee_id = $9,
                 completions = $10,
                 completed_at = $11,
                 completed_by = $12,
                 updated_at = $13,
                 revision = $14
             where id = $1",
        )
        .bind(task.id)
        .bind(&task.title)
        .bind(search::fold(&task.title))
        .bind(&task.description)
        .bind(task.equipment_id)
        .bind(task.status)
        .bind(task.priority)
        .bind(&task.due_date)
        .bind(&task.assignee_id)
        .bind(task.completions)
        .bind(task.completed_at)
        .bind(&task.completed_by)
        .bind(task.updated_at)
        .bind(task.revision)
        .execute(c).await.map(drop))?;
    Ok(())
}

pub async fn delete(tx: &mut Tx, id: TaskId) -> Result<()> {
    on!(tx, c => sqlx::query("delete from tasks where id = $1")
        .bind(id)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// By id, which is by age.
pub async fn list(db: &mut Conn, filter: &Filter, page: &Page<TaskId>) -> Result<Vec<Task>> {
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(select!("where true"));
        if let Some(title) = &filter.title {
            query.push(" and title_lower like ").push_bind(search::contains(title));
            query.push(" escape '\\'");
        }
        if let Some(status) = filter.status {
            query.push(" and status = ").push_bind(status);
        }
        if let Some(priority) = filter.priority {
            query.push(" and priority = ").push_bind(priority);
        }
        if let Some(equipment_id) = filter.equipment_id {
            query.push(" and equipment_id = ").push_bind(equipment_id);
        }
        if let Some(assignee_id) = &filter.assignee_id {
            query.push(" and assignee_id = ").push_bind(assignee_id);
        }
        if let Some(day) = &filter.due_before {
            query.push(" and due_date < ").push_bind(day);
        }
        if let Some(day) = &filter.overdue_on {
            query.push(" and due_date < ").push_bind(day);
            for status in OVER {
                query.push(" and status <> ").push_bind(status);
            }
        }
        if let Some(after) = page.after {
            query.push(" and id > ").push_bind(after);
        }
        query.push(" order by id limit ").push_bind(page.limit());
        query.build_query_as().fetch_all(c).await
    })?)
}

/// The newest completion first.
pub async fn list_completed(
    db: &mut Conn,
    filter: &History,
    page: &Page<(Option<Timestamp>, TaskId)>,
) -> Result<Vec<Task>> {
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(select!("where completed_at is not null"));
        if let Some(completed_by) = &filter.completed_by {
            query.push(" and completed_by = ").push_bind(completed_by);
        }
        if let Some(equipment_id) = filter.equipment_id {
            query.push(" and equipment_id = ").push_bind(equipment_id);
        }
        if let Some(from) = filter.from {
            query.push(" and completed_at >= ").push_bind(from);
        }
        if let Some(to) = filter.to {
            query.push(" and completed_at < ").push_bind(to);
        }
        if let Some((completed_at, id)) = page.after {
            query.push(" and (completed_at, id) < (").push_bind(completed_at);
            query.push(", ").push_bind(id).push(")");
        }
        query.push(" order by completed_at desc, id desc limit ").push_bind(page.limit());
        query.build_query_as().fetch_all(c).await
    })?)
}
