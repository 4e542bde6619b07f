use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderName},
};
use serde_json::{Value, json};
use steadfast::wire::ActionStatus::{Applied, Duplicate, Rejected};

use crate::support::{Answer, Backend, Send, action, refused};

/// The SHA-256 of "hello".
const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const SHA_256: HeaderName = HeaderName::from_static("x-content-sha256");

/// A part of a form: its name, the name of its file, its content type and its content.
type Part<'a> = (&'a str, Option<&'a str>, &'a str, &'a str);

fn form(parts: &[Part<'_>]) -> String {
    let part = |(name, file_name, kind, content): &Part<'_>| {
        let file_name = file_name.map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
        let kind = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"{file_name}\r\n{kind}\r\n{content}\r\n")
    };
    parts.iter().map(part).chain(["--x--\r\n".to_owned()]).collect()
}

fn post_form(backend: &Backend, path: &str, form: String) -> reqwest::RequestBuilder {
    let request = backend.request(Method::POST, path).bearer_auth("demo.alice");
    request.header(CONTENT_TYPE, "multipart/form-data; boundary=x").body(form)
}

/// A batch of one photo, as a client sends it.
fn photo_batch(id: &str, content: &str, bytes: usize) -> String {
    let mut photo = action(id, "add_photo", Some("post-7"), json!({ "caption": "Sea" }));
    photo["files"] = json!([{ "field": "photo", "part": "file-0", "name": "me.jpg", "type": "image/jpeg", "bytes": bytes }]);
    let batch = json!({ "userId": "alice", "actions": [photo] }).to_string();
    form(&[("actions", None, "application/json", &batch), ("file-0", Some("me.jpg"), "image/jpeg", content)])
}

async fn send_batch(backend: &Backend, form: String) -> Answer {
    post_form(backend, "/api/sync/queue-actions", form).answer().await
}

async fn files(backend: &Backend) -> Value {
    let mut listed = backend.get_as("alice", "/api/files").await.json()["files"].take();
    for file in listed.as_array_mut().unwrap() {
        assert!(file["savedAt"].take().as_str().unwrap().ends_with('Z'));
    }
    listed
}

async fn put(backend: &Backend, key: Option<&str>, kind: &str, content: &'static str) -> Answer {
    let request = backend.request(Method::PUT, "/api/files/f7").bearer_auth("demo.alice").header(CONTENT_TYPE, kind);
    let request = request.body(content);
    match key {
        Some(key) => request.header("Idempotency-Key", key).answer().await,
        None => request.answer().await,
    }
}

#[tokio::test]
async fn an_action_comes_with_its_file_and_has_its_effect_once() {
    let backend = Backend::start().await;
    for expected in [Applied, Duplicate, Duplicate] {
        assert_eq!(send_batch(&backend, photo_batch("a1", "hello", 5)).await.results()[0].status, expected);
    }
    let expected = json!([{
        "fileId": "a1.photo", "name": "me.jpg", "type": "image/jpeg", "caption": "Sea", "bytes": 5, "sha256": HELLO, "version": 1,
        "savedAt": null
    }]);
    assert_eq!(files(&backend).await, expected);
    let file = backend.get_as("alice", "/api/files/a1.photo").await;
    assert_eq!((file.body.as_str(), file.header(CONTENT_TYPE), file.header(SHA_256)), ("hello", "image/jpeg", HELLO));
    assert_eq!(file.named_header("content-disposition"), "attachment");
    assert_eq!(backend.get_as("bob", "/api/files/a1.photo").await.refusal(), refused(404, "RESOURCE_NOT_FOUND"));
}

#[tokio::test]
async fn a_form_without_files_is_a_batch_like_any_other() {
    let backend = Backend::start().await;
    let batch = json!({ "userId": "alice", "actions": [action("a1", "remove_bookmark", None, json!({ "effectId": "e" }))] });
    let answer = send_batch(&backend, form(&[("actions", None, "application/json", &batch.to_string())])).await;
    assert_eq!(answer.results()[0].status, Applied);
}

#[tokio::test]
async fn a_photo_that_came_without_its_form_is_rejected() {
    let backend = Backend::start().await;
    let results = backend.sync("alice", &json!([action("a1", "add_photo", None, json!({}))])).await;
    assert_eq!(results[0].status, Rejected);
    assert_eq!(results[0].error.as_ref().unwrap().details.as_ref().unwrap()[0]["field"], "files");
}

#[tokio::test]
async fn a_form_that_lacks_what_its_actions_name_is_refused_as_a_whole() {
    let backend = Backend::start().await;
    let whole = photo_batch("a1", "hello", 5);
    let (json_only, _) = whole.split_once("--x\r\nContent-Disposition: form-data; name=\"file-0\"").unwrap();
    for (form, field) in [
        (photo_batch("a1", "hello", 6), "actions[0].files[0]"),
        (format!("{json_only}--x--\r\n"), "actions[0].files[0]"),
        (form(&[("file-0", Some("me.jpg"), "image/jpeg", "hello")]), "actions"),
        (form(&[]), "actions"),
        (whole[..whole.len() - 8].to_owned(), "."),
    ] {
        let answer = send_batch(&backend, form).await;
        assert_eq!(answer.refusal(), refused(400, "VALIDATION_ERROR"));
        assert_eq!(answer.json()["error"]["details"][0]["field"], field);
    }
    assert_eq!(files(&backend).await, json!([]));
}

#[tokio::test]
async fn a_file_that_comes_again_under_its_key_is_saved_once_and_answered_the_same() {
    let backend = Backend::start().await;
    for _ in 0..3 {
        let answer = put(&backend, Some("\"k1\""), "text/plain", "hello").await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "id": "f7" })));
    }
    let of = |files: &Value| (files[0]["fileId"].clone(), files[0]["sha256"].clone(), files[0]["version"].clone());
    assert_eq!(of(&files(&backend).await), (json!("f7"), json!(HELLO), json!(1)));
    assert_eq!(put(&backend, Some("\"k2\""), "image/png", "").await.status, 200);
    let listed = files(&backend).await;
    assert_eq!((&listed[0]["version"], &listed[0]["bytes"], &listed[0]["type"]), (&json!(2), &json!(0), &json!("image/png")));
}

#[tokio::test]
async fn a_file_needs_a_key_and_somebody_whose_it_is() {
    let backend = Backend::start().await;
    assert_eq!(put(&backend, None, "text/plain", "hello").await.refusal(), refused(400, "VALIDATION_ERROR"));
    let anonymous = backend.request(Method::PUT, "/api/files/f7").header("Idempotency-Key", "k").body("hello");
    assert_eq!(anonymous.answer().await.refusal(), refused(401, "AUTH_TOKEN_MISSING"));
}

#[tokio::test]
async fn a_form_of_a_photo_is_taken_once_for_each_key() {
    let backend = Backend::start().await;
    let parts = [("caption", None, "", "Été"), ("photo", Some("a.png"), "image/png", "hello"), ("note", Some("b"), "", "x")];
    for _ in 0..2 {
        let answer = post_form(&backend, "/api/photos", form(&parts)).header("Idempotency-Key", "\"k1\"").answer().await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "id": "k1" })));
    }
    let listed = files(&backend).await;
    let of = |file: &Value| (file["fileId"].clone(), file["caption"].clone(), file["version"].clone());
    assert_eq!(of(&listed[0]), (json!("k1.note"), json!("Été"), json!(1)));
    assert_eq!(of(&listed[1]), (json!("k1.photo"), json!("Été"), json!(1)));

    let without = post_form(&backend, "/api/photos", form(&parts[..1])).header("Idempotency-Key", "k2").answer().await;
    assert_eq!(without.refusal(), refused(422, "VALIDATION_ERROR"));
    let no_form = backend.send_as("alice", Method::POST, "/api/photos", &json!({ "caption": "x" })).await;
    assert_eq!(no_form.refusal(), refused(400, "VALIDATION_ERROR"));
}

#[tokio::test]
async fn a_file_larger_than_a_batch_is_taken_and_one_beyond_the_limit_is_not() {
    let backend = Backend::start().await;
    let put = async |bytes: usize| {
        let request = backend.request(Method::PUT, "/api/files/f7").bearer_auth("demo.alice").header("Idempotency-Key", "k");
        request.body(vec![7; bytes]).answer().await
    };
    let answer = put((64 << 20) + 1).await;
    assert_eq!(answer.refusal(), refused(413, "PAYLOAD_TOO_LARGE"));
    assert_eq!(answer.json()["error"]["details"]["limit"], 64 << 20);
    assert_eq!(put(8 << 20).await.status, 200);
    assert_eq!(files(&backend).await[0]["bytes"], 8 << 20);
}
