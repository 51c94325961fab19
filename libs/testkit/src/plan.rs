//! How a database does what a service asks of it: the plans of the very statements that were executed.
//!
//! PostgreSQL tells by `auto_explain`, with the rows that each step visited. SQLite is asked for the plan of the text that
//! the driver logged; it has no statistics, so its plan is the same whatever the tables hold.

use std::{
    fmt::Debug,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row, SqliteConnection,
    sqlite::SqliteConnectOptions,
};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, filter::Targets, layer::Context};

use crate::{Engine, World, eventually};

/// Hears what the databases of this process are asked. A process hears once: it must be of one test, as nextest has it.
pub struct Plans {
    database: Database,
}

/// Rows that may be looked at for a page of two.
const MOST: u64 = 1000;

/// What was heard of the target that somebody listens to.
struct Heard {
    target: &'static str,
    statements: Vec<String>,
}

static HEARD: Mutex<Option<Heard>> = Mutex::new(None);

fn heard() -> MutexGuard<'static, Option<Heard>> {
    HEARD.lock().unwrap_or_else(PoisonError::into_inner)
}

enum Database {
    Sqlite(Box<SqliteConnectOptions>),
    Postgres,
}

/// How one statement was, or would be, executed.
#[derive(Debug)]
pub struct Plan {
    /// Each step, in the engine's words.
    pub steps: Vec<String>,
    /// The rows that were looked at. SQLite doesn't say.
    pub visited: Option<u64>,
}

impl Plans {
    /// Listens from now on, to statements on the database of `service`. To be called before it starts.
    pub async fn listen(world: &World, service: &str) -> Self {
        let database = match &world.db.database_url {
            None => {
                let file = world.db.data_dir.join(format!("{service}.db"));
                let options = SqliteConnectOptions::new().filename(file).read_only(true);
                Database::Sqlite(Box::new(options))
            }
            Some(url) => {
                explain_everything(url).await;
                Database::Postgres
            }
        };
        let target = match world.engine {
            Engine::Sqlite => STATEMENTS,
            Engine::Postgres => NOTICES,
        };
        *heard() = Some(Heard { target, statements: Vec::new() });
        Self { database }
    }

    /// Forgets what was heard so far.
    pub fn clear(&self) {
        if let Some(heard) = heard().as_mut() {
            heard.statements.clear();
        }
    }

    /// How many statements with `part` in their text were executed since [`clear`](Self::clear).
    #[must_use]
    pub fn count(&self, part: &str) -> usize {
        let heard = heard();
        let statements = heard.iter().flat_map(|heard| &heard.statements);
        statements.filter(|statement| statement.contains(part)).count()
    }

    /// The plan of the last statement with `part` in its text that was executed since [`clear`](Self::clear).
    pub async fn of(&self, part: &str) -> Plan {
        // The driver logs a statement when it is done with it, a moment after its last row.
        let statement = eventually(part, || async {
            let heard = heard();
            let mut statements = heard.iter().flat_map(|heard| heard.statements.iter().rev());
            statements.find(|statement| statement.contains(part)).cloned()
        });
        let statement = statement.await;
        match &self.database {
            Database::Sqlite(options) => sqlite(options, &statement).await,
            Database::Postgres => postgres(&statement),
        }
    }
}

impl Plan {
    /// Whether some step uses the index `name`, on either engine.
    #[must_use]
    pub fn uses(&self, name: &str) -> bool {
        let words = |step: &String| step.split(' ').any(|word| word == name);
        self.steps.iter().any(words)
    }

    /// Whether some step begins where `place` says in the index `name`: `id>?`, `(name,id)<(?,?)`. Of SQLite alone, which names
    /// an index also where it walks through all of it.
    #[must_use]
    pub fn seeks(&self, name: &str, place: &str) -> bool {
        let seeks = |step: &String| {
            let (verb, found) = step.split_once(&format!(" {name} (")).unwrap_or_default();
            let found = found.strip_suffix(')').unwrap_or_default();
            verb.starts_with("SEARCH") && found.split(" AND ").any(|found| found == place)
        };
        self.steps.iter().any(seeks)
    }
}

impl Plan {
    /// Whether it looks at few rows, as far as the engine says: without an index it looks at all 20,000.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.visited.is_none_or(|visited| visited < MOST)
    }

    /// Checks that what was `asked` is served by an index: on SQLite by that one, without sorting, and from `place` on, if that is
    /// said; on PostgreSQL by whichever it likes.
    ///
    /// # Panics
    ///
    /// It is not.
    pub fn assert_served(
        &self,
        engine: Engine,
        index: &str,
        place: Option<&str>,
        asked: &impl Debug,
    ) {
        let sorts = self.steps.iter().any(|step| step.contains("TEMP B-TREE"));
        let is_served = place.map_or_else(|| self.uses(index), |place| self.seeks(index, place));
        match engine {
            Engine::Sqlite => assert!(is_served && !sorts, "{asked:?}: {self:?}"),
            Engine::Postgres => assert!(self.is_short(), "{asked:?}: {self:?}"),
        }
    }
}

impl World {
    /// Runs a script on the database of `service`, as its engine writes it: enough rows that PostgreSQL plans as it would with
    /// more, and some for SQLite, which plans alike with any.
    ///
    /// # Panics
    ///
    /// The script fails.
    pub async fn fill(&self, service: &str, sqlite: &'static str, postgres: &'static str) {
        if let Some(url) = &self.db.database_url {
            let mut db = PgConnection::connect(url).await.unwrap();
            sqlx::raw_sql(postgres).execute(&mut db).await.unwrap();
            db.close().await.unwrap();
        } else {
            let options = SqliteConnectOptions::new().filename(self.db.file(service));
            let mut db = options.connect().await.unwrap();
            sqlx::raw_sql(sqlite).execute(&mut db).await.unwrap();
            db.close().await.unwrap();
        }
    }
}

/// Asks a list for its first page of two and for one far behind, and checks the plan of each: that SQLite uses `index`, and begins
/// the later page at `place` of it.
#[macro_export]
macro_rules! check_plans {
    ($world:ident, $plans:ident, $client:ident.$list:ident, $table:literal, $index:expr, $place:expr, $request:expr) => {{
        let mut request = $request;
        let mut token = String::new();
        for page_size in [1000, 1] {
            if token.is_empty() {
                request.page_size = page_size;
                token = $client.$list(request.clone()).await.unwrap().into_inner().next_page_token;
            }
        }
        assert_ne!(token, "", "{request:?} has a later page");
        for (page_token, place) in [(String::new(), None), (token, Some($place))] {
            (request.page_size, request.page_token) = (2, page_token);
            $plans.clear();
            $client.$list(request.clone()).await.unwrap();
            let plan = $plans.of(concat!("from ", $table)).await;
            plan.assert_served($world.engine, $index, place, &request);
        }
    }};
}

/// Has every new connection to the database tell how each statement was executed.
async fn explain_everything(url: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let name: String =
        sqlx::query_scalar("select current_database()").fetch_one(&mut connection).await.unwrap();
    for setting in [
        "session_preload_libraries = auto_explain",
        "auto_explain.log_min_duration = 0",
        "auto_explain.log_analyze = on",
        "auto_explain.log_timing = off",
        "auto_explain.log_format = json",
        "client_min_messages = log",
    ] {
        let alter = AssertSqlSafe(format!("alter database {name} set {setting}"));
        sqlx::query(alter).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

async fn sqlite(options: &SqliteConnectOptions, statement: &str) -> Plan {
    let mut connection: SqliteConnection = options.connect().await.unwrap();
    let explain = AssertSqlSafe(format!("explain query plan {statement}"));
    let rows = sqlx::query(explain).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    Plan { steps: rows.iter().map(|row| row.get("detail")).collect(), visited: None }
}

/// Reads what `auto_explain` tells: `duration: … plan:` and the plan as JSON.
fn postgres(notice: &str) -> Plan {
    let json = notice.find('{').map(|start| &notice[start..]).unwrap();
    let told: Value = serde_json::from_str(json).unwrap();
    let mut plan = Plan { steps: Vec::new(), visited: Some(0) };
    plan.read(&told["Plan"]);
    plan
}

impl Plan {
    fn read(&mut self, node: &Value) {
        let text = |key: &str| node[key].as_str().unwrap_or_default();
        let number = |key: &str| node[key].as_f64().unwrap_or_default();
        self.steps.push(format!("{} {}", text("Node Type"), text("Index Name")).trim().to_owned());
        let removed = number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
        let mut rows = (number("Actual Rows") + removed) * number("Actual Loops");
        if text("Node Type") == "Bitmap Index Scan" {
            // Entries of an index, many to a page, and none of them a row yet.
            rows /= 10.0;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let rows = rows as u64;
        // The steps pass on what one of them found.
        self.visited = self.visited.max(Some(rows));
        for child in node["Plans"].as_array().into_iter().flatten() {
            self.read(child);
        }
    }
}

/// Where the driver logs statements, and what a server tells of them.
const STATEMENTS: &str = "sqlx::query";
const NOTICES: &str = "sqlx::postgres::notice";

/// What stands in this process's log and [listens](Plans::listen).
pub(crate) fn listener<S>() -> impl Layer<S>
where
    S: Subscriber + for<'s> tracing_subscriber::registry::LookupSpan<'s>,
{
    let targets = [STATEMENTS, NOTICES].map(|target| (target, Level::TRACE));
    Listener.with_filter(Targets::new().with_targets(targets))
}

struct Listener;

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if let Some(heard) = heard().as_mut()
            && event.metadata().target() == heard.target
        {
            let mut words = Words(String::new());
            event.record(&mut words);
            heard.statements.push(words.0);
        }
    }
}

/// What an event says: its statement, or the start of it where that is all; else its message.
struct Words(String);

impl Words {
    fn take(&mut self, field: &str, words: &str) {
        let is_more = field == "db.statement" && !words.is_empty();
        if is_more || (matches!(field, "summary" | "message") && self.0.is_empty()) {
            words.trim().clone_into(&mut self.0);
        }
    }
}

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.take(field.name(), &format!("{value:?}"));
    }
}
