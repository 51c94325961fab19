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
    /// Never reused.
    pub id: CommentId,
    /// What it is about.
    pub task_id: TaskId,
    /// A user's id, or `service:<name>`.
    pub author_id: String,
    /// For people.
    pub text: String,
    /// When it was said.
    pub created_at: Timestamp,
}
