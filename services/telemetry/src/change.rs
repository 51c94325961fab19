//! The kinds of this service's entries in the change log.

/// A rule as it is after the change.
pub const RULE: &str = "rule";
/// A rule that was deleted, as it was.
pub const RULE_DELETED: &str = "rule.deleted";
/// An alert as it is after the change.
pub const ALERT: &str = "alert";
/// An alert that, as late readings show, never was.
pub const ALERT_REMOVED: &str = "alert.removed";
/// The request for the task that an alert wants.
pub const TASK_WANTED: &str = "task.wanted";
/// The request for a task whose alert never was, with the task's id if the alert named it.
pub const TASK_UNWARRANTED: &str = "task.unwarranted";
