//! `flightline demo --large`: years of work in a great workshop, to look at and to measure.

mod lives;
mod workshop;

use indicatif::{ProgressBar, ProgressStyle};
use kit::Clock;
use maintenance::fill::fill;
use tokio_util::sync::CancellationToken;

use self::{lives::Lives, workshop::set_up};
use crate::{Config, Running, banner};

/// How large the workshop is.
#[derive(Clone, Debug, clap::Args)]
pub struct Size {
    /// Instead, fill the databases with years of work in a great workshop, and end
    #[arg(long)]
    large: bool,

    /// How many tasks there are and were
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000_000, requires = "large")]
    tasks: u32,

    /// How many machines
    #[arg(long, value_name = "NUMBER", default_value_t = 20_000, requires = "large",
          value_parser = clap::value_parser!(u32).range(1..=999_999))]
    machines: u32,

    /// How many technicians
    #[arg(long, value_name = "NUMBER", default_value_t = 50, requires = "large",
          value_parser = clap::value_parser!(u32).range(1..=999))]
    technicians: u32,
}

impl Size {
    /// A workshop of another size.
    pub fn new(tasks: u32, machines: u32, technicians: u32) -> Self {
        Self { large: true, tasks, machines, technicians }
    }

    /// Whether it was asked for.
    pub fn is_large(&self) -> bool {
        self.large
    }
}

/// Fills the databases of a suite that doesn't run elsewhere, and tells how to look at it.
///
/// # Errors
///
/// The suite can't start, was filled before, or the databases can't be written.
pub async fn run(config: Config, size: Size) -> anyhow::Result<()> {
    let clock = Clock::system();
    let shutdown = CancellationToken::new();
    let running = Running::start(config.clone(), None, shutdown).await?;
    banner::print(&config, &running);
    let workshop = set_up(&config, &clock, running.peers(), &size).await?;
    running.stop().await?;

    let bar = progress("tasks", size.tasks);
    let lives = Lives::new(workshop, clock.now(), size.tasks);
    let counted = |count| bar.inc(u64::try_from(count).unwrap_or_default());
    fill(&config.db, lives, counted).await?;
    bar.finish_and_clear();
    tell(&size);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "for the person who fills it")]
fn tell(size: &Size) {
    let Size { tasks, machines, technicians, .. } = size;
    println!("{tasks} tasks on {machines} machines by {technicians} technicians.");
    println!("Look at them with `flightline serve`, with the same settings.");
}

/// Shown on standard error if that is a terminal.
fn progress(of: &'static str, count: u32) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} {msg} {per_sec} {eta}");
    let bar = ProgressBar::new(u64::from(count)).with_message(of);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proto::maintenance::v1::{
        ListTasksRequest,
        task::Status::{Cancelled, Completed},
        task_service_client::TaskServiceClient,
    };

    use super::*;
    use crate::testing;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_workshop_is_filled_once_and_lives_by_the_rules() {
        let (running, config, _folder) = testing::suite().await;
        running.stop().await.unwrap();
        let size = Size::new(400, 10, 5);

        run(config.clone(), size.clone()).await.unwrap();
        let again = run(config.clone(), size).await.unwrap_err();

        assert!(again.to_string().contains("there already"), "{again}");
        let running = Running::start(config, None, CancellationToken::new()).await.unwrap();
        let mut session = testing::admin(running.peers().auth.clone()).await;
        let mut counts = HashMap::new();
        let mut client = TaskServiceClient::new(running.peers().maintenance.clone());
        let message = ListTasksRequest { page_size: 1000, ..Default::default() };
        let request = session.request(message).await.unwrap();
        for task in client.list_tasks(request).await.unwrap().into_inner().tasks {
            assert!(task.completed_at.is_none() || task.assignee_id == task.completed_by);
            *counts.entry(task.status()).or_insert(0) += 1;
        }
        assert_eq!(counts.values().sum::<i32>(), 400);
        assert!(
            counts[&Completed] > 300 && counts[&Cancelled] > 0 && counts.len() > 2,
            "{counts:?}"
        );
    }
}
