//! Bytes on disk of a stored value, once all is sealed.

use kit::{Timestamp, uuid::Uuid};
use testkit::World;

use crate::{
    Engine,
    bare::Store,
    suite::{Place, START},
    tell,
};

/// Values of a series and series.
const VALUES: usize = 20_000;
const SERIES: usize = 50;
const BYTES: f64 = 8.0;

pub async fn measure(engine: Engine, place: &Place<'_>) -> anyhow::Result<()> {
    let walk = store(place, "walk", random_walk).await?;
    tell(engine, "a random walk with two decimals", walk, "bytes a value", ('<', BYTES));
    let real = temperatures()?;
    let real = store(place, "machine", |_| real.iter().copied().take(VALUES).collect()).await?;
    tell(engine, "a machine's temperatures", real, "bytes a value", ('<', BYTES));
    Ok(())
}

/// Bytes a value of what `values` gives for each series.
async fn store(
    place: &Place<'_>,
    name: &str,
    values: impl Fn(usize) -> Vec<(Timestamp, f64)>,
) -> anyhow::Result<f64> {
    let world = World::new(testkit::Engine::Sqlite).await;
    let store = Store::open(&place.fresh(name).await?, &world).await?;
    let mut stored = 0_usize;
    for number in 0..SERIES {
        let values = values(number);
        let id = Uuid::now_v7().into();
        stored += values.len();
        for values in values.chunks(10_000) {
            store.run(id, values).await?.await?;
        }
    }
    store.settle().await?;
    let mut db = store.read().await?;
    let bytes: i64 = match db.engine() {
        kit::db::Engine::Sqlite(c) => {
            let pages = "select (page_count - freelist_count) * page_size
                         from pragma_page_count, pragma_freelist_count, pragma_page_size";
            sqlx::query_scalar(pages).fetch_one(c).await?
        }
        kit::db::Engine::Postgres(c) => {
            sqlx::query("vacuum full").execute(&mut *c).await?;
            let relations = "select sum(pg_total_relation_size(oid))::bigint
                             from pg_class
                             where relnamespace = current_schema()::regnamespace and relkind = 'r'";
            sqlx::query_scalar(relations).fetch_one(c).await?
        }
    };
    drop(db);
    store.close().await;
    let share = |number: i64| f64::from(i32::try_from(number).unwrap_or(i32::MAX));
    Ok(share(bytes) / share(i64::try_from(stored)?))
}

/// Up or down by some hundredths each second.
fn random_walk(number: usize) -> Vec<(Timestamp, f64)> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ u64::try_from(number).unwrap_or_default();
    let mut hundredths = 5_000_i32;
    let mut step = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        hundredths += i32::try_from((state >> 33) % 41).unwrap_or_default() - 20;
        f64::from(hundredths) / 100.0
    };
    let times = (START..).take(VALUES).map(|second| Timestamp::from_micros(second * 1_000_000));
    times.map(|at| (at, step())).collect()
}

/// The real ones, which lie beside the checkout.
fn temperatures() -> anyhow::Result<Vec<(Timestamp, f64)>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/machine_temperature.csv");
    let mut file = csv::Reader::from_path(path)?;
    let mut values = Vec::new();
    for (line, second) in file.records().zip((START..).step_by(300)) {
        values.push((Timestamp::from_micros(second * 1_000_000), line?[1].parse()?));
    }
    Ok(values)
}
