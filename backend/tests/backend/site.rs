use std::fs;

use reqwest::Method;
use steadfast_backend::{Options, Server, StartError};
use tempfile::TempDir;

use crate::support::{Backend, Send, in_memory, refused};

async fn with_site() -> (TempDir, Backend) {
    let directory = tempfile::tempdir().unwrap();
    let site = directory.path().join("site");
    fs::create_dir_all(site.join("api")).unwrap();
    for (path, content) in [
        ("secret.txt", "secret"),
        ("site/index.html", "<!doctype html>"),
        ("site/application.js", "export {}"),
        ("site/style.css", ":root {}"),
        ("site/module.wasm", "\0asm"),
        ("site/api/health", "an impostor"),
        ("site/api/extra.txt", "not served"),
    ] {
        fs::write(directory.path().join(path), content).unwrap();
    }
    let backend = Backend::with(Options { site: Some(site), ..in_memory() }).await;
    (directory, backend)
}

#[tokio::test]
async fn files_have_their_types() {
    let (_directory, backend) = with_site().await;
    for (path, kind) in [
        ("/", "text/html"),
        ("/index.html", "text/html"),
        ("/application.js", "text/javascript"),
        ("/style.css", "text/css"),
        ("/module.wasm", "application/wasm"),
    ] {
        let answer = backend.get(path).await;
        assert_eq!((answer.status, answer.named_header("content-type")), (200, kind), "{path}");
    }
}

#[tokio::test]
async fn files_have_the_headers_that_protect_the_page() {
    let (_directory, backend) = with_site().await;
    let answer = backend.get("/").await;
    assert_eq!(
        answer.named_header("content-security-policy"),
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'"
    );
    assert_eq!(answer.named_header("x-content-type-options"), "nosniff");
    assert_eq!(answer.named_header("referrer-policy"), "no-referrer");
    assert_eq!(answer.named_header("cache-control"), "no-cache");
}

#[tokio::test]
async fn nothing_outside_the_directory_is_served() {
    let (_directory, backend) = with_site().await;
    for path in ["/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/%2e%2e%2fsecret.txt"] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let answer = String::from_utf8(backend.raw(&request).await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn the_api_is_never_looked_for_among_the_files() {
    let (_directory, backend) = with_site().await;
    assert_eq!(backend.get("/api/health").await.json()["status"], "healthy");
    assert_eq!(backend.get("/api/extra.txt").await.refusal(), refused(404, "RESOURCE_NOT_FOUND"));
}

#[tokio::test]
async fn what_is_missing_or_cannot_be_done_is_said_in_the_envelope() {
    let (_directory, backend) = with_site().await;
    assert_eq!(backend.get("/missing.js").await.refusal(), refused(404, "RESOURCE_NOT_FOUND"));
    let answer = backend.request(Method::POST, "/index.html").answer().await;
    assert_eq!(answer.refusal(), refused(405, "METHOD_NOT_ALLOWED"));
    assert_eq!(answer.named_header("allow"), "GET,HEAD");
    let answer = backend.request(Method::GET, "/index.html").header("range", "bytes=900-").answer().await;
    assert_eq!(answer.refusal(), refused(416, "REQUEST_REFUSED"));
}

#[tokio::test]
async fn a_site_that_is_not_a_directory_is_said_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { site: Some(directory.path().join("missing")), ..in_memory() };
    let error = Server::bind("127.0.0.1:0".parse().unwrap(), &options).await.unwrap_err();
    assert!(matches!(error, StartError::Site(_)), "{error:?}");
}
