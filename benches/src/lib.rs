//! What the benchmarks share: a suite at work on a folder of its own, and somebody who calls it.

use std::{path::Path, time::Duration};

use anyhow::Context;
use flightline::{Config, Running};
use gateway::Gateway;
use kit::peer::Peers;
use proto::{
    auth::v1::{CreateTokenRequest, auth_service_client::AuthServiceClient},
    equipment::v1::{
        CreateEquipmentRequest, Equipment, equipment_service_client::EquipmentServiceClient,
    },
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tonic::{Request, metadata::MetadataValue, transport::Channel};

/// The whole suite on embedded databases, called by its first admin.
pub struct Site {
    running: Running,
    gateway: Gateway,
    token: String,
    folder: Option<TempDir>,
}

const PASSWORD: &str = "the password of a bench";

/// Settings for free ports, and data in `folder` or on the server `database_url`.
///
/// # Errors
///
/// The folder has no name.
pub fn config(folder: &Path, database_url: Option<&str>) -> anyhow::Result<Config> {
    let data = folder.to_str().context("the folder has a name")?;
    let mut arguments = vec![
        "--http-listen=127.0.0.1:0".to_owned(),
        "--grpc-listen=127.0.0.1:0".to_owned(),
        "--metrics-listen=127.0.0.1:0".to_owned(),
        format!("--admin-password={PASSWORD}"),
        format!("--data-dir={data}"),
    ];
    arguments.extend(database_url.map(|url| format!("--database-url={url}")));
    Ok(Config::from_arguments(arguments)?)
}

impl Site {
    /// Starts it on free ports.
    ///
    /// # Errors
    ///
    /// It doesn't start.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let site = Self::on(config(folder.path(), None)?).await?;
        Ok(Self { folder: Some(folder), ..site })
    }

    /// Starts it on data that stays.
    ///
    /// # Errors
    ///
    /// It doesn't start.
    pub async fn on(config: Config) -> anyhow::Result<Self> {
        let running = Running::start(config, None, CancellationToken::new()).await?;
        let gateway = gateway::service(running.peers())?;
        let mut site = Self { running, gateway, token: String::new(), folder: None };
        site.log_in().await?;
        Ok(site)
    }

    /// Logs in again: a token is good for five minutes.
    ///
    /// # Errors
    ///
    /// The call failed.
    pub async fn log_in(&mut self) -> anyhow::Result<()> {
        let login = CreateTokenRequest { username: "admin".into(), password: PASSWORD.into() };
        let mut auth = AuthServiceClient::new(self.peers().auth.clone());
        self.token = auth.create_token(login).await?.into_inner().access;
        Ok(())
    }

    /// Stops it, and answers the folder of its data.
    ///
    /// # Errors
    ///
    /// What went wrong at the end, or the folder is somebody else's.
    pub async fn stop(self) -> anyhow::Result<TempDir> {
        self.running.stop().await?;
        self.folder.context("the folder is not of its own")
    }

    /// The services over the network, as strangers come.
    ///
    /// # Errors
    ///
    /// There is no connection.
    pub async fn channel(&self) -> anyhow::Result<Channel> {
        let url = self.running.grpc_url().context("the suite has a gRPC port")?;
        Ok(Channel::from_shared(url)?.connect().await?)
    }

    /// The services, without a socket.
    pub fn peers(&self) -> &Peers {
        self.running.peers()
    }

    /// The REST surface, without a socket.
    pub fn gateway(&self) -> Gateway {
        self.gateway.clone()
    }

    /// The `Authorization` of the admin.
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// A request by the admin.
    ///
    /// # Errors
    ///
    /// The token can't be sent; it always can.
    pub fn request<T>(&self, message: T) -> anyhow::Result<Request<T>> {
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("authorization", MetadataValue::try_from(self.authorization())?);
        Ok(request)
    }

    /// Registers a machine and answers its id.
    ///
    /// # Errors
    ///
    /// The call failed.
    pub async fn machine(&self, name: &str) -> anyhow::Result<String> {
        let equipment =
            Equipment { name: name.into(), r#type: "pump".into(), ..Equipment::default() };
        let request = CreateEquipmentRequest { equipment: Some(equipment), ..Default::default() };
        let mut client = EquipmentServiceClient::new(self.peers().equipment.clone());
        Ok(client.create_equipment(self.request(request)?).await?.into_inner().id)
    }
}

/// CPU time that this process has used, in steps of ten milliseconds.
///
/// # Errors
///
/// There is no `/proc`.
pub fn cpu_time() -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // After the command, which may hold spaces: fields 14 and 15, user and system, in hundredths of a second.
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: Vec<u64> = fields.skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(Duration::from_millis(ticks.iter().sum::<u64>() * 10))
}
