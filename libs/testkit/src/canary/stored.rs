//! What the services of a test left in their databases.

use std::{
    fs,
    path::{Path, PathBuf},
};

use kit::db::Config;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, SqliteConnection,
    sqlite::SqliteConnectOptions,
};

use super::Secrets;

/// What stands in every database of ours: the name of a migration of `kit`.
const CONTROL: &[u8] = b"answers";

/// Everything in the databases of `config`, under the names of tables and files: every row, and with SQLite also the very
/// bytes of the files, where what was deleted may still be.
pub async fn stored(config: &Config) -> Vec<(String, Vec<u8>)> {
    if let Some(url) = config.server() {
        return postgres(url).await;
    }
    let mut all = files(config);
    for (name, _) in files(config) {
        let file = config.data_dir.join(&name);
        // Its journals are no databases by themselves.
        if file.extension().is_some_and(|extension| extension == "db") {
            all.extend(sqlite(&file, &name).await);
        }
    }
    all
}

/// Stops the test if a secret is in a database, or if nobody looked.
pub(super) fn assert_clean(config: &Config, secrets: &Secrets) {
    let all = match config.server() {
        // A runtime of its own: this is called where nobody waits.
        Some(url) => {
            let url = url.to_owned();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(postgres(&url))
            })
            .join()
            .unwrap()
        }
        None => files(config),
    };
    let is_control = |bytes: &[u8]| bytes.windows(CONTROL.len()).any(|part| part == CONTROL);
    let is_looked_at = all.is_empty() || all.iter().any(|(_, bytes)| is_control(bytes));
    assert!(is_looked_at, "nothing of what is stored was looked at");
    for (place, bytes) in &all {
        let found = secrets.in_bytes(bytes);
        assert!(found.is_empty(), "{place} holds {found:?}");
    }
}

/// The files of the embedded databases.
fn files(config: &Config) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(&config.data_dir) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let read = |path: PathBuf| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        // The journal of a database that is closed meanwhile goes.
        Some((name, fs::read(path).ok()?))
    };
    paths.filter_map(read).collect()
}

/// Every value of every table in the database at `file`.
async fn sqlite(file: &Path, name: &str) -> Vec<(String, Vec<u8>)> {
    let options = SqliteConnectOptions::new().filename(file).read_only(true);
    let mut db: SqliteConnection = options.connect().await.unwrap();
    let columns: Vec<(String, String)> = sqlx::query_as(
        "select t.name, c.name
         from sqlite_master t, pragma_table_info(t.name) c
         where t.type = 'table'",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    let mut all = Vec::new();
    for (table, column) in columns {
        let query = format!("select cast(\"{column}\" as blob) from \"{table}\"");
        let values = sqlx::query_scalar::<_, Option<Vec<u8>>>(AssertSqlSafe(query));
        for value in values.fetch_all(&mut db).await.unwrap().into_iter().flatten() {
            all.push((format!("{name}, {table}.{column}"), value));
        }
    }
    db.close().await.unwrap();
    all
}

/// Every row of every table in the database at `url`, as PostgreSQL writes it: bytes are in hexadecimal.
async fn postgres(url: &str) -> Vec<(String, Vec<u8>)> {
    let mut db = PgConnection::connect(url).await.unwrap();
    let tables: Vec<(String, String)> = sqlx::query_as(
        "select table_schema::text, table_name::text
         from information_schema.tables
         where table_schema not in ('pg_catalog', 'information_schema')",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    let rows = tables.iter().map(|(schema, table)| {
        format!("select '{schema}.{table}', t::text from \"{schema}\".\"{table}\" t")
    });
    let query = rows.collect::<Vec<_>>().join(" union all ");
    if query.is_empty() {
        return Vec::new();
    }
    let rows: Vec<(String, String)> =
        sqlx::query_as(AssertSqlSafe(query)).fetch_all(&mut db).await.unwrap();
    db.close().await.unwrap();
    rows.into_iter().map(|(table, row)| (table, row.into_bytes())).collect()
}
