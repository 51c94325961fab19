use kit::{
    Page, Result, Timestamp,
    db::{Conn, Engine, Tx},
    on,
    order::{By, Field, OrderedPage},
    search,
};
use sqlx::QueryBuilder;

use super::{TOGETHER, equals};
use crate::domain::{
    equipment::EquipmentId,
    task::{Priority, Status, Task, TaskId},
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
    /// Only what is neither completed nor cancelled.
    pub is_open: bool,
}

impl Filter {
    /// What the list is ordered by, of [`ORDERS`]: what is due before a day by its urgency, all else by age.
    pub fn order(&self) -> &'static str {
        if self.due_before.is_some() { "due_date" } else { "" }
    }
}

/// What lists of tasks are ordered by.
pub const ORDERS: &[Field<Task>] = &[Field {
    name: "due_date",
    // Never null where a list is ordered by it.
    sql: "due_date",
    value: By::Text(|task| task.due_date.clone().unwrap_or_default()),
}];

/// What somebody works on still, or shall. Spelled out, so that the engines know the indexes that are for it.
const OPEN: &str = " and status <> 'COMPLETED' and status <> 'CANCELLED'";

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

/// Many at once, that nobody has yet.
pub async fn insert_all(tx: &mut Tx, tasks: &[Task]) -> Result<()> {
    for some in tasks.chunks(TOGETHER) {
        on!(tx, c => {
            let mut query =
                QueryBuilder::new(concat!("insert into tasks (", columns!(), ", title_lower) "));
            query.push_values(some, |mut row, one| {
                row
                    .push_bind(one.id)
                    .push_bind(&one.title)
                    .push_bind(&one.description)
                    .push_bind(one.equipment_id)
                    .push_bind(one.status)
                    .push_bind(one.priority)
                    .push_bind(&one.due_date)
                    .push_bind(&one.assignee_id)
                    .push_bind(&one.created_by)
                    .push_bind(one.source)
                    .push_bind(one.alert_id)
                    .push_bind(one.completions)
                    .push_bind(one.completed_at)
                    .push_bind(&one.completed_by)
                    .push_bind(one.created_at)
                    .push_bind(one.updated_at)
                    .push_bind(one.revision)
                    .push_bind(search::fold(&one.title));
            });
            query.build().persistent(false).execute(c).await.map(drop)
        })?;
    }
    Ok(())
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

/// Of SQLite alone.
const FOUND: &str = " and id in (
    select task_titles.id
    from json_each(";
const FOUND_END: &str = ") as found
    join task_titles on task_titles.number = found.value)";

/// On SQLite, the numbers of the tasks whose titles the index knows to have the parts of `title`, if they are so few that
/// looking at each is less than looking for `limit` of them in the order of the list. PostgreSQL plans that by itself, by how
/// many it takes the [outline](search::outline) for.
///
/// The index is asked once, for the numbers themselves: walking its lists is what costs.
async fn titled(db: &mut Conn, title: &str, limit: i64) -> Result<Option<String>> {
    let Engine::Sqlite(c) = db.engine() else { return Ok(None) };
    let Some(trigrams) = search::trigrams(title) else { return Ok(None) };
    let few = 5000 + 25 * limit;
    let (count, numbers): (i64, String) = sqlx::query_as(
        "select count(*), json_group_array(number)
         from (select rowid as number from task_search where task_search match $1 limit $2)",
    )
    .bind(trigrams)
    .bind(few + 1)
    .fetch_one(c)
    .await?;
    Ok((count <= few).then_some(numbers))
}

/// In the filter's [order](Filter::order).
pub async fn list(
    db: &mut Conn,
    filter: &Filter,
    page: &OrderedPage<Task, TaskId>,
) -> Result<Vec<Task>> {
    let found = match &filter.title {
        Some(title) => titled(db, title, page.limit()).await?,
        None => None,
    };
    let outline = match db.engine() {
        Engine::Sqlite(_) => None,
        Engine::Postgres(_) => filter.title.as_deref().and_then(search::outline),
    };
    // What was found is few, a piece of equipment has few tasks, a person more, a status or a priority many.
    let is_wide = found.is_none();
    let is_wider = is_wide && filter.equipment_id.is_none();
    let is_widest = is_wider && filter.assignee_id.is_none();
    let is_due = filter.due_before.is_some();
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(select!("where true"));
        if let Some(title) = &filter.title {
            let pattern = outline.clone().unwrap_or_else(|| search::contains(title));
            query.push(" and title_lower like ").push_bind(pattern).push(" escape '\\'");
            if outline.is_some() {
                query.push(" and strpos(title_lower, ").push_bind(search::fold(title)).push(") > 0");
            }
        }
        if let Some(found) = &found {
            query.push(FOUND).push_bind(found).push(FOUND_END);
        }
        if let Some(status) = filter.status {
            let leads = is_wider && !filter.is_open && (is_widest || !is_due);
            query.push(equals("status", leads)).push_bind(status);
        }
        if let Some(priority) = filter.priority {
            query.push(equals("priority", is_widest && !is_due)).push_bind(priority);
        }
        if let Some(equipment_id) = filter.equipment_id {
            query.push(equals("equipment_id", is_wide)).push_bind(equipment_id);
        }
        if let Some(assignee_id) = &filter.assignee_id {
            query.push(equals("assignee_id", is_wider)).push_bind(assignee_id);
        }
        if let Some(day) = &filter.due_before {
            query.push(" and due_date < ").push_bind(day);
        }
        if filter.is_open {
            query.push(OPEN);
        }
        kit::push_page!(query, page);
        // A plan that is made once for all titles is none for those that an index serves.
        let is_alike = filter.title.is_none();
        query.build_query_as().persistent(is_alike).fetch_all(c).await
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
            let leads = filter.equipment_id.is_none();
            query.push(equals("completed_by", leads)).push_bind(completed_by);
        }
        if let Some(equipment_id) = filter.equipment_id {
            query.push(" and equipment_id = ").push_bind(equipment_id);
        }
        if let Some(from) = filter.from {
            query.push(" and completed_at >= ").push_bind(from);
        }
        // What comes after a page lies before `to`; told of both, SQLite would begin each page at `to`.
        match (page.after, filter.to) {
            (Some((completed_at, id)), _) => {
                query.push(" and (completed_at, id) < (").push_bind(completed_at);
                query.push(", ").push_bind(id).push(")");
            }
            (None, Some(to)) => {
                query.push(" and completed_at < ").push_bind(to);
            }
            (None, None) => {}
        }
        query.push(" order by completed_at desc, id desc limit ").push_bind(page.limit());
        query.build_query_as().fetch_all(c).await
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_neither_completed_nor_cancelled() {
        let text = [Status::Completed, Status::Cancelled]
            .map(|status| format!(" and status <> '{}'", status.name()));
        assert_eq!(text.concat(), OPEN);
    }
}
