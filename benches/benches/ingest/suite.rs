//! The suite as a process of its own, so that its memory is its own.

use std::{
    ffi::OsStr,
    path::PathBuf,
    process::Stdio,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicI64, Ordering},
    },
};

use anyhow::Context;
use flightline::{Config, Running};
use proto::{
    auth::v1::{CreateTokenRequest, auth_service_client::AuthServiceClient},
    equipment::v1::{
        CreateEquipmentRequest, Equipment, equipment_service_client::EquipmentServiceClient,
    },
    telemetry::v1::{
        CreateRuleRequest, Rule, rule::Condition, rule_service_client::RuleServiceClient,
    },
};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;
use testkit::{Postgres, World};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};
use tonic::{Request, metadata::MetadataValue, transport::Channel};

use crate::{BATCH, Engine, METRIC, RULES, bare::Store};

const PASSWORD: &str = "the password of a bench";
/// Where the first values lie: thirty days before the end of what is filled in.
pub const START: i64 = 1_700_000_000;

/// Where databases are made.
pub struct Place<'s> {
    server: Option<&'s Postgres>,
    folder: TempDir,
}

impl<'s> Place<'s> {
    pub fn new(server: Option<&'s Postgres>) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder: {error}"));
        Self { server, folder }
    }

    /// A new database.
    pub async fn fresh(&self, name: &str) -> anyhow::Result<kit::db::Config> {
        let data_dir = self.folder.path().join(name);
        let database_url = match self.server {
            None => None,
            Some(server) => {
                let mut connection = PgConnection::connect(&server.url).await?;
                connection.execute(AssertSqlSafe(format!("create database {name}"))).await?;
                Some(server.url.replace("/postgres?", &format!("/{name}?")))
            }
        };
        Ok(kit::db::Config { data_dir, database_url, database_connections: 8 })
    }
}

/// What the child process does.
#[expect(clippy::print_stdout, reason = "the parent reads it")]
pub async fn serve(arguments: &[String]) -> anyhow::Result<()> {
    let config = Config::from_arguments(arguments)?;
    let shutdown = kit::process::shutdown_on_signal()?;
    let running = Running::start(config, None, shutdown).await?;
    println!("{} {}", running.grpc_url().context("no port")?, running.metrics_url());
    running.wait().await
}

/// Calls that were answered, and how long they took in all.
pub struct Served {
    pub seconds: f64,
    pub calls: f64,
}

/// The running suite.
pub struct Child {
    process: tokio::process::Child,
    pub channel: Channel,
    url: String,
    metrics: String,
    token: RwLock<String>,
    db: kit::db::Config,
    /// The next second of reading times.
    second: AtomicI64,
}

impl Child {
    pub async fn start(db: &kit::db::Config) -> anyhow::Result<Self> {
        Self::start_under(&[], db).await
    }

    /// Has `tool`, a program and its arguments, start it.
    pub async fn start_under(tool: &[String], db: &kit::db::Config) -> anyhow::Result<Self> {
        let ours = std::env::current_exe()?;
        let mut command = Command::new(tool.first().map_or(ours.as_os_str(), OsStr::new));
        if let Some((_, arguments)) = tool.split_first() {
            command.args(arguments).arg(ours);
        }
        command
            .arg("serve")
            .args(["--http-listen=127.0.0.1:0", "--grpc-listen=127.0.0.1:0"])
            .arg("--metrics-listen=127.0.0.1:0")
            .arg(format!("--admin-password={PASSWORD}"))
            .arg(format!("--data-dir={}", db.data_dir.display()))
            .args(db.database_url.iter().map(|url| format!("--database-url={url}")))
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut process = command.spawn()?;
        let output = process.stdout.take().context("no output")?;
        let line = BufReader::new(output).lines().next_line().await?.context("it ended")?;
        let (url, metrics) = line.split_once(' ').context("two addresses")?;
        let channel = Channel::from_shared(url.to_owned())?.connect().await?;
        let child = Self {
            process,
            channel,
            url: url.to_owned(),
            metrics: metrics.to_owned(),
            token: RwLock::default(),
            db: db.clone(),
            second: AtomicI64::new(START),
        };
        child.log_in().await?;
        Ok(child)
    }

    /// A token is good for five minutes, which filling a store may take.
    async fn log_in(&self) -> anyhow::Result<()> {
        let login = CreateTokenRequest { username: "admin".into(), password: PASSWORD.into() };
        let mut auth = AuthServiceClient::new(self.channel.clone());
        let token = auth.create_token(login).await?.into_inner().access;
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = token;
        Ok(())
    }

    /// A connection of one's own.
    pub async fn connect(&self) -> anyhow::Result<Channel> {
        Ok(Channel::from_shared(self.url.clone())?.connect().await?)
    }

    pub fn request<T>(&self, message: T) -> anyhow::Result<Request<T>> {
        let mut request = Request::new(message);
        let token = self.token.read().unwrap_or_else(PoisonError::into_inner);
        let bearer = MetadataValue::try_from(format!("Bearer {token}"))?;
        request.metadata_mut().insert("authorization", bearer);
        Ok(request)
    }

    /// Registers the machines, and rules that look at every one of them and never raise.
    pub async fn set_up(&self) -> anyhow::Result<Vec<String>> {
        let mut machines = Vec::new();
        for number in 0..crate::MACHINES {
            machines.push(self.machine(&format!("Pump {number}")).await?);
        }
        let mut client = RuleServiceClient::new(self.channel.clone());
        for number in 0..RULES {
            let rule = Rule {
                name: format!("Rule {number}"),
                equipment_type: Some("pump".into()),
                metric: METRIC.into(),
                condition: Condition::Above.into(),
                threshold: Some(1e6 + f64::from(number)),
                ..Rule::default()
            };
            let request = CreateRuleRequest { rule: Some(rule), request_id: String::new() };
            client.create_rule(self.request(request)?).await?;
        }
        Ok(machines)
    }

    /// Registers a machine and answers its id.
    pub async fn machine(&self, name: &str) -> anyhow::Result<String> {
        let equipment =
            Equipment { name: name.into(), r#type: "pump".into(), ..Equipment::default() };
        let request = CreateEquipmentRequest { equipment: Some(equipment), ..Default::default() };
        let mut client = EquipmentServiceClient::new(self.channel.clone());
        Ok(client.create_equipment(self.request(request)?).await?.into_inner().id)
    }

    /// The next second that no reading was made of.
    pub fn next_second(&self) -> i64 {
        self.second.fetch_add(1, Ordering::Relaxed)
    }

    /// The second after the last that readings were made of.
    pub fn end(&self) -> i64 {
        self.second.load(Ordering::Relaxed)
    }

    /// Stores values beside the service until there are `values`, one a series and second.
    pub async fn fill(&self, machines: &[String], values: u64) -> anyhow::Result<()> {
        let world = World::new(testkit::Engine::Sqlite).await;
        let store = Store::open(&self.db, &world).await?;
        let ids = crate::bare::ids(machines)?;
        let per_second = u64::try_from(ids.len())?;
        let mut acknowledged = Vec::new();
        while u64::try_from(self.end() - START)? * per_second < values {
            let second = self.next_second();
            for (number, ids) in ids.chunks(BATCH * 10).enumerate() {
                acknowledged.push(store.batch(ids, second, number).await?);
            }
            if 64 < acknowledged.len() {
                acknowledged.remove(0).await?;
            }
        }
        for acknowledged in acknowledged {
            acknowledged.await?;
        }
        store.close().await;
        self.log_in().await
    }

    async fn metrics(&self) -> anyhow::Result<String> {
        Ok(reqwest::get(format!("{}/metrics", self.metrics)).await?.text().await?)
    }

    /// What the service itself says of its calls to `method`.
    pub async fn served(&self, method: &str) -> anyhow::Result<Served> {
        let text = self.metrics().await?;
        let number = |part: &str| -> Option<f64> {
            let begin = format!("flightline_grpc_call_seconds_{part}{{");
            let is_it = |line: &&str| line.starts_with(&begin) && line.contains(method);
            text.lines().find(is_it)?.rsplit(' ').next()?.parse().ok()
        };
        let told = number("sum").zip(number("count"));
        let (seconds, calls) = told.with_context(|| format!("nothing is told of {method}"))?;
        Ok(Served { seconds, calls })
    }

    /// Says how long sealing kept the writer waiting.
    #[expect(clippy::print_stdout, reason = "a benchmark prints what it found")]
    pub async fn tell_steps(&self, engine: Engine) -> anyhow::Result<()> {
        let text = self.metrics().await?;
        let of_seals = text.lines().filter(|line| {
            line.starts_with("flightline_transaction_seconds") && line.contains("seal readings")
        });
        let count = |part: &str| -> Option<f64> {
            let line = of_seals.clone().find(|line| line.contains(part))?;
            line.rsplit(' ').next()?.parse().ok()
        };
        let all = count("seconds_count").context("no seal was measured")?;
        let longer = all - count("le=\"0.1\"").context("no seal was measured")?;
        println!("{engine:?}: {all} seals");
        crate::tell(engine, "seals that took longer than 100 ms", longer, "", ('<', 0.0));
        Ok(())
    }

    /// The most memory that it ever had, in MB.
    pub fn memory(&self) -> anyhow::Result<f64> {
        let id = self.process.id().context("it ended")?;
        let status = std::fs::read_to_string(PathBuf::from(format!("/proc/{id}/status")))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
        let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes / 1024.0)
    }

    pub async fn stop(mut self) -> anyhow::Result<()> {
        let id = self.process.id().context("it ended")?.to_string();
        // Under a tool, the suite is the tool's child, and would outlive it.
        let kill = "kill -KILL $(cat /proc/$0/task/$0/children)";
        let killed = Command::new("sh").args(["-c", kill, &id]).stderr(Stdio::null()).status();
        if !killed.await?.success() {
            self.process.start_kill()?;
        }
        self.process.wait().await?;
        Ok(())
    }
}
