use kit::{
    Error, Page, Result,
    db::{Conn, Tx},
    error::OnConstraint,
    on,
};
use sqlx::QueryBuilder;

use super::TOGETHER;
use crate::domain::{
    comment::{Comment, CommentId},
    task::TaskId,
};

pub async fn insert(tx: &mut Tx, comment: &Comment) -> Result<()> {
    on!(tx, c => sqlx::query(
            "insert into comments (id, task_id, author_id, text, created_at)
             values ($1, $2, $3, $4, $5)",
        )
        .bind(comment.id)
        .bind(comment.task_id)
        .bind(&comment.author_id)
        .bind(&comment.text)
        .bind(comment.created_at)
        .execute(c).await.map(drop))
    // The task was there a moment ago.
    .on_constraint("comments_task_id_fkey", Error::not_found("task", comment.task_id))
}

/// Many at once, that nobody has yet.
pub async fn insert_all(tx: &mut Tx, comments: &[Comment]) -> Result<()> {
    for some in comments.chunks(TOGETHER) {
        on!(tx, c => {
            let mut query = QueryBuilder::new("insert into comments (id, task_id, author_id, text, created_at) ");
            query.push_values(some, |mut row, one| {
                row
                    .push_bind(one.id)
                    .push_bind(one.task_id)
                    .push_bind(&one.author_id)
                    .push_bind(&one.text)
                    .push_bind(one.created_at);
            });
            query.build().persistent(false).execute(c).await.map(drop)
        })?;
    }
    Ok(())
}

pub async fn delete_of(tx: &mut Tx, task_id: TaskId) -> Result<()> {
    on!(tx, c => sqlx::query("delete from comments where task_id = $1")
        .bind(task_id)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// By id, which is by age.
pub async fn list(db: &mut Conn, task_id: TaskId, page: &Page<CommentId>) -> Result<Vec<Comment>> {
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(
            "select id, task_id, author_id, text, created_at
             from comments
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
