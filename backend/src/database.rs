use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use sqlx::{
    Connection, Sqlite, SqlitePool, Transaction,
    migrate::MigrateError,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

const READERS: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseLocation {
    /// In memory: it ends with the server.
    Memory,
    /// In a file, which is made if it is missing.
    File(PathBuf),
}

impl DatabaseLocation {
    /// The location of that name: `:memory:`, or else a path.
    pub fn named(name: &str) -> Self {
        if name == ":memory:" { Self::Memory } else { Self::File(name.into()) }
    }
}

/// The database, up to date with the migrations.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    /// A single connection: there is one writer at a time anyway, and the queue for it is fair, which polling is not.
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Database {
    pub(crate) async fn open(location: &DatabaseLocation) -> Result<Self, MigrateError> {
        let connect = SqliteConnectOptions::new().foreign_keys(true).busy_timeout(BUSY_TIMEOUT);
        // A database in memory belongs to its connection, which must therefore be the only one and never be retired.
        let one = SqlitePoolOptions::new().min_connections(1).max_connections(1).idle_timeout(None).max_lifetime(None);
        let (writer, readers) = match location {
            DatabaseLocation::Memory => {
                let pool = one.connect_with(connect.filename(":memory:")).await?;
                (pool.clone(), pool)
            }
            DatabaseLocation::File(path) => {
                let connect = connect
                    .filename(path)
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full);
                let writer = replace_stuck(one).connect_with(connect.clone()).await?;
                (writer, SqlitePoolOptions::new().max_connections(READERS).connect_lazy_with(connect))
            }
        };
        sqlx::migrate!("./migrations").run(&writer).await?;
        Ok(Self { writer, readers })
    }

    /// For what only reads.
    pub(crate) fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// Begins to write. Immediate, because a transaction that first reads cannot wait for another writer when it comes to write.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    /// How long the database takes to answer.
    pub(crate) async fn response_time(&self) -> Result<Duration, sqlx::Error> {
        let start = Instant::now();
        sqlx::query("SELECT 1").execute(&self.readers).await?;
        Ok(start.elapsed())
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// When a disk is full, the database undoes the whole transaction by itself, unknown to the connection, which from then on
/// takes every transaction for a nested one. Such a connection is not used again.
fn replace_stuck(options: SqlitePoolOptions) -> SqlitePoolOptions {
    options.after_release(|connection, _| {
        Box::pin(async move {
            connection.begin_with("BEGIN").await?.rollback().await?;
            Ok(true)
        })
    })
}
