//! Who may call what, as a table that people have read. Each service's own tests knock at its methods with every role.

use std::fmt::Write;

/// One line a method: `PUBLIC`, or the roles that may call it.
fn table() -> String {
    let mut table = String::new();
    for method in proto::METHODS {
        let roles = if method.public { "PUBLIC".to_owned() } else { method.roles.join(" ") };
        writeln!(table, "{} {roles}", method.path).unwrap();
    }
    table
}

#[test]
fn the_rules_are_those_that_were_agreed() {
    let agreed = include_str!("../access.golden");
    assert_eq!(table(), agreed, "tests/access.golden is the agreed table");
}
