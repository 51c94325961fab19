//! What is told of a line.

use std::fmt;

/// What keeps one line out, or what of it stays behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub line: u64,
    pub column: String,
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, reason } = self;
        write!(f, "line {line}, {column}: {reason}")
    }
}

#[expect(clippy::print_stderr, reason = "for the person who runs the import")]
pub fn tell(problems: &[Problem]) {
    for problem in problems {
        eprintln!("{problem}");
    }
}
