//! Which fields of a resource an update changes (AIP-134).

use prost_types::FieldMask;

use crate::{Error, Result};

/// What names all fields: the resource is replaced.
const ALL: &str = "*";

/// The fields that an update names; all of them, if it names none.
#[derive(Clone, Debug)]
pub struct Mask(Vec<String>);

impl Mask {
    /// Reads the `update_mask` of a request for a `kind` of resource whose `mutable` fields can change. Its `given` fields
    /// are the service's: a client that sends back what it read may name them, and they stay. `*` names all that can change,
    /// as no path does, and stands alone.
    ///
    /// # Errors
    ///
    /// A path is neither.
    pub fn parse(
        kind: &str,
        mask: Option<FieldMask>,
        mutable: &[&str],
        given: &[&str],
    ) -> Result<Self> {
        let paths = mask.unwrap_or_default().paths;
        if paths == [ALL] {
            return Ok(Self(Vec::new()));
        }
        let is_known =
            |path: &&String| mutable.contains(&path.as_str()) || given.contains(&path.as_str());
        match paths.iter().find(|path| !is_known(path)) {
            Some(path) if path == ALL => Err(Error::invalid(
                "update_mask",
                "must name nothing beside `*`, which is everything",
            )),
            Some(path) => {
                Err(Error::invalid("update_mask", format!("a {kind} has no {path} to change")))
            }
            None => Ok(Self(paths)),
        }
    }

    /// Whether `field` is to change.
    pub fn names(&self, field: &str) -> bool {
        self.0.is_empty() || self.lists(field)
    }

    /// Whether `field` is named, and not just left to be among all.
    pub fn lists(&self, field: &str) -> bool {
        self.0.iter().any(|path| path == field)
    }

    /// Puts `value` in its place, if `field` is to change; answers whether that made a difference.
    pub fn put<T: PartialEq>(&self, field: &str, place: &mut T, value: T) -> bool {
        let differs = self.names(field) && *place != value;
        if differs {
            *place = value;
        }
        differs
    }

    /// `value`, if `field` is to change.
    pub fn take<T>(&self, field: &str, value: T) -> Option<T> {
        self.names(field).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(paths: &[&str]) -> Result<Mask> {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        Mask::parse("task", Some(FieldMask { paths }), &["title", "priority"], &["etag"])
    }

    #[test]
    fn no_path_names_every_field() {
        assert!(mask(&[]).unwrap().names("title") && !mask(&[]).unwrap().lists("title"));
        assert!(Mask::parse("task", None, &["title"], &[]).unwrap().names("title"));
    }

    #[test]
    fn a_star_names_every_field_and_stands_alone() {
        let all = mask(&["*"]).unwrap();
        assert!(all.names("title") && all.names("priority") && !all.lists("title"));
        for paths in [["*", "title"], ["title", "*"], ["*", "*"]] {
            let error = mask(&paths).unwrap_err().to_string();
            assert!(error.contains("nothing beside `*`"), "{error}");
        }
    }

    #[test]
    fn a_path_names_its_field_alone() {
        let mask = mask(&["title", "etag"]).unwrap();
        assert_eq!((mask.take("title", 1), mask.take("priority", 2)), (Some(1), None));
        assert!(mask.lists("title") && !mask.lists("priority"));

        let (mut title, mut priority) = ("old", "old");
        assert!(mask.put("title", &mut title, "new"));
        assert!(!mask.put("title", &mut title, "new"), "as it was");
        assert!(!mask.put("priority", &mut priority, "new"));
        assert_eq!((title, priority), ("new", "old"));
    }

    #[test]
    fn an_unknown_path_is_refused() {
        assert!(
            matches!(mask(&["colour"]), Err(Error::Invalid { field, .. }) if field == "update_mask")
        );
    }
}
