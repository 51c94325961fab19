//! What was said of a task.

use kit::Timestamp;

use super::task::TaskId;

kit::id!(
    /// Names one comment.
    CommentId
);

/// What somebody said of a task.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Comment {
    pub id: CommentId,
    pub task_id: TaskId,
    /// A user's id, or `service:<name>`.
    pub author_id: String,
    pub text: String,
    pub created_at: Timestamp,
}
