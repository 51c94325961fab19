use kit::{
    Page, Result,
    db::{Conn, Tx},
    on,
};
use sqlx::QueryBuilder;

use super::TOGETHER;
use crate::domain::{
    task::TaskId,
    task_event::{TaskEvent, TaskEventId},
    timeline::Filter,
};

/// An event, and what its task is called.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Titled {
    #[sqlx(flatten)]
    pub event: TaskEvent,
    pub title: String,
}

pub async fn insert(tx: &mut Tx, event: &TaskEvent) -> Result<()> {
    on!(tx, c => sqlx::query(
            "insert into task_events (id, task_id, equipment_id, kind, actor_id, at, detail)
             values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(event.id)
        .bind(event.task_id)
        .bind(event.equipment_id)
        .bind(event.kind)
        .bind(&event.actor_id)
        .bind(event.at)
        .bind(&event.detail)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// Many at once, that nobody has yet.
pub async fn insert_all(tx: &mut Tx, events: &[TaskEvent]) -> Result<()> {
    for some in events.chunks(TOGETHER) {
        on!(tx, c => {
            let mut query = QueryBuilder::new("insert into task_events (id, task_id, equipment_id, kind, actor_id, at, detail) ");
            query.push_values(some, |mut row, one| {
                row
                    .push_bind(one.id)
                    .push_bind(one.task_id)
                    .push_bind(one.equipment_id)
                    .push_bind(one.kind)
                    .push_bind(&one.actor_id)
                    .push_bind(one.at)
                    .push_bind(&one.detail);
            });
            query.build().persistent(false).execute(c).await.map(drop)
        })?;
    }
    Ok(())
}

/// By id, which is by age.
pub async fn list(
    db: &mut Conn,
    task_id: TaskId,
    page: &Page<TaskEventId>,
) -> Result<Vec<TaskEvent>> {
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(
            "select id, task_id, equipment_id, kind, actor_id, at, detail
             from task_events
             where task_id = ",
        );
        query.push_bind(task_id);
        if let Some(after) = page.after {
            query.push(" and id > ").push_bind(after);
        }
        query.push(" order by id limit ").push_bind(page.limit());
        query.build_query_as().fetch_all(c).await
    })?)
}

/// What happened to the tasks of a piece of equipment, newest first.
pub async fn list_of_equipment(db: &mut Conn, filter: &Filter) -> Result<Vec<Titled>> {
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(
            "select event.id, event.task_id, event.equipment_id, event.kind, event.actor_id, event.at,
                    event.detail, task.title
             from task_events as event
             join tasks as task on task.id = event.task_id
             where event.equipment_id = ",
        );
        query.push_bind(filter.equipment_id);
        if let Some(from) = filter.from {
            query.push(" and event.at >= ").push_bind(from);
        }
        // What comes after a page lies before `to`; told of both, SQLite would begin each page at `to`.
        match (filter.after, filter.to) {
            (Some((at, id)), _) => {
                query.push(" and (event.at, event.id) < (").push_bind(at);
                query.push(", ").push_bind(id).push(")");
            }
            (None, Some(to)) => {
                query.push(" and event.at < ").push_bind(to);
            }
            (None, None) => {}
        }
        query.push(" order by event.at desc, event.id desc limit ").push_bind(filter.limit);
        query.build_query_as().fetch_all(c).await
    })?)
}

pub async fn delete_of(tx: &mut Tx, task_id: TaskId) -> Result<()> {
    on!(tx, c => sqlx::query("delete from task_events where task_id = $1")
        .bind(task_id)
        .execute(c).await.map(drop))?;
    Ok(())
}
