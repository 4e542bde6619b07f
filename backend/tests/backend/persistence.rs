use serde_json::json;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use steadfast::wire::ActionStatus::{Applied, Duplicate, Retry};
use steadfast_backend::{DatabaseLocation, Options, Server, StartError};
use tempfile::TempDir;

use crate::support::{Backend, action, in_file, in_memory, save};

async fn open(directory: &TempDir) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(directory.path().join("test.sqlite"));
    SqliteConnection::connect_with(&options).await.unwrap()
}

#[tokio::test]
async fn what_was_applied_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let actions = json!([save("a1", "d", "kept", None)]);
    let backend = Backend::with(in_file(&directory)).await;
    assert_eq!(backend.statuses("alice", &actions).await, [Applied]);
    backend.stop().await;

    let backend = Backend::with(in_file(&directory)).await;
    assert_eq!(backend.statuses("alice", &actions).await, [Duplicate]);
    assert_eq!(backend.documents("alice").await["drafts"][0]["content"], "kept");
    assert_eq!(backend.status_of("alice").await.processed_actions, 1);
}

#[tokio::test]
async fn a_fresh_database_is_migrated_and_writes_ahead() {
    let directory = tempfile::tempdir().unwrap();
    Backend::with(in_file(&directory)).await.stop().await;
    let mut connection = open(&directory).await;
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut connection).await.unwrap();
    assert_eq!(mode, "wal");
    let applied: i64 =
        sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE success").fetch_one(&mut connection).await.unwrap();
    assert_eq!(applied, 3);
}

#[tokio::test]
async fn a_database_of_a_later_version_is_refused_rather_than_touched() {
    let directory = tempfile::tempdir().unwrap();
    Backend::with(in_file(&directory)).await.stop().await;
    let mut connection = open(&directory).await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (9999, 'later', 1, x'00', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    let error = Server::bind("127.0.0.1:0".parse().unwrap(), &in_file(&directory)).await.unwrap_err();
    assert!(matches!(error, StartError::Database(_)), "{error:?}");
}

#[tokio::test]
async fn an_action_that_the_database_refuses_is_retried_alone_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let backend = Backend::with(in_file(&directory)).await;
    let mut connection = open(&directory).await;
    sqlx::query(
        "CREATE TRIGGER broken BEFORE INSERT ON drafts WHEN new.content = 'broken'
        BEGIN SELECT raise(ABORT, 'broken'); END",
    )
    .execute(&mut connection)
    .await
    .unwrap();

    let actions = json!([
        save("a1", "d", "one", None),
        save("a2", "d", "broken", None),
        save("a3", "d", "three", None),
        save("a4", "e", "four", None),
    ]);
    let results = backend.sync("alice", &actions).await;
    let statuses: Vec<_> = results.iter().map(|result| result.status).collect();
    assert_eq!(statuses, [Applied, Retry, Retry, Applied]);
    assert_eq!(results[1].error.as_ref().unwrap().code, "SYSTEM_INTERNAL_ERROR");
    assert_eq!(backend.applied("alice").await, ["a1", "a4"]);

    sqlx::query("DROP TRIGGER broken").execute(&mut connection).await.unwrap();
    assert_eq!(backend.statuses("alice", &actions).await, [Duplicate, Applied, Applied, Duplicate]);
}

#[tokio::test]
async fn a_batch_that_cannot_be_finished_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let backend = Backend::with(in_file(&directory)).await;
    let mut connection = open(&directory).await;
    // As SQLite itself does when the disk is full: the whole transaction is undone.
    sqlx::query(
        "CREATE TRIGGER broken BEFORE INSERT ON drafts WHEN new.content = 'broken'
        BEGIN SELECT raise(ROLLBACK, 'broken'); END",
    )
    .execute(&mut connection)
    .await
    .unwrap();

    let actions = json!([save("a1", "d", "one", None), save("a2", "e", "broken", None)]);
    let answer = crate::support::Send::answer(backend.batch("alice", &actions)).await;
    assert_eq!(answer.refusal(), crate::support::refused(503, "SERVICE_UNAVAILABLE"));
    assert!(answer.envelope().error.retryable);
    assert!(!answer.body.contains("broken"), "the database's own words stay inside");
    assert_eq!(backend.applied("alice").await, [""; 0]);

    sqlx::query("DROP TRIGGER broken").execute(&mut connection).await.unwrap();
    assert_eq!(backend.statuses("alice", &actions).await, [Applied; 2]);
}

#[tokio::test]
async fn text_of_any_kind_is_kept_as_it_is() {
    let backend = Backend::start().await;
    let content = "'; DROP TABLE drafts; -- \u{0}\u{1f30a} \u{202e}\r\n\"";
    let data = json!({ "draftId": content, "content": content, "title": content });
    assert_eq!(backend.statuses("alice", &json!([action("a1", "save_draft", None, data)])).await, [Applied]);
    let draft = backend.documents("alice").await["drafts"][0].clone();
    assert_eq!((&draft["draftId"], &draft["content"], &draft["title"]), (&json!(content), &json!(content), &json!(content)));
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_said_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let database = DatabaseLocation::File(directory.path().join("missing").join("test.sqlite"));
    let options = Options { database, ..in_memory() };
    let error = Server::bind("127.0.0.1:0".parse().unwrap(), &options).await.unwrap_err();
    assert!(matches!(error, StartError::Database(_)), "{error:?}");
}

#[tokio::test]
async fn other_machines_are_not_served() {
    let error = Server::bind("0.0.0.0:0".parse().unwrap(), &in_memory()).await.unwrap_err();
    assert!(matches!(error, StartError::NotLoopback(_)), "{error:?}");
}
