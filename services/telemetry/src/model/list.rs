//! What one page of a list looks at.

use kit::{Db, Timestamp, db::Tx};
use proto::telemetry::v1 as pb;

use super::{call, service};
use crate::{
    SCHEMA,
    domain::{
        chunk::{Chunk, Row},
        reading::EquipmentId,
    },
    rpc::{self, Service},
    store,
};

/// More than one page passes by, and more than it reads.
const MACHINES: usize = 2100;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

/// Makes a series, and answers its number.
async fn make(tx: &mut Tx, id: EquipmentId, metric: &str) -> i64 {
    store::reading::insert_series(tx, &[(id, metric.to_owned())]).await.unwrap()[0].id
}

/// Machines that measured at the first second and at the hundredth; the last one in between, too.
async fn fill(db: &Db) {
    let mut tx = db.begin("fill").await.unwrap();
    let mut chunks = Vec::new();
    for machine in 1..=MACHINES {
        let id = EquipmentId::new();
        let id = make(&mut tx, id, "a").await;
        let times = if machine == MACHINES { &[1, 15, 100][..] } else { &[1, 100] };
        let rows: Vec<_> = times.iter().map(|time| Row::new(at(*time), Some(1.0), at(0))).collect();
        chunks.push((id, Chunk::seal(&rows).unwrap().unwrap()));
    }
    store::chunk::insert(&mut tx, &chunks).await.unwrap();
    tx.commit().await.unwrap();
}

/// How many readings each page has.
async fn pages(service: &Service, (from, to): (i64, i64)) -> Vec<usize> {
    let (mut pages, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListReadingsRequest {
            start_time: Some(at(from).into()),
            end_time: Some(at(to).into()),
            page_size: 1000,
            page_token,
            ..Default::default()
        };
        let page = rpc::reading::list(service, call(request)).await.unwrap();
        pages.push(page.readings.len());
        page_token = page.next_page_token;
        assert!(pages.len() < 10, "it goes in a circle: {pages:?}");
        if page_token.is_empty() {
            return pages;
        }
    }
}

testkit::both! {
    async fn a_page_looks_at_a_limited_number_of_machines_and_the_next_goes_on(world: World) {
        let db = SCHEMA.open(&world.db).await.unwrap();
        let service = service(&world, &db);
        fill(&db).await;

        assert_eq!(pages(&service, (200, 300)).await, [0, 0], "what has nothing there is passed by");
        assert_eq!(pages(&service, (10, 20)).await, [0, 1], "what may have something is read");
        assert_eq!(pages(&service, (0, 50)).await, [1000, 1000, 101]);
        assert_eq!(pages(&service, (90, 200)).await, [1000, 1000, 100]);
    }

    async fn a_machine_with_more_series_than_a_page_reads_is_passed_by(world: World) {
        let db = SCHEMA.open(&world.db).await.unwrap();
        let service = service(&world, &db);
        let mut ids = [EquipmentId::new(), EquipmentId::new()];
        ids.sort();
        let mut tx = db.begin("fill").await.unwrap();
        let mut chunks = Vec::new();
        for (id, metrics) in ids.into_iter().zip([MACHINES, 1]) {
            for metric in 0..metrics {
                let metric = format!("m{metric}");
                let id = make(&mut tx, id, &metric).await;
                let rows = [Row::new(at(1), Some(1.0), at(0)), Row::new(at(2), Some(1.0), at(0))];
                chunks.push((id, Chunk::seal(&rows).unwrap().unwrap()));
            }
        }
        store::chunk::insert(&mut tx, &chunks).await.unwrap();
        tx.commit().await.unwrap();

        assert_eq!(pages(&service, (0, 50)).await, [2, 2]);
    }
}
