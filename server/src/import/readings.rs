//! `flightline import FILE`: readings from a CSV file, sent to a running suite.

use std::{io::Read, path::PathBuf, process::ExitCode};

use anyhow::anyhow;
use indicatif::ProgressBar;
use kit::peer::Peer;
use proto::{
    equipment::v1::{GetEquipmentRequest, equipment_service_client::EquipmentServiceClient},
    telemetry::v1::telemetry_service_client::TelemetryServiceClient,
};
use tokio::sync::mpsc;
use tonic::Code;
use uuid::Uuid;

use super::{
    SOME_REFUSED, counted,
    file::{is_standard_input, open, progress},
    login::Client,
    problem::{Problem, tell},
    rows::{Columns, Row, Rows},
    sender::Sender,
};
use crate::session::Session;

/// Send readings from a CSV file to a running suite
///
/// Lines that are no reading are named on standard error, and the rest goes in. Answers 0 if every line went in, 2 if
/// some were refused, 1 if it had to stop.
#[derive(clap::Args)]
pub struct Readings {
    /// CSV file with a header line; `-` reads standard input
    file: PathBuf,

    /// The equipment's id
    #[arg(long, value_name = "ID")]
    equipment: Uuid,

    /// Name of the metric, such as `temperature`
    #[arg(long, value_name = "NAME", value_parser = metric)]
    metric: String,

    /// Column of the times: RFC 3339, `YYYY-MM-DD HH:MM:SS` in UTC, or seconds since the epoch
    #[arg(long, default_value = "timestamp", value_name = "NAME")]
    time_column: String,

    /// Column of the values
    #[arg(long, default_value = "value", value_name = "NAME")]
    value_column: String,

    /// Readings that are sent at a time
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    batch: u16,

    #[command(flatten)]
    client: Client,
}

impl Readings {
    /// Sends the file.
    ///
    /// # Errors
    ///
    /// The file or the suite can't be reached, or gave up underway; the message says how far it came.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let (mut session, server) = self.client.log_in(is_standard_input(&self.file)).await?;
        check_equipment(&mut session, server.clone(), self.equipment).await?;

        let columns = Columns { time: self.time_column, value: self.value_column };
        let (input, size) = open(&self.file)?;
        let rows = Rows::new(input, columns.clone())?;
        let sender = Sender {
            telemetry: TelemetryServiceClient::new(server),
            session,
            equipment_id: self.equipment.to_string(),
            metric: self.metric,
            columns,
        };
        let tally = send_all(rows, self.batch.into(), sender, &progress(size)).await?;
        tally.tell();
        Ok(if tally.refused == 0 { ExitCode::SUCCESS } else { SOME_REFUSED.into() })
    }
}

/// Checks the name of a metric as the service does.
fn metric(text: &str) -> Result<String, &'static str> {
    let is_named = text.starts_with(|first: char| first.is_ascii_lowercase()) && text.len() <= 64;
    let is_plain = text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if is_named && is_plain {
        Ok(text.to_owned())
    } else {
        Err("a lower-case letter, then up to 63 lower-case letters, digits or _")
    }
}

/// Better one sentence now than one for every line.
async fn check_equipment(session: &mut Session, server: Peer, id: Uuid) -> anyhow::Result<()> {
    let request = session.request(GetEquipmentRequest { id: id.to_string() }).await?;
    match EquipmentServiceClient::new(server).get_equipment(request).await {
        Err(status) if status.code() == Code::NotFound => {
            Err(anyhow!("there is no equipment {id}"))
        }
        Err(status) => Err(anyhow!("can't look up the equipment: {}", status.message())),
        Ok(_) => Ok(()),
    }
}

/// Some lines of the file.
#[derive(Default)]
struct Batch {
    rows: Vec<Row>,
    problems: Vec<Problem>,
    /// Where in the file it ends.
    end: u64,
}

/// How much of the file went in.
#[derive(Default)]
struct Tally {
    accepted: usize,
    refused: usize,
}

/// Reads and sends side by side, in the order of the lines.
async fn send_all(
    rows: Rows<Box<dyn Read + Send>>,
    size: usize,
    mut sender: Sender,
    bar: &ProgressBar,
) -> anyhow::Result<Tally> {
    let (batches, mut receiver) = mpsc::channel(2);
    let reader = tokio::task::spawn_blocking(move || read_all(rows, size, &batches));

    let mut tally = Tally::default();
    while let Some(Batch { rows, mut problems, end }) = receiver.recv().await {
        if let Some(first) = rows.first() {
            let refused = sender.send(&rows).await.map_err(|status| {
                let (line, accepted) = (first.line, counted(tally.accepted, "reading"));
                anyhow!("stopped at line {line} after {accepted}: {}", status.message())
            })?;
            tally.accepted += rows.len() - refused.len();
            problems.extend(refused);
            problems.sort_by_key(|problem| problem.line);
        }
        tally.refused += problems.len();
        bar.suspend(|| tell(&problems));
        bar.set_position(end);
    }
    bar.finish_and_clear();
    reader.await?.map_err(|error| {
        let accepted = counted(tally.accepted, "reading");
        anyhow!("stopped after {accepted}: can't read the file further: {error}")
    })?;
    Ok(tally)
}

fn read_all(
    mut rows: Rows<Box<dyn Read + Send>>,
    size: usize,
    batches: &mpsc::Sender<Batch>,
) -> csv::Result<()> {
    let mut batch = Batch::default();
    while let Some(row) = rows.next()? {
        match row {
            Ok(row) => batch.rows.push(row),
            Err(problem) => batch.problems.push(problem),
        }
        if batch.rows.len() + batch.problems.len() == size {
            batch.end = rows.byte();
            if batches.blocking_send(std::mem::take(&mut batch)).is_err() {
                // The sender has given up and says why.
                return Ok(());
            }
        }
    }
    batch.end = rows.byte();
    // As above.
    let _ = batches.blocking_send(batch);
    Ok(())
}

impl Tally {
    #[expect(clippy::print_stdout, reason = "for the person who runs the import")]
    fn tell(&self) {
        let (accepted, refused) =
            (counted(self.accepted, "reading"), counted(self.refused, "line"));
        println!("{accepted} accepted, {refused} refused");
    }
}
