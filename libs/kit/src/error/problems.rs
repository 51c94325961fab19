//! What is wrong with several fields.

use super::{Error, Result};

/// What is wrong with a request's fields, gathered, so that whoever sent it hears of all at once.
#[derive(Debug, Default)]
pub struct Problems(Vec<(String, String)>);

impl Problems {
    /// Notes what is wrong with a field, or answers its value.
    ///
    /// # Errors
    ///
    /// What is no matter of a field.
    pub fn note<T>(&mut self, checked: Result<T>) -> Result<Option<T>> {
        match checked {
            Ok(value) => return Ok(Some(value)),
            Err(Error::Invalid { field, problem }) => self.0.push((field, problem)),
            Err(Error::InvalidFields(fields)) => self.0.extend(fields),
            Err(other) => return Err(other),
        }
        Ok(None)
    }

    /// Ends the gathering with the last value.
    ///
    /// # Errors
    ///
    /// What was noted, and what is wrong with that one.
    pub fn settle<T>(mut self, checked: Result<T>) -> Result<T> {
        match self.note(checked)? {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Error::InvalidFields(self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic::Status;
    use tonic_types::StatusExt;

    use super::*;

    #[test]
    fn all_fields_that_are_wrong_are_named_at_once() {
        let mut problems = Problems::default();
        assert_eq!(problems.note(Ok(7)).unwrap(), Some(7));
        let wrong = |field: &str| Err::<(), _>(Error::invalid(field, "is wrong"));
        assert!(problems.note(wrong("username")).unwrap().is_none());
        assert!(problems.note::<()>(Err(Error::Forbidden("no"))).is_err());

        let status = Status::from(problems.settle(wrong("password")).unwrap_err());

        assert_eq!(status.message(), "username: is wrong; password: is wrong");
        let violations = status.get_details_bad_request().unwrap().field_violations;
        let fields: Vec<_> = violations.into_iter().map(|violation| violation.field).collect();
        assert_eq!(fields, ["username", "password"]);
        assert_eq!(Problems::default().settle(Ok(7)).unwrap(), 7);
    }
}
