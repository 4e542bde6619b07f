use serde_json::{Value, json};
use steadfast::wire::{
    ActionStatus::{self, Applied, Conflict, Duplicate, Rejected, Retry},
    StatusConflict,
};

use crate::support::{Answer, Backend, Send, action, save};

fn bookmark(id: &str, effect_id: &str, tags: &[&str]) -> Value {
    action(id, "bookmark_effect", Some(effect_id), json!({ "effectId": effect_id, "tags": tags }))
}

fn versions(documents: &Value) -> Vec<(&str, i64)> {
    let drafts = documents["drafts"].as_array().unwrap();
    drafts.iter().map(|draft| (draft["draftId"].as_str().unwrap(), draft["version"].as_i64().unwrap())).collect()
}

#[tokio::test]
async fn the_example_of_the_specification_is_applied() {
    let backend = Backend::start().await;
    let actions = json!([
        {
            "id": "action_offline_001", "type": "save_draft", "timestamp": "2025-08-21T09:30:00Z",
            "data": { "draftId": "draft_456", "content": "...", "metadata": {} }, "priority": "normal"
        },
        {
            "id": "action_offline_002", "type": "bookmark_effect", "timestamp": "2025-08-21T09:32:00Z",
            "data": { "effectId": "effect_789", "tags": ["favorite", "portrait"] }, "priority": "low"
        }
    ]);
    let results = backend.sync("user_123", &actions).await;
    assert_eq!(results.iter().map(|result| result.id.as_str()).collect::<Vec<_>>(), ["action_offline_001", "action_offline_002"]);
    assert!(results.iter().all(|result| result.status == Applied && result.error.is_none()));

    let mut documents = backend.documents("user_123").await;
    for pointer in ["/drafts/0/updatedAt", "/bookmarks/0/createdAt"] {
        let stamp = documents.pointer_mut(pointer).unwrap().take();
        assert!(stamp.as_str().unwrap().ends_with('Z'), "{stamp}");
    }
    let drafts = json!([{ "draftId": "draft_456", "title": "", "content": "...", "version": 1, "updatedAt": null }]);
    let bookmarks = json!([{ "effectId": "effect_789", "tags": ["favorite", "portrait"], "createdAt": null }]);
    assert_eq!(documents, json!({ "drafts": drafts, "bookmarks": bookmarks }));
}

#[tokio::test]
async fn a_batch_that_comes_again_has_no_further_effect() {
    let backend = Backend::start().await;
    let actions = json!([save("a1", "d", "one", None), save("a2", "d", "two", None), bookmark("a3", "e", &[])]);
    assert_eq!(backend.statuses("alice", &actions).await, [Applied; 3]);
    let documents = backend.documents("alice").await;
    for _ in 0..3 {
        assert_eq!(backend.statuses("alice", &actions).await, [Duplicate; 3]);
    }
    assert_eq!(backend.documents("alice").await, documents);
    assert_eq!(versions(&documents), [("d", 2)]);
}

#[tokio::test]
async fn identical_batches_at_the_same_time_are_applied_once() {
    let directory = tempfile::tempdir().unwrap();
    let backend = Backend::with(crate::support::in_file(&directory)).await;
    let actions: Value = (0..20).map(|index| save(&format!("a{index}"), "d", "x", None)).collect();
    let request = || backend.batch("alice", &actions).answer();
    let answers: Vec<Answer> = futures_util::future::join_all((0..8).map(|_| request())).await;

    let all: Vec<ActionStatus> = answers.iter().flat_map(Answer::results).map(|result| result.status).collect();
    assert_eq!(all.iter().filter(|status| **status == Applied).count(), 20);
    assert_eq!(all.iter().filter(|status| **status == Duplicate).count(), 7 * 20);
    assert_eq!(backend.applied("alice").await, (0..20).map(|index| format!("a{index}")).collect::<Vec<_>>());
    assert_eq!(versions(&backend.documents("alice").await), [("d", 20)]);
}

#[tokio::test]
async fn the_same_id_twice_in_a_batch_is_applied_once() {
    let backend = Backend::start().await;
    let actions = json!([save("a", "d", "one", None), save("a", "d", "two", None)]);
    assert_eq!(backend.statuses("alice", &actions).await, [Applied, Duplicate]);
    assert_eq!(backend.documents("alice").await["drafts"][0]["content"], "one");
}

#[tokio::test]
async fn actions_are_applied_in_array_order_whatever_their_timestamps() {
    let backend = Backend::start().await;
    let mut late = save("z", "d", "first", None);
    late["timestamp"] = "2099-01-01T00:00:00Z".into();
    let mut early = save("a", "d", "second", None);
    early["timestamp"] = "1999-01-01T00:00:00Z".into();
    backend.sync("alice", &json!([late, early])).await;
    assert_eq!(backend.applied("alice").await, ["z", "a"]);
    assert_eq!(backend.documents("alice").await["drafts"][0]["content"], "second");
}

#[tokio::test]
async fn each_save_is_a_version_and_keeps_the_title_unless_it_brings_one() {
    let backend = Backend::start().await;
    let titled =
        |id: &str, title: &str| action(id, "save_draft", Some("d"), json!({ "draftId": "d", "title": title, "content": "" }));
    backend.sync("alice", &json!([titled("a1", "Tides"), save("a2", "d", "more", Some(1))])).await;
    let draft = backend.documents("alice").await["drafts"][0].clone();
    assert_eq!((&draft["title"], &draft["version"]), (&json!("Tides"), &json!(2)));
    backend.sync("alice", &json!([titled("a3", "")])).await;
    assert_eq!(backend.documents("alice").await["drafts"][0]["title"], "");
}

#[tokio::test]
async fn a_save_on_top_of_an_old_version_is_a_conflict_with_the_stored_draft() {
    let backend = Backend::start().await;
    backend.sync("alice", &json!([save("a1", "d", "theirs", None), save("a2", "d", "newest", None)])).await;
    let results = backend.sync("alice", &json!([save("a3", "d", "mine", Some(1))])).await;
    let conflict = results[0].conflict.as_ref().unwrap();
    assert_eq!((results[0].status, &results[0].error), (Conflict, &None));
    assert_eq!(conflict.conflict_type, "version_mismatch");
    assert_eq!(conflict.resolution.as_deref(), Some("manual_required"));
    let stored = backend.documents("alice").await["drafts"][0].clone();
    let server: serde_json::Value = serde_json::from_str(conflict.server.as_ref().unwrap().text()).unwrap();
    assert_eq!(server, stored);
    assert_eq!((&stored["content"], &stored["version"]), (&json!("newest"), &json!(2)));
    assert_eq!(backend.applied("alice").await, ["a1", "a2"]);
}

#[tokio::test]
async fn a_conflict_is_in_the_status_until_the_action_is_applied() {
    let backend = Backend::start().await;
    backend.sync("alice", &json!([save("a1", "d", "theirs", None)])).await;
    backend.sync("alice", &json!([save("a2", "d", "mine", Some(0))])).await;
    let status = backend.status_of("alice").await;
    let expected = StatusConflict {
        action_id: "a2".to_owned(),
        conflict_type: "version_mismatch".to_owned(),
        resolution: "manual_required".to_owned(),
    };
    assert_eq!(status.conflicts, [expected]);

    assert_eq!(backend.statuses("alice", &json!([save("a2", "d", "merged", Some(1))])).await, [Applied]);
    let status = backend.status_of("alice").await;
    assert_eq!((status.conflicts, status.processed_actions), (Vec::new(), 2));
}

#[tokio::test]
async fn a_draft_that_does_not_exist_has_version_zero() {
    let backend = Backend::start().await;
    let results = backend.sync("alice", &json!([save("a1", "d", "", Some(3)), save("a2", "e", "", Some(0))])).await;
    assert_eq!((results[0].status, results[1].status), (Conflict, Applied));
    assert_eq!(results[0].conflict.as_ref().unwrap().server, None);
}

#[tokio::test]
async fn the_versions_of_a_deleted_draft_do_not_come_again() {
    let backend = Backend::start().await;
    let delete = action("a2", "delete_draft", Some("d"), json!({ "draftId": "d" }));
    let actions = json!([save("a1", "d", "old", None), delete, save("a3", "d", "new", Some(0))]);
    assert_eq!(backend.statuses("alice", &actions).await, [Applied; 3]);
    assert_eq!(backend.statuses("alice", &json!([save("a4", "d", "stale", Some(1))])).await, [Conflict]);
    assert_eq!(backend.documents("alice").await["drafts"][0]["content"], "new");
}

#[tokio::test]
async fn a_deleted_draft_is_gone_and_may_be_deleted_again() {
    let backend = Backend::start().await;
    let delete = |id: &str| action(id, "delete_draft", Some("d"), json!({ "draftId": "d" }));
    let actions = json!([save("a1", "d", "", None), delete("a2"), delete("a3")]);
    assert_eq!(backend.statuses("alice", &actions).await, [Applied; 3]);
    assert_eq!(backend.documents("alice").await["drafts"], json!([]));
}

#[tokio::test]
async fn a_bookmark_is_there_once_with_its_newest_tags_until_it_is_removed() {
    let backend = Backend::start().await;
    let actions = json!([bookmark("a1", "e", &["old"]), bookmark("a2", "e", &["new", "tags"])]);
    assert_eq!(backend.statuses("alice", &actions).await, [Applied; 2]);
    let bookmarks = backend.documents("alice").await["bookmarks"].clone();
    assert_eq!(bookmarks.as_array().unwrap().len(), 1);
    assert_eq!(bookmarks[0]["tags"], json!(["new", "tags"]));

    let remove = |id: &str| action(id, "remove_bookmark", Some("e"), json!({ "effectId": "e" }));
    assert_eq!(backend.statuses("alice", &json!([remove("a3"), remove("a4")])).await, [Applied; 2]);
    assert_eq!(backend.documents("alice").await["bookmarks"], json!([]));
}

#[tokio::test]
async fn a_conflict_holds_its_key_and_no_other() {
    let backend = Backend::start().await;
    backend.sync("alice", &json!([save("a0", "d", "theirs", None)])).await;
    let unkeyed = action("a4", "save_draft", None, json!({ "draftId": "f", "content": "" }));
    let actions = json!([
        save("a1", "d", "mine", Some(7)),
        save("a2", "d", "mine too", None),
        save("a3", "e", "another", None),
        unkeyed,
        save("a5", "d", "and again", None),
    ]);
    let results = backend.sync("alice", &actions).await;
    let statuses: Vec<ActionStatus> = results.iter().map(|result| result.status).collect();
    assert_eq!(statuses, [Conflict, Retry, Applied, Applied, Retry]);
    let error = results[1].error.as_ref().unwrap();
    assert_eq!((error.code.as_str(), error.retryable), ("SYNC_PREDECESSOR_PENDING", true));
    assert_eq!(backend.applied("alice").await, ["a0", "a3", "a4"]);
}

#[tokio::test]
async fn what_was_applied_is_a_duplicate_even_if_its_key_is_held() {
    let backend = Backend::start().await;
    backend.sync("alice", &json!([save("a2", "d", "theirs", None)])).await;
    let actions = json!([save("a1", "d", "mine", Some(7)), save("a2", "d", "theirs", None)]);
    assert_eq!(backend.statuses("alice", &actions).await, [Conflict, Duplicate]);
}

#[tokio::test]
async fn a_rejection_says_every_problem_and_does_not_hold_its_key() {
    let backend = Backend::start().await;
    let invalid = action("a1", "save_draft", Some("d"), json!({ "draftId": "d", "title": "x".repeat(201) }));
    let unknown = action("a2", "send_rocket", Some("d"), json!({}));
    let results = backend.sync("alice", &json!([invalid, unknown, save("a3", "d", "fine", None)])).await;
    let statuses: Vec<ActionStatus> = results.iter().map(|result| result.status).collect();
    assert_eq!(statuses, [Rejected, Rejected, Applied]);

    let error = results[0].error.as_ref().unwrap();
    assert_eq!((error.code.as_str(), error.retryable), ("VALIDATION_ERROR", false));
    assert_eq!(
        error.details,
        Some(json!([
            { "field": "title", "message": "Must not exceed 200 characters", "constraint": "maxLength" },
            { "field": "content", "message": "Is required", "constraint": "required" }
        ]))
    );
    let error = results[1].error.as_ref().unwrap();
    assert_eq!(error.code, "UNKNOWN_ACTION_TYPE");
    assert_eq!(error.details.as_ref().unwrap()[0]["field"], "type");
}

#[tokio::test]
async fn a_rejected_action_counts_as_failed_until_it_is_applied() {
    let backend = Backend::start().await;
    let invalid = action("a1", "save_draft", Some("d"), json!({ "draftId": "d" }));
    assert_eq!(backend.statuses("alice", &json!([invalid])).await, [Rejected]);
    assert_eq!(backend.statuses("alice", &json!([invalid])).await, [Rejected]);
    let status = backend.status_of("alice").await;
    assert_eq!((status.failed_actions, status.processed_actions), (1, 0));

    assert_eq!(backend.statuses("alice", &json!([save("a1", "d", "edited", None)])).await, [Applied]);
    let status = backend.status_of("alice").await;
    assert_eq!((status.failed_actions, status.processed_actions), (0, 1));
}

#[tokio::test]
async fn an_action_is_either_failed_or_a_conflict() {
    let backend = Backend::start().await;
    backend.sync("alice", &json!([save("a0", "d", "", None)])).await;
    backend.sync("alice", &json!([save("a1", "d", "", Some(7))])).await;
    backend.sync("alice", &json!([action("a1", "save_draft", Some("d"), json!({}))])).await;
    let status = backend.status_of("alice").await;
    assert_eq!((status.failed_actions, status.conflicts), (1, Vec::new()));
}

#[tokio::test]
async fn the_status_of_an_unknown_user_is_empty() {
    let backend = Backend::start().await;
    let status = backend.status_of("nobody").await;
    assert_eq!((status.sync_status.as_str(), status.last_sync_time), ("idle", None));
    assert_eq!((status.processed_actions, status.pending_actions, status.failed_actions), (0, 0, 0));
}

#[tokio::test]
async fn the_status_says_when_a_batch_was_last_taken() {
    let backend = Backend::start().await;
    backend.sync("alice", &json!([action("a1", "send_rocket", None, json!({}))])).await;
    assert!(backend.status_of("alice").await.last_sync_time.is_some());
}
