//! `flightline demo`: the whole suite, and a small fleet that lives in it. Machines measure, fail and are repaired by
//! three technicians; all of them are clients with tokens of their own, and all that is told is what the services say.
//!
//! Only equipment that carries the demo's own attribute is touched, so the demo may run beside real data.

mod assets;
mod events;
mod fleet;
mod kind;
pub mod large;
mod machine;
mod people;
mod play;
mod story;
mod technician;

use std::pin::pin;

use kit::Clock;
use tokio_util::sync::CancellationToken;

use self::{people::People, play::Play, story::Story};
use crate::{Config, Running, banner};

/// Runs the suite and its fleet until `shutdown` is cancelled.
///
/// # Errors
///
/// The suite can't start or ends by itself, or the fleet can't be set up in it.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let clock = Clock::system();
    let running = Running::start(config.clone(), None, shutdown.clone()).await?;
    banner::print(&config, &running);

    let story = Story::new(clock.clone());
    let people = People::set_up(&config.db, &clock, running.peers()).await?;
    let play = Play::set_up(people, running.peers().clone(), clock, story).await?;
    let mut suite = pin!(running.wait());
    tokio::select! {
        ended = &mut suite => return ended,
        never = play.run() => match never {},
        () = shutdown.cancelled() => {}
    }
    suite.await
}
