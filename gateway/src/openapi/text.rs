//! The comments in the `.proto` files, which are the documentation.

use std::collections::HashMap;

use prost_reflect::{
    DescriptorPool, EnumDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor,
    MethodDescriptor, ServiceDescriptor,
};

/// The comment before each declaration.
pub struct Comments(HashMap<(String, Vec<i32>), String>);

impl Comments {
    pub fn of(pool: &DescriptorPool) -> Self {
        let mut comments = HashMap::new();
        for file in pool.files() {
            let source = file.file_descriptor_proto().source_code_info.as_ref();
            for location in source.into_iter().flat_map(|source| &source.location) {
                let text = paragraphs(location.leading_comments());
                if !text.is_empty() {
                    comments.insert((file.name().to_owned(), location.path.clone()), text);
                }
            }
        }
        Self(comments)
    }

    pub fn of_service(&self, service: &ServiceDescriptor) -> String {
        self.get(&service.parent_file(), service.path())
    }

    pub fn of_method(&self, method: &MethodDescriptor) -> String {
        self.get(&method.parent_service().parent_file(), method.path())
    }

    pub fn of_message(&self, message: &MessageDescriptor) -> String {
        self.get(&message.parent_file(), message.path())
    }

    pub fn of_field(&self, field: &FieldDescriptor) -> String {
        self.get(&field.parent_message().parent_file(), field.path())
    }

    /// What an enum is, and what each of its values means.
    pub fn of_enum(&self, kind: &EnumDescriptor) -> String {
        let file = kind.parent_file();
        let mut text = self.get(&file, kind.path());
        for value in kind.values() {
            let meaning = self.get(&file, value.path());
            if !meaning.is_empty() {
                let gap = if text.is_empty() { "" } else { "\n" };
                let list = if text.contains("\n- ") || text.is_empty() { "" } else { "\n" };
                text = format!("{text}{gap}{list}- `{}`: {meaning}", value.name());
            }
        }
        text
    }

    fn get(&self, file: &FileDescriptor, path: &[i32]) -> String {
        self.0.get(&(file.name().to_owned(), path.to_vec())).cloned().unwrap_or_default()
    }
}

/// The text of a comment: a paragraph a line, since the lines of a comment end where the page does.
fn paragraphs(comment: &str) -> String {
    let paragraphs = comment.trim().split("\n\n").map(|paragraph| {
        let lines = paragraph.lines().map(str::trim);
        lines.collect::<Vec<_>>().join(" ")
    });
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// The first sentence, without its full stop, and what follows.
pub fn headline(text: &str) -> (&str, &str) {
    let end = text.find(". ").or_else(|| text.find(".\n")).unwrap_or(text.len());
    let (first, rest) = text.split_at(end);
    (first.trim_end_matches('.'), rest.trim_start_matches('.').trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_paragraphs() {
        assert_eq!(paragraphs(" One\n two.\n\n Three.\n"), "One two.\n\nThree.");
    }

    #[test]
    fn the_first_sentence_is_the_headline() {
        assert_eq!(headline("Lists tasks, oldest first."), ("Lists tasks, oldest first", ""));
        assert_eq!(headline("Ends it. For ever: 0.5 s."), ("Ends it", "For ever: 0.5 s."));
        assert_eq!(headline(""), ("", ""));
    }
}
