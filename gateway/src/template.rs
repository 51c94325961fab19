//! Path templates of `google.api.http`: `/api/tasks/{task_id}/comments`.

use anyhow::{Result, bail, ensure};

/// A path whose segments are either fixed or one variable each, which is all of the grammar that this API uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Fixed(String),
    Variable(String),
}

impl Template {
    /// # Errors
    ///
    /// A path that the gateway could only serve wrongly.
    pub fn parse(path: &str) -> Result<Self> {
        let Some(inside) = path.strip_prefix('/') else { bail!("{path} does not begin with /") };
        if inside.is_empty() {
            return Ok(Self { segments: Vec::new() });
        }
        let segments = inside.split('/').map(segment).collect::<Result<_>>()?;
        Ok(Self { segments })
    }

    /// The request fields that the path fills, in order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Variable(name) => Some(name.as_str()),
            Segment::Fixed(_) => None,
        })
    }

    /// The segments that are the same in every path.
    pub fn fixed(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Fixed(text) => Some(text.as_str()),
            Segment::Variable(_) => None,
        })
    }

    /// The same path for people, who need not know in which message a field is: `{user.id}` is `{id}`.
    pub fn shown(&self) -> String {
        self.text(|_, name| format!("{{{}}}", name.rsplit('.').next().unwrap_or(name)))
    }

    /// The same path for the router, where every method calls a variable at one place by one name.
    pub fn pattern(&self) -> String {
        self.text(|index, _| format!("{{v{index}}}"))
    }

    /// Everything before a variable that ends the path, if one does.
    pub fn collection(&self) -> Option<Self> {
        let (last, before) = self.segments.split_last()?;
        matches!(last, Segment::Variable(_)).then(|| Self { segments: before.to_vec() })
    }

    fn text(&self, variable: impl Fn(usize, &str) -> String) -> String {
        if self.segments.is_empty() {
            return "/".to_owned();
        }
        let mut text = String::new();
        for (index, segment) in self.segments.iter().enumerate() {
            text.push('/');
            match segment {
                Segment::Fixed(fixed) => text.push_str(fixed),
                Segment::Variable(name) => text.push_str(&variable(index, name)),
            }
        }
        text
    }
}

impl std::fmt::Display for Template {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.text(|_, name| format!("{{{name}}}")))
    }
}

fn segment(text: &str) -> Result<Segment> {
    if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let is_field =
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.');
        ensure!(is_field && !name.is_empty(), "{{{name}}} is not the path of a field");
        return Ok(Segment::Variable(name.to_owned()));
    }
    ensure!(!text.is_empty(), "a segment is empty");
    ensure!(!text.contains(['{', '}', '*', ':', '%', '?', '#']), "{text} is not a plain segment");
    Ok(Segment::Fixed(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_knows_its_variables_and_its_collection() {
        let template = Template::parse("/api/tasks/{task_id}/comments/{id}").unwrap();

        assert_eq!(template.variables().collect::<Vec<_>>(), ["task_id", "id"]);
        assert_eq!(template.to_string(), "/api/tasks/{task_id}/comments/{id}");
        assert_eq!(template.pattern(), "/api/tasks/{v2}/comments/{v4}");
        assert_eq!(template.collection().unwrap().to_string(), "/api/tasks/{task_id}/comments");
    }

    #[test]
    fn a_template_that_could_only_be_served_wrongly_is_refused() {
        for path in ["api", "/a/", "/a//b", "/a/{id=*}", "/a/{}", "/a/{id}:claim", "/a/*", "/a/**"]
        {
            assert!(Template::parse(path).is_err(), "{path}");
        }
    }
}
