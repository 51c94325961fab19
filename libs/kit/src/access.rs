//! Who may call what. The rules come from the `.proto` files; a method without one is refused to everybody.

use std::collections::HashMap;

use crate::{Error, Result};

crate::names! {
    /// What a caller is trusted with.
    pub enum Role {
        /// The commanding officer.
        Admin = "ADMIN",
        /// Does the work and records it.
        Technician = "TECHNICIAN",
        /// Reads.
        Viewer = "VIEWER",
        /// A machine that sends readings.
        Device = "DEVICE",
        /// Another service of the suite, in work that no person asked for.
        Service = "SERVICE",
    }
}

/// Who may call one method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Anybody, with or without a token.
    Public,
    /// Callers with one of these roles, though for some of them perhaps only what is theirs; nobody, if there are none.
    Roles(Vec<Role>),
}

/// The rule of every method, by path (`/package.Service/Method`), and whether it streams.
#[derive(Clone, Debug, Default)]
pub struct Rules(HashMap<&'static str, (Rule, bool)>);

/// Infrastructure that tools ask before they have a token; it tells nothing of our users' data.
const OPEN: [&str; 3] = [
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
];

impl Rules {
    /// Rules from `(path, whether it streams, public, names of the roles to let in)`, as the contract lists them.
    ///
    /// # Errors
    ///
    /// A role is not one of ours.
    pub fn new<R>(
        methods: impl IntoIterator<Item = (&'static str, bool, bool, R)>,
    ) -> anyhow::Result<Self>
    where
        R: Iterator<Item = &'static str>,
    {
        let mut by_path = HashMap::new();
        for (path, streams, public, names) in methods {
            let roles: Option<Vec<Role>> = names.map(Role::from_name).collect();
            let roles = roles.ok_or_else(|| anyhow::anyhow!("{path} names an unknown role"))?;
            let rule = if public { Rule::Public } else { Rule::Roles(roles) };
            by_path.insert(path, (rule, streams));
        }
        Ok(Self(by_path))
    }

    /// The method at `path` and its rule; `None` if there is no such method.
    pub fn find(&self, path: &str) -> Option<(&'static str, &Rule)> {
        self.0.get_key_value(path).map(|(path, (rule, _))| (*path, rule))
    }

    /// Whether a call of the method at `path` goes on for as long as both sides want.
    pub fn streams(&self, path: &str) -> bool {
        self.0.get(path).is_some_and(|(_, streams)| *streams)
    }

    /// Whether `path` belongs to health checks or reflection, which need no token.
    pub fn is_open(path: &str) -> bool {
        OPEN.iter().any(|prefix| path.starts_with(prefix))
    }
}

impl Rule {
    /// Lets a caller with `role` through or says why not.
    ///
    /// # Errors
    ///
    /// The role is not among those that may.
    pub fn check(&self, role: Role) -> Result<()> {
        match self {
            Self::Public => Ok(()),
            Self::Roles(roles) if roles.contains(&role) => Ok(()),
            Self::Roles(_) => Err(Error::Forbidden("your role may not do this")),
        }
    }
}
