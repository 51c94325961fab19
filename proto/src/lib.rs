//! The wire contract: every message, client and server, generated from `flightline/**/*.proto`, and what the options on
//! them say: field validation ([`validate`]) and access rules ([`METHODS`]).

mod debug;
pub mod validate;

/// Logging in, and the people who do.
pub mod auth {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("flightline.auth.v1");
    }
}

/// The register of equipment.
pub mod equipment {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("flightline.equipment.v1");
    }
}

/// Work to be done and work that was done.
pub mod maintenance {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("flightline.maintenance.v1");
    }
}

/// Readings, rules and alerts.
pub mod telemetry {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("flightline.telemetry.v1");
    }
}

/// All `.proto` files as a `FileDescriptorSet` with imports, options and our comments: for reflection, the gateway's
/// routes, the OpenAPI document and tests.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The access rule of every method of every service, sorted by path.
pub const METHODS: &[Method] = include!(concat!(env!("OUT_DIR"), "/access.rs"));

/// Who may call one method, as its `flightline.options.v1.access` option says. Neither public nor with a role:
/// nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// `/package.Service/Method`.
    pub path: &'static str,
    /// Whether it takes or answers a stream: a call may then go on for long.
    pub streams: bool,
    /// Anybody may call it, with or without a token.
    pub public: bool,
    /// Names of `flightline.options.v1.Access.Role` that may call it.
    pub roles: &'static [&'static str],
    /// Names of those that may call it for what is theirs alone.
    pub own: &'static [&'static str],
    /// The path at which it is read over HTTP as a stream, if it is.
    pub watch: Option<&'static str>,
}

impl Method {
    /// The roles that the door lets in; whose the thing is, the handler sees.
    pub fn door(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.roles.iter().chain(self.own).copied()
    }
}
