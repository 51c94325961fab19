//! What readings cost: durable ingest with rules on, queries over many values, bytes on disk, and what a flood does.
//!
//! `cargo bench -p benches --bench ingest -- [sqlite|postgres] [durable] [stored=VALUES] [seconds=N]`; `durable` only looks
//! whether the disk has what is acknowledged.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it found")]

mod bare;
mod disk;
mod durable;
mod flood;
mod query;
mod rate;
mod suite;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use testkit::Postgres;

/// Series, one a machine, and rules that look at each.
const MACHINES: usize = 1000;
const RULES: u32 = 10;
/// Readings in a batch, of one value each.
const BATCH: usize = 100;
/// Values that are stored when queries are measured.
const STORED: u64 = 10_000_000;
/// How long readings come before they count: the first of a series is held against what is stored, all others against what is in
/// memory.
const WARM_UP: Duration = Duration::from_secs(10);
const METRIC: &str = "temperature";

/// How much to do.
struct Plan {
    engines: Vec<Engine>,
    /// Whether to look at the disk alone.
    durable: bool,
    /// Values that are stored when the rate is measured once more.
    stored: u64,
    /// How long a rate is measured.
    span: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Engine {
    Sqlite,
    Postgres,
}

/// The goals that were missed.
static MISSED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Prints a figure and what it is held against; if it misses that, [`main`] fails in the end.
fn tell(engine: Engine, what: &str, figure: f64, unit: &str, bound: (char, f64)) {
    let (sign, bound) = bound;
    let (held, ratio) = match sign {
        '>' => (bound <= figure, figure / bound),
        _ => (figure <= bound, bound / figure),
    };
    let told = format!("{engine:?}: {what}: {figure:.2} {unit} ({sign} {bound}, {ratio:.2} of it)");
    println!("{told}{}", if held { "" } else { "  MISSED" });
    if !held {
        MISSED.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    }
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    if arguments.first().is_some_and(|first| first == "serve") {
        return runtime.block_on(suite::serve(&arguments[1..]));
    }
    let number = |name: &str| {
        arguments.iter().find_map(|it| it.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
    };
    let named = |name: &str| arguments.iter().any(|it| it == name);
    let all = !named("sqlite") && !named("postgres");
    let mut engines = Vec::new();
    if all || named("sqlite") {
        engines.push(Engine::Sqlite);
    }
    if all || named("postgres") {
        engines.push(Engine::Postgres);
    }
    let plan = Plan {
        engines,
        durable: named("durable"),
        stored: number("stored").unwrap_or(100_000_000),
        span: Duration::from_secs(number("seconds").unwrap_or(10)),
    };
    runtime.block_on(run(&plan))?;
    let missed = MISSED.lock().unwrap_or_else(PoisonError::into_inner);
    anyhow::ensure!(missed.is_empty(), "goals were missed:\n{}", missed.join("\n"));
    Ok(())
}

async fn run(plan: &Plan) -> anyhow::Result<()> {
    for engine in plan.engines.iter().copied() {
        let server = (engine == Engine::Postgres).then(Postgres::start);
        let place = suite::Place::new(server.as_ref());
        if plan.durable {
            durable::check(engine, &place, server.as_ref()).await?;
            continue;
        }
        disk::measure(engine, &place).await?;
        let alone = rate::alone(&place, plan.span).await?;
        let suite = suite::Child::start(&place.fresh("suite").await?).await?;
        let machines = suite.set_up().await?;
        rate::through(&suite, &machines, WARM_UP).await?;
        let empty = rate::through(&suite, &machines, plan.span).await?;
        let (least, share) = (if engine == Engine::Sqlite { 150_000.0 } else { 80_000.0 }, 0.5);
        tell(engine, "durable ingest, ten rules a machine", empty, "values/s", ('>', least));
        println!("{engine:?}: the store alone: {alone:.0} values/s");
        tell(engine, "of the store alone", empty / alone, "", ('>', share));
        suite.tell_steps(engine).await?;

        suite.fill(&machines, STORED.min(plan.stored)).await?;
        query::measure(engine, &suite, &machines).await?;
        suite.fill(&machines, plan.stored).await?;
        rate::through(&suite, &machines, WARM_UP).await?;
        let full = rate::through(&suite, &machines, plan.span).await?;
        tell(engine, "of the empty rate when full", full / empty, "", ('>', 0.8));
        flood::measure(engine, &suite, &machines, plan.span).await?;
        suite.stop().await?;
    }
    Ok(())
}
