//! Who may call what, as a table that people have read. Each service's own tests knock at its methods with every role;
//! what some may do with their own things alone is tried in `own`.

mod own;

use std::fs;

/// One line a method: `PUBLIC`, or the roles that may call it; `:own` after those that may for what is theirs alone.
fn table() -> String {
    let mut table = String::new();
    for method in proto::METHODS {
        table += method.path;
        if method.public {
            table += " PUBLIC";
        }
        for role in method.roles {
            table.extend([" ", role]);
        }
        for role in method.own {
            table.extend([" ", role, ":own"]);
        }
        table += "\n";
    }
    table
}

#[test]
fn the_rules_are_those_that_were_agreed() {
    let is = concat!(env!("CARGO_TARGET_TMPDIR"), "/access.golden");
    fs::write(is, table()).unwrap();
    let agreed = include_str!("../access.golden");
    assert!(
        table() == agreed,
        "what the contract says differs from what was agreed: `diff e2e/tests/access.golden {is}`"
    );
}
