//! The people and the machines of the large demo.

use anyhow::{anyhow, bail};
use auth::Secret;
use futures_util::future::try_join_all;
use kit::{
    Clock,
    peer::{Peer, Peers},
};
use proto::{
    auth::v1::{CreateUserRequest, User, user, user_service_client::UserServiceClient},
    equipment::v1::{
        CreateEquipmentRequest, Equipment, equipment::Criticality, equipment::Status as State,
        equipment_service_client::EquipmentServiceClient,
    },
};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use tonic::Status;

use super::{
    super::people::{chief, own_id},
    Size, progress,
};
use crate::{
    Config,
    session::{Pass, Session},
    sheet::names::Names,
};

/// Machines that are registered at once.
const AT_ONCE: u32 = 16;

/// Who works there, and on what.
pub struct Workshop {
    pub chief: String,
    pub technicians: Vec<String>,
    pub machines: Vec<Machine>,
}

pub struct Machine {
    pub id: String,
    pub kind: &'static Kind,
}

/// A family of machines, and what is done to it.
pub struct Kind {
    name: &'static str,
    pub title: &'static str,
    maker: &'static str,
    pub parts: [&'static str; 5],
}

static KINDS: [Kind; 8] = [
    Kind {
        name: "pump",
        title: "Pump",
        maker: "Aqualine",
        parts: ["seal", "bearing", "impeller", "coupling", "strainer"],
    },
    Kind {
        name: "compressor",
        title: "Compressor",
        maker: "Borealis",
        parts: ["valve", "air filter", "belt", "piston ring", "drain"],
    },
    Kind {
        name: "generator",
        title: "Generator",
        maker: "Voltaire",
        parts: ["injector", "brush", "fuel filter", "regulator", "battery"],
    },
    Kind {
        name: "truck",
        title: "Truck",
        maker: "Karst",
        parts: ["brake pad", "tyre", "alternator", "clutch", "headlight"],
    },
    Kind {
        name: "fan",
        title: "Fan",
        maker: "Zephyr",
        parts: ["blade", "belt", "bearing", "guard", "damper"],
    },
    Kind {
        name: "crane",
        title: "Crane",
        maker: "Atlas & Son",
        parts: ["hook", "wire rope", "limit switch", "hoist brake", "pendant"],
    },
    Kind {
        name: "boiler",
        title: "Boiler",
        maker: "Calor",
        parts: ["burner", "gauge glass", "safety valve", "feed pump", "insulation"],
    },
    Kind {
        name: "lathe",
        title: "Lathe",
        maker: "Praga",
        parts: ["chuck", "spindle", "coolant pump", "tailstock", "way cover"],
    },
];

const FIRST_NAMES: [&str; 10] =
    ["Ana", "Ben", "Chen", "Dora", "Emeka", "Freya", "Goran", "Hana", "Ivo", "Jana"];
const LAST_NAMES: [&str; 7] = ["Ruiz", "Okoro", "Li", "Novak", "Haddad", "Larsen", "Marković"];

/// Has the people and the machines made as everybody would.
pub async fn set_up(
    config: &Config,
    clock: &Clock,
    peers: &Peers,
    size: &Size,
) -> anyhow::Result<Workshop> {
    let refused = |status: Status| anyhow!("can't set the workshop up: {}", status.message());
    let mut chief = chief(&config.db, clock, peers).await?;
    let names =
        Names::load_from(&mut chief, &peers.equipment, &peers.auth).await.map_err(refused)?;
    if names.equipment_numbered(&number(0)).is_some() {
        bail!("the workshop is there already: fill another data folder or database");
    }
    let id = own_id(&mut chief, peers).await?;
    let technicians = technicians(&mut chief, peers, size.technicians, &names).await;
    let machines = machines(&mut chief, peers, size.machines).await.map_err(refused)?;
    Ok(Workshop { chief: id, technicians: technicians.map_err(refused)?, machines })
}

/// Their accounts have passwords that nobody knows.
async fn technicians(
    chief: &mut Session,
    peers: &Peers,
    count: u32,
    known: &Names,
) -> Result<Vec<String>, Status> {
    let mut client = UserServiceClient::new(peers.auth.clone());
    let mut ids = Vec::new();
    for (number, (first, last)) in people().take(count as usize).enumerate() {
        let username = format!("technician-{number:03}");
        if let Some(id) = known.person(&username) {
            ids.push(id.to_owned());
            continue;
        }
        let user = User {
            email: format!("{username}@demo.invalid"),
            username,
            full_name: format!("{first} {last}"),
            role: user::Role::Technician.into(),
            password: Some(password()?.reveal().to_owned()),
            ..Default::default()
        };
        let message = CreateUserRequest { user: Some(user), ..Default::default() };
        let request = chief.request(message).await?;
        ids.push(client.create_user(request).await?.into_inner().id);
    }
    Ok(ids)
}

fn password() -> Result<Secret, Status> {
    Secret::random().map_err(|error| Status::internal(error.to_string()))
}

/// More names than there are of either.
fn people() -> impl Iterator<Item = (&'static str, &'static str)> {
    FIRST_NAMES.into_iter().cycle().zip(LAST_NAMES.into_iter().cycle())
}

fn number(index: u32) -> String {
    format!("WS-{index:06}")
}

async fn machines(chief: &mut Session, peers: &Peers, count: u32) -> Result<Vec<Machine>, Status> {
    let bar = progress("machines", count);
    let mut random = StdRng::seed_from_u64(1);
    let client = EquipmentServiceClient::new(peers.equipment.clone());
    let mut machines = Vec::new();
    // The first stands for all of them: it comes last, when the others are there.
    let indexes: Vec<u32> = (1..count).chain([0]).collect();
    for some in indexes.chunks(AT_ONCE as usize) {
        let pass = chief.pass().await?;
        let wanted: Vec<_> = some.iter().map(|index| machine(*index, &mut random)).collect();
        let made = wanted.iter().map(|(kind, wanted)| {
            let (pass, mut client) = (&pass, client.clone());
            async move {
                let id = register(&mut client, pass, wanted.clone()).await?;
                Ok::<_, Status>(Machine { id, kind })
            }
        });
        machines.extend(try_join_all(made).await?);
        bar.inc(u64::try_from(some.len()).unwrap_or_default());
    }
    bar.finish_and_clear();
    Ok(machines)
}

async fn register(
    client: &mut EquipmentServiceClient<Peer>,
    pass: &Pass,
    equipment: Equipment,
) -> Result<String, Status> {
    // A filling that was broken off goes on where it was.
    let request_id = format!("workshop-{}", equipment.serial_number);
    let message =
        CreateEquipmentRequest { equipment: Some(equipment), request_id, ..Default::default() };
    Ok(client.create_equipment(pass.request(message)).await?.into_inner().id)
}

fn machine(index: u32, random: &mut StdRng) -> (&'static Kind, Equipment) {
    let kind = &KINDS[index as usize % KINDS.len()];
    let criticality =
        [Criticality::Low, Criticality::Medium, Criticality::Medium, Criticality::High];
    let state = match random.random_range(0..100) {
        0 => State::Down,
        1..3 => State::Maintenance,
        3..6 => State::Degraded,
        6..12 => State::Standby,
        _ => State::Operational,
    };
    let (hall, model) = (random.random_range(1..=60), random.random_range(1..=9) * 100);
    let year = random.random_range(2005..=2025);
    let (month, day) = (random.random_range(1..=12), random.random_range(1..=28));
    let equipment = Equipment {
        name: format!("{} {index}", kind.title),
        r#type: kind.name.into(),
        model: format!("{}-{model}", kind.title.to_uppercase().chars().next().unwrap_or('X')),
        manufacturer: kind.maker.into(),
        serial_number: number(index),
        location: format!("Hall {hall}"),
        status: state.into(),
        criticality: criticality.choose(random).copied().unwrap_or_default().into(),
        installation_date: Some(format!("{year}-{month:02}-{day:02}")),
        attributes: [("workshop".to_owned(), "true".to_owned())].into(),
        ..Default::default()
    };
    (kind, equipment)
}
