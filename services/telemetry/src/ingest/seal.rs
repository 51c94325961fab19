//! Moves recent values into chunks, in small steps beside the writer's groups: the writer itself takes them, so that there
//! is one at a time, and nothing else is written meanwhile.

use std::time::{Duration, Instant};

use kit::{Clock, Db, Result, Timestamp, db::Tx};

use crate::{
    domain::{
        chunk::{Chunk, Row, last_change, merge, pieces},
        journal::{Seal, encode_seals},
    },
    recent::Recent,
    store,
};

/// After so long a step takes nothing more on.
const STEP: Duration = Duration::from_millis(10);
/// Chunks of one series that a step may read: late values may lie anywhere.
const CHUNKS: usize = 16;
/// Rows of one series that a step may take, in chunks.
const CHUNKFULS: usize = 64;
/// Samples of an older version that one step packs.
const SAMPLES: i64 = 20_000;

/// Seals step by step.
pub struct Sealer {
    db: Db,
    clock: Clock,
    /// The series that was sealed last: each has its turn.
    last: Option<i64>,
}

/// What a step does to chunks.
#[derive(Default)]
struct Changes {
    delete: Vec<(i64, Timestamp)>,
    insert: Vec<(i64, Chunk)>,
}

impl Sealer {
    pub fn new(db: &Db, clock: &Clock) -> Self {
        Self { db: db.clone(), clock: clock.clone(), last: None }
    }

    /// Takes one step. Answers whether there was anything to do.
    pub async fn step(&mut self, recent: &Recent) -> Result<bool> {
        if recent.ripe(None).is_none() {
            return Ok(false);
        }
        let mut tx = self.db.begin_reserved("seal readings").await?;
        store::journal::take_turn(&mut tx).await?;
        let before = recent.catch_up(&mut tx).await?;
        let rules = store::rule::changes(&mut tx).await?;
        let (mut seals, mut changes) = (Vec::new(), Changes::default());
        let begun = Instant::now();
        while (seals.is_empty() || begun.elapsed() < STEP)
            && let Some(series_id) = self.next(recent, &seals)
        {
            let rows = recent.rows(series_id, ALL);
            let through = changes.seal(&mut tx, series_id, &rows, &rules, recent.chunk()).await?;
            seals.push(Seal { series_id, through });
        }
        if seals.is_empty() {
            // Another replica was faster.
            return Ok(false);
        }
        changes.apply(&mut tx).await?;
        let now = self.clock.now();
        let sequence = store::journal::append(&mut tx, &encode_seals(&seals), now).await?;
        store::journal::set_sealed(&mut tx, recent.sealed()).await?;
        tx.commit().await?;

        recent.release((before, sequence), seals);
        Ok(true)
    }

    /// The next ripe series that this step has not sealed.
    fn next(&mut self, recent: &Recent, seals: &[Seal]) -> Option<i64> {
        let next = recent.ripe(self.last).or_else(|| recent.ripe(None))?;
        self.last = Some(next);
        (!seals.iter().any(|seal| seal.series_id == next)).then_some(next)
    }
}

const ALL: (Timestamp, Timestamp) = (Timestamp::MIN, Timestamp::MAX);

/// Packs what an older version kept a row a value.
pub async fn pack_samples(db: &Db, size: usize) -> Result<()> {
    loop {
        let mut tx = db.begin("pack samples").await?;
        store::journal::take_turn(&mut tx).await?;
        let Some(series_id) = store::sample::series(&mut tx).await? else { return Ok(()) };
        let rules = store::rule::changes(&mut tx).await?;
        let rows = store::sample::list(&mut tx, series_id, SAMPLES).await?;
        let mut changes = Changes::default();
        let through = changes.seal(&mut tx, series_id, &rows, &rules, size).await?;
        changes.apply(&mut tx).await?;
        store::sample::delete(&mut tx, series_id, through).await?;
        tx.commit().await?;
    }
}

impl Changes {
    /// Puts the first of `rows`, which are in order, into chunks of about `size`. Answers up to which time.
    async fn seal(
        &mut self,
        tx: &mut Tx,
        series_id: i64,
        rows: &[Row],
        rules: &[Timestamp],
        size: usize,
    ) -> Result<Timestamp> {
        let mut through = Timestamp::MIN;
        let mut rest = &rows[..rows.len().min(size * CHUNKFULS)];
        for _ in 0..CHUNKS {
            let Some(first) = rest.first() else { break };
            let next = store::chunk::next(tx, series_id, first.at).await?;
            let mine = rest.partition_point(|row| next.is_none_or(|next| row.at < next));
            let (mine, others) = rest.split_at(mine);
            self.join(tx, series_id, mine, rules, size).await?;
            through = mine.last().map_or(through, |last| last.at);
            rest = others;
        }
        Ok(through)
    }

    /// Joins rows, before whose last no chunk begins, with the chunk before them, if they lie in it or it has room.
    async fn join(
        &mut self,
        tx: &mut Tx,
        series_id: i64,
        rows: &[Row],
        rules: &[Timestamp],
        size: usize,
    ) -> Result<()> {
        let Some(first) = rows.first() else { return Ok(()) };
        let end = Timestamp::from_micros(first.at.micros().saturating_add(1));
        let before = store::chunk::last_before(tx, series_id, end, ALL.0).await?;
        let joined = before.filter(|chunk| {
            let count = usize::try_from(chunk.summary.count).unwrap_or(usize::MAX);
            first.at <= chunk.summary.last_at || count + rows.len() <= size + size / 2
        });
        let old = match &joined {
            Some(chunk) => chunk.rows()?,
            None => Vec::new(),
        };
        let mut all = merge(&old, rows);
        all.retain(|row| row.value().is_some());
        for row in &mut all {
            row.arrived_at = last_change(rules, row.arrived_at);
        }
        let gone = joined.map(|chunk| (series_id, chunk.summary.first_at));
        self.delete.extend(gone);
        for piece in pieces(all.len(), size) {
            self.insert.extend(Chunk::seal(&all[piece])?.map(|chunk| (series_id, chunk)));
        }
        Ok(())
    }

    async fn apply(self, tx: &mut Tx) -> Result<()> {
        for (series_id, first_at) in self.delete {
            store::chunk::delete(tx, series_id, first_at).await?;
        }
        store::chunk::insert(tx, &self.insert).await
    }
}

#[cfg(test)]
mod tests {
    use kit::on;

    use super::*;
    use crate::{
        SCHEMA,
        domain::reading::{EquipmentId, Sample},
        recent::Limits,
    };

    testkit::both! {
        async fn what_an_older_version_kept_a_row_a_value_is_packed(world: World) {
            let db = SCHEMA.open(&world.db).await.unwrap();
            let mut samples = Vec::new();
            for number in 0..50_i32 {
                let at = Timestamp::from_micros(i64::from(number) * 7);
                samples.push(Sample { at, value: f64::from(number) });
            }
            let mut tx = db.begin("an older version").await.unwrap();
            let new = [(EquipmentId::new(), "a".to_owned())];
            let id = store::reading::insert_series(&mut tx, &new).await.unwrap()[0].id;
            for Sample { at, value } in &samples {
                on!(&mut tx, c => sqlx::query(
                        "insert into samples (series_id, at, value, arrived_at)
                         values ($1, $2, $3, $4)",
                    )
                    .bind(id)
                    .bind(at)
                    .bind(value)
                    .bind(7_i64)
                    .execute(c).await.map(drop)).unwrap();
            }
            tx.commit().await.unwrap();

            pack_samples(&db, 4).await.unwrap();

            let recent = Recent::new(Limits::default());
            let mut db = db.read().await.unwrap();
            let read = store::reading::range(&mut db, &recent, id, ALL, 100).await.unwrap();
            assert_eq!(read, samples);
            let parts = store::chunk::list(&mut db, id, ALL, ALL.0, 100).await.unwrap();
            assert!(10 < parts.len(), "{}", parts.len());
            assert!(left(&mut db).await.is_empty());
        }
    }

    async fn left(db: &mut kit::db::Conn) -> Vec<i64> {
        on!(db, c => sqlx::query_scalar("select series_id from samples").fetch_all(c).await)
            .unwrap()
    }
}
