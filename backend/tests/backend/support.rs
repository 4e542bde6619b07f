use std::{net::SocketAddr, time::Duration};

use reqwest::{
    Method,
    header::{HeaderMap, HeaderName},
};
use serde_json::{Value, json};
use steadfast::wire::{ActionResult, ActionStatus, QueueActionsResponse, StandardErrorResponse, SyncStatus};
use steadfast_backend::{DatabaseLocation, Options, Server};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time,
};

/// No test takes this long unless something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A started server, and a client to it.
pub(crate) struct Backend {
    address: SocketAddr,
    client: reqwest::Client,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

pub(crate) fn in_memory() -> Options {
    Options { database: DatabaseLocation::Memory, site: None, faults: false }
}

impl Backend {
    pub(crate) async fn start() -> Self {
        Self::with(in_memory()).await
    }

    pub(crate) async fn with_faults() -> Self {
        Self::with(Options { faults: true, ..in_memory() }).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), &options).await.unwrap();
        let address = server.address();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.serve(async {
            stopped.await.ok();
        }));
        let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        Self { address, client, stop, task }
    }

    /// Stops the server and waits until it has ended.
    pub(crate) async fn stop(self) {
        drop(self.client);
        self.stop.send(()).unwrap();
        time::timeout(Duration::from_secs(2), self.task).await.expect("ends within two seconds").unwrap();
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path).answer().await
    }

    pub(crate) async fn get_as(&self, user: &str, path: &str) -> Answer {
        self.request(Method::GET, path).bearer_auth(format!("demo.{user}")).answer().await
    }

    pub(crate) fn batch(&self, user: &str, actions: &Value) -> reqwest::RequestBuilder {
        self.request(Method::POST, "/api/sync/queue-actions")
            .bearer_auth(format!("demo.{user}"))
            .json(&json!({ "userId": user, "actions": actions }))
    }

    pub(crate) async fn sync(&self, user: &str, actions: &Value) -> Vec<ActionResult> {
        self.batch(user, actions).answer().await.results()
    }

    pub(crate) async fn statuses(&self, user: &str, actions: &Value) -> Vec<ActionStatus> {
        self.sync(user, actions).await.iter().map(|result| result.status).collect()
    }

    pub(crate) async fn status_of(&self, user: &str) -> SyncStatus {
        self.get_as(user, &format!("/api/sync/status/{user}")).await.parse()
    }

    /// Sends a body as that user.
    pub(crate) async fn send_as(&self, user: &str, method: Method, path: &str, body: &Value) -> Answer {
        self.request(method, path).bearer_auth(format!("demo.{user}")).json(body).answer().await
    }

    pub(crate) async fn documents(&self, user: &str) -> Value {
        self.get_as(user, "/api/documents").await.json()
    }

    /// The ids of the user's applied actions, in the order in which they were applied.
    pub(crate) async fn applied(&self, user: &str) -> Vec<String> {
        let page = self.get_as(user, "/api/applied-actions?limit=1000").await.json();
        let actions = page["actions"].as_array().unwrap();
        actions.iter().map(|action| action["id"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) async fn set_fault(&self, fault: Value) {
        let answer = self.request(Method::PUT, "/api/faults").json(&fault).answer().await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Sends the text as it is, and returns whatever comes back until the server closes.
    pub(crate) async fn raw(&self, request: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut received = Vec::new();
        // A close with unread data arrives as a reset, which is as much a close.
        time::timeout(PATIENCE, stream.read_to_end(&mut received)).await.expect("the server closes").ok();
        received
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

pub(crate) fn in_file(directory: &tempfile::TempDir) -> Options {
    Options { database: DatabaseLocation::File(directory.path().join("test.sqlite")), ..in_memory() }
}

/// Sends a request and reads its answer.
pub(crate) trait Send {
    async fn answer(self) -> Answer;
}

impl Send for reqwest::RequestBuilder {
    async fn answer(self) -> Answer {
        let response = self.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.text().await.unwrap() }
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        self.parse()
    }

    pub(crate) fn parse<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: impl Into<HeaderName>) -> &str {
        self.headers.get(name.into()).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn named_header(&self, name: &'static str) -> &str {
        self.header(HeaderName::from_static(name))
    }

    pub(crate) fn results(&self) -> Vec<ActionResult> {
        assert_eq!(self.status, 200, "{self:?}");
        let response: QueueActionsResponse = self.parse();
        assert!(response.success);
        response.results
    }

    /// The envelope, after checking what must be true of every one.
    pub(crate) fn envelope(&self) -> StandardErrorResponse {
        let envelope: StandardErrorResponse = self.parse();
        let context = envelope.context.as_ref().unwrap();
        assert!(!envelope.success);
        assert_eq!(self.named_header("content-type"), "application/json");
        assert_eq!(context.status_code, self.status);
        assert_eq!(envelope.error.correlation_id, self.named_header("x-correlation-id"));
        assert_eq!(context.request_id, envelope.error.correlation_id);
        assert!(!envelope.error.user_message.is_empty());
        envelope
    }

    /// The status and the code of an error.
    pub(crate) fn refusal(&self) -> (u16, String) {
        (self.status, self.envelope().error.code)
    }
}

pub(crate) fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

pub(crate) fn action(id: &str, kind: &str, key: Option<&str>, data: Value) -> Value {
    let mut action = json!({ "id": id, "type": kind, "timestamp": "2025-08-21T09:30:00Z", "data": data });
    if let Some(key) = key {
        action["key"] = key.into();
    }
    action
}

/// Saves a draft, whose key is its id.
pub(crate) fn save(id: &str, draft_id: &str, content: &str, base_version: Option<u64>) -> Value {
    let mut data = json!({ "draftId": draft_id, "content": content });
    if let Some(version) = base_version {
        data["baseVersion"] = version.into();
    }
    action(id, "save_draft", Some(draft_id), data)
}
