//! `flightline export`: what a running suite holds, as CSV files that `flightline import` reads.

mod output;

use std::{collections::BTreeSet, io, path::PathBuf};

use anyhow::anyhow;
use indicatif::ProgressBar;
use kit::peer::Peer;
use prost_reflect::{DynamicMessage, FieldDescriptor, MapKey};
use proto::{
    equipment::v1::{ListEquipmentRequest, equipment_service_client::EquipmentServiceClient},
    maintenance::v1::{
        ListMaintenanceRequest, ListTasksRequest,
        maintenance_service_client::MaintenanceServiceClient,
        task_service_client::TaskServiceClient,
    },
    telemetry::v1::{ListReadingsRequest, telemetry_service_client::TelemetryServiceClient},
};
use tonic::Status;
use uuid::Uuid;

use self::output::Output;
use crate::{
    import::Client,
    session::Session,
    sheet::{
        Noun, Reference, cell,
        names::{LARGEST, Names},
    },
};

const PAGE: i32 = 1000;

/// What to write.
#[derive(clap::Subcommand)]
pub enum Export {
    /// Write all equipment, also what is decommissioned
    Equipment(Target),
    /// Write all tasks
    Tasks(Target),
    /// Write all maintenance records
    Maintenance(Target),
    /// Write the readings of one metric of one piece of equipment
    Readings {
        /// The equipment's id
        #[arg(long, value_name = "ID")]
        equipment: Uuid,

        /// Name of the metric, such as `temperature`
        #[arg(long, value_name = "NAME")]
        metric: String,

        #[command(flatten)]
        target: Target,
    },
}

/// Where it is written, and whose.
#[derive(clap::Args)]
pub struct Target {
    /// CSV file, which is replaced when all is read; `-` writes to standard output
    #[arg(default_value = "-")]
    file: PathBuf,

    #[command(flatten)]
    client: Client,
}

impl Export {
    /// Writes it, or as much as is read of it.
    ///
    /// # Errors
    ///
    /// The file can't be written, or the suite can't be reached or refuses.
    pub async fn run(self) -> anyhow::Result<()> {
        match self.write().await {
            Err(error) if is_unread(&error) => Ok(()),
            done => done,
        }
    }

    async fn write(self) -> anyhow::Result<()> {
        let (noun, target) = match self {
            Self::Readings { equipment, metric, target } => {
                return readings(equipment, metric, target).await;
            }
            Self::Equipment(target) => (Noun::Equipment, target),
            Self::Tasks(target) => (Noun::Tasks, target),
            Self::Maintenance(target) => (Noun::Maintenance, target),
        };
        let (mut session, server) = target.client.log_in(false).await?;
        let names = Names::load(&mut session, &server).await.map_err(|status| away(&status))?;
        let mut pages = Pages { noun, session, server, token: None };
        let columns = pages.columns().await?;
        let mut output = Output::open(&target.file)?;
        output.rows.write_record(columns.iter().map(Field::name))?;
        let bar = ProgressBar::new_spinner().with_message(noun.name());
        while let Some(rows) = pages.next().await? {
            for row in &rows {
                output
                    .rows
                    .write_record(columns.iter().map(|column| column.text(noun, row, &names)))?;
            }
            bar.inc(u64::try_from(rows.len()).unwrap_or_default());
        }
        bar.finish_and_clear();
        output.finish()
    }
}

/// Whether who reads the output has seen enough, as `head` does.
fn is_unread(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let of_sheet = cause.downcast_ref::<csv::Error>().and_then(|error| match error.kind() {
            csv::ErrorKind::Io(error) => Some(error),
            _ => None,
        });
        let error = of_sheet.or_else(|| cause.downcast_ref::<io::Error>());
        error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

fn away(status: &Status) -> anyhow::Error {
    anyhow!("can't read on: {}", status.message())
}

/// What a column of the file has.
struct Field {
    field: FieldDescriptor,
    /// Of a map.
    key: Option<String>,
}

impl Field {
    fn name(&self) -> String {
        let of_key = self.key.as_ref().map(|key| format!(".{key}"));
        format!("{}{}", self.field.name(), of_key.unwrap_or_default())
    }

    fn text(&self, noun: Noun, row: &DynamicMessage, names: &Names) -> String {
        let text = cell::write(row, &self.field, self.key.as_deref());
        match noun.reference(self.field.name()) {
            Some(Reference::Equipment) if !text.is_empty() => names.of_equipment(&text),
            Some(Reference::Person) if !text.is_empty() => names.of_person(&text),
            _ => text,
        }
    }
}

/// A list, page by page.
struct Pages {
    noun: Noun,
    session: Session,
    server: Peer,
    /// Of the next page; none before the first, empty after the last.
    token: Option<String>,
}

impl Pages {
    /// The columns of the file: of a map, one for each key that some row has.
    async fn columns(&mut self) -> anyhow::Result<Vec<Field>> {
        let mut columns = Vec::new();
        for field in self.noun.fields() {
            if !field.is_map() {
                columns.push(Field { field, key: None });
                continue;
            }
            let mut keys = BTreeSet::new();
            while let Some(rows) = self.next().await? {
                for row in &rows {
                    let value = row.get_field(&field);
                    let map = value.as_map().into_iter().flat_map(|map| map.keys());
                    keys.extend(map.filter_map(MapKey::as_str).map(str::to_owned));
                }
            }
            self.token = None;
            columns
                .extend(keys.into_iter().map(|key| Field { field: field.clone(), key: Some(key) }));
        }
        Ok(columns)
    }

    async fn next(&mut self) -> anyhow::Result<Option<Vec<DynamicMessage>>> {
        let page_token = self.token.clone().unwrap_or_default();
        if self.token.is_some() && page_token.is_empty() {
            return Ok(None);
        }
        let (rows, token) = self.page(page_token).await.map_err(|status| away(&status))?;
        self.token = Some(token);
        Ok(Some(rows))
    }

    async fn page(&mut self, page_token: String) -> Result<(Vec<DynamicMessage>, String), Status> {
        let (page_size, peer) = (PAGE, self.server.clone());
        Ok(match self.noun {
            Noun::Equipment => {
                let message = ListEquipmentRequest {
                    page_size,
                    page_token,
                    show_deleted: true,
                    ..Default::default()
                };
                let request = self.session.request(message).await?;
                let page = EquipmentServiceClient::new(peer)
                    .max_decoding_message_size(LARGEST)
                    .list_equipment(request)
                    .await?;
                let page = page.into_inner();
                (self.rows(&page.equipment), page.next_page_token)
            }
            Noun::Tasks => {
                let message = ListTasksRequest { page_size, page_token, ..Default::default() };
                let request = self.session.request(message).await?;
                let mut client = TaskServiceClient::new(peer).max_decoding_message_size(LARGEST);
                let page = client.list_tasks(request).await?.into_inner();
                (self.rows(&page.tasks), page.next_page_token)
            }
            Noun::Maintenance => {
                let message =
                    ListMaintenanceRequest { page_size, page_token, ..Default::default() };
                let request = self.session.request(message).await?;
                let page = MaintenanceServiceClient::new(peer)
                    .max_decoding_message_size(LARGEST)
                    .list_maintenance(request)
                    .await?;
                let page = page.into_inner();
                (self.rows(&page.records), page.next_page_token)
            }
        })
    }

    fn rows(&self, messages: &[impl prost::Message]) -> Vec<DynamicMessage> {
        let row = |message| {
            let mut row = self.noun.message();
            // Both are of the same contract.
            row.transcode_from(message).is_ok().then_some(row)
        };
        messages.iter().filter_map(row).collect()
    }
}

/// As `flightline import FILE` reads them.
async fn readings(equipment: Uuid, metric: String, target: Target) -> anyhow::Result<()> {
    let (mut session, server) = target.client.log_in(false).await?;
    let mut client = TelemetryServiceClient::new(server).max_decoding_message_size(LARGEST);
    let mut message = ListReadingsRequest {
        equipment_id: Some(equipment.to_string()),
        metric: metric.clone(),
        page_size: PAGE,
        ..Default::default()
    };
    let mut output = Output::open(&target.file)?;
    output.rows.write_record(["timestamp", "value"])?;
    let bar = ProgressBar::new_spinner().with_message("readings");
    loop {
        let request = session.request(message.clone()).await.map_err(|status| away(&status))?;
        let page =
            client.list_readings(request).await.map_err(|status| away(&status))?.into_inner();
        for reading in &page.readings {
            let at = reading.recorded_at.map(cell::instant).unwrap_or_default();
            if let Some(value) = reading.metrics.get(&metric) {
                output.rows.write_record([at, value.to_string()])?;
            }
        }
        bar.inc(u64::try_from(page.readings.len()).unwrap_or_default());
        if page.next_page_token.is_empty() {
            break;
        }
        message.page_token = page.next_page_token;
    }
    bar.finish_and_clear();
    output.finish()
}
