use kit::{Call, Error, Result, Timestamp, changes, db::Tx, once::Once};
use proto::maintenance::v1 as pb;
use tonic::Response;

use super::Service;
use crate::{
    domain::{
        comment::{Comment, CommentId},
        task::TaskId,
    },
    store,
};

/// The kind of this noun's entries in the change log.
const CHANGE: &str = "comment";

pub async fn create(
    service: &Service,
    call: Call<pb::CreateCommentRequest>,
) -> Result<Response<pb::Comment>> {
    let now = service.suite.clock.now();
    let once = Once::new(&call, &call.message.request_id);
    let comment = Comment {
        id: CommentId::new(),
        task_id: TaskId::parse("task_id", &call.message.task_id)?,
        author_id: call.caller.id,
        text: call.message.comment.unwrap_or_default().text,
        created_at: now,
    };

    let mut tx = service.db.begin("create comment").await?;
    if let Some(answer) = once.recall(&mut tx, now).await? {
        return Ok(answer);
    }
    let task = store::task::find(&mut tx, comment.task_id).await?;
    task.ok_or_else(|| Error::not_found("task", comment.task_id))?;
    store::comment::insert(&mut tx, &comment).await?;
    let answer = tell(&mut tx, &comment, now).await?;
    once.remember(&mut tx, &answer).await?;
    tx.commit().await?;

    Ok(answer.into())
}

pub async fn list(
    service: &Service,
    call: Call<pb::ListCommentsRequest>,
) -> Result<pb::ListCommentsResponse> {
    let mut request = call.message;
    let page = kit::page!(service.db, request)?;
    let task_id = TaskId::parse("task_id", &request.task_id)?;

    let mut db = service.db.read().await?;
    let task = store::task::find(&mut db, task_id).await?;
    task.ok_or_else(|| Error::not_found("task", task_id))?;
    let rows = store::comment::list(&mut db, task_id, &page).await?;
    let (comments, next_page_token) = page.cut(rows, |comment| comment.id, pb::Comment::from)?;
    Ok(pb::ListCommentsResponse { comments, next_page_token })
}

/// Tells the change log of `comment`; answers what it told.
pub async fn tell(tx: &mut Tx, comment: &Comment, now: Timestamp) -> Result<pb::Comment> {
    let wire = pb::Comment::from(comment.clone());
    changes::append(tx, now, CHANGE, comment.id.uuid(), &wire).await?;
    Ok(wire)
}

impl From<Comment> for pb::Comment {
    fn from(comment: Comment) -> Self {
        Self {
            id: comment.id.to_string(),
            task_id: comment.task_id.to_string(),
            author_id: comment.author_id,
            text: comment.text,
            created_at: Some(comment.created_at.into()),
        }
    }
}
