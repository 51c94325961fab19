//! Waiting for what happens in its own time.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until there is an answer, and stops the test if there is none in half a minute.
///
/// # Panics
///
/// There is none.
pub async fn eventually<T, F>(what: &str, ask: impl Fn() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < give_up, "{what}: it never happened");
        sleep(Duration::from_millis(20)).await;
    }
}
