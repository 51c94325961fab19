//! What every test needs: a world of its own with a fresh database, a clock that stands still, callers of every role
//! and real servers on free ports.
#![expect(clippy::unwrap_used, reason = "a broken test rig should stop the test")]

mod access;
pub mod canary;
mod clock;
mod eventually;
mod link;
mod pages;
mod plan;
mod port;
mod postgres;
mod users;
mod world;

pub use access::assert_access;
pub use canary::{OTHER_PASSWORD, PASSWORD, SERVICE_SECRET};
pub use clock::FrozenClock;
pub use eventually::eventually;
pub use link::Link;
pub use pages::assert_pages;
pub use plan::{Plan, Plans};
pub use port::free_port;
pub use postgres::Postgres;
pub use users::{Bearer, Issuer, User};
pub use world::{Engine, Server, World};

/// Defines tests that run once on each engine, as `<name>::sqlite` and `<name>::postgres`.
///
/// ```text
/// testkit::both! {
///     async fn a_serial_number_is_registered_once(world: World) { … }
/// }
/// ```
#[macro_export]
macro_rules! both {
    ($($(#[$attribute:meta])* async fn $name:ident($world:ident: World) $body:block)+) => {$(
        mod $name {
            use super::*;

            $(#[$attribute])*
            async fn run($world: $crate::World) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                run($crate::World::new($crate::Engine::Sqlite).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                run($crate::World::new($crate::Engine::Postgres).await).await;
            }
        }
    )+};
}
