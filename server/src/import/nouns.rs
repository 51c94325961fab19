//! `flightline import equipment|tasks|maintenance`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::anyhow;

use super::{
    SOME_REFUSED, counted,
    file::{is_standard_input, open},
    login::Client,
    plan::{Plan, without},
    problem::{Problem, tell},
    write::Writer,
};
use crate::sheet::{Noun, names::Names};

/// How a file of equipment, tasks or maintenance records is imported
///
/// Every line is checked before the first is written, by the suite, too; if one is bad, nothing is written. Columns that are
/// the service's to give (`etag`, times) are read over, so what was exported can be imported elsewhere. An import only adds:
/// a line whose `id` is in this suite is refused. To send a file again doubles nothing for a day, and equipment with a serial
/// number never. Answers 0 if every line went in, 2 if some were refused, 1 if
/// it had to stop.
#[derive(clap::Args)]
pub struct Options {
    /// CSV file with a header line, in UTF-8; `-` reads standard input
    file: PathBuf,

    /// Only say what is wrong with the file
    #[arg(long)]
    dry_run: bool,

    /// Write the good lines even if others are bad
    #[arg(long)]
    keep_good: bool,

    #[command(flatten)]
    client: Client,
}

/// How a file of maintenance records is imported
#[derive(clap::Args)]
pub struct Records {
    #[command(flatten)]
    options: Options,

    /// Read over `task_id`, and complete no task: for records of another suite's tasks
    #[arg(long)]
    without_tasks: bool,
}

impl Records {
    /// Sends the file.
    ///
    /// # Errors
    ///
    /// As of [`Options::run`].
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let left_out: &[&str] = if self.without_tasks { &["task_id"] } else { &[] };
        self.options.run(Noun::Maintenance, left_out).await
    }
}

impl Options {
    /// Sends the file without the columns that are `left_out`.
    ///
    /// # Errors
    ///
    /// The file or the suite can't be reached, or gave up underway; the message says how far it came.
    pub async fn run(self, noun: Noun, left_out: &[&str]) -> anyhow::Result<ExitCode> {
        let (mut session, server) = self.client.log_in(is_standard_input(&self.file)).await?;
        let names = Names::load(&mut session, &server).await;
        let names =
            names.map_err(|status| anyhow!("can't read the register: {}", status.message()))?;
        let input = open(&self.file)?.0;
        let Plan { mut steps, mut problems, there } = Plan::of(noun, input, &names, left_out)?;
        let mut writer = Writer::new(noun, session, &server);
        writer.check(&mut steps, &mut problems).await?;
        problems.sort_by_key(|problem| problem.line);
        tell(&problems);
        let mut steps = without(steps, &problems);
        for step in &steps {
            tell(&step.draft.notes);
        }
        let mut refused = lines(&problems);
        let mut count = steps.len();
        let is_writing = !self.dry_run && (problems.is_empty() || self.keep_good);
        if is_writing {
            // Since they were checked, somebody may have done something.
            let found = writer.write(&mut steps).await?;
            tell(&found);
            count -= lines(&found);
            refused += lines(&found);
        }
        let repeated = steps.iter().filter(|step| step.is_there).count();
        let (count, there) = (counted(count - repeated, "line"), there + repeated);
        let verb = if is_writing { "written" } else { "could be written, and none was" };
        conclude(&format!("{count} {verb}, {there} already there, {refused} refused"));
        Ok(if refused == 0 { ExitCode::SUCCESS } else { SOME_REFUSED.into() })
    }
}

/// How many lines have problems.
fn lines(problems: &[Problem]) -> usize {
    let mut lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
    lines.sort_unstable();
    lines.dedup();
    lines.len()
}

#[expect(clippy::print_stdout, reason = "for the person who runs the import")]
fn conclude(words: &str) {
    println!("{words}");
}
