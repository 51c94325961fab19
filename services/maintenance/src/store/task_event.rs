use kit::{
    Page, Result,
    db::{Conn, Tx},
    on,
};
use sqlx::QueryBuilder;

use crate::domain::{
    task::TaskId,
    task_event::{TaskEvent, TaskEventId},
};

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

pub async fn delete_of(tx: &mut Tx, task_id: TaskId) -> Result<()> {
    on!(tx, c => sqlx::query("delete from task_events where task_id = $1")
        .bind(task_id)
        .execute(c).await.map(drop))?;
    Ok(())
}
