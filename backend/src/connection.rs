use std::{convert::Infallible, future, pin::pin};

use axum::{Router, extract::Request};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// A handle on the connection of a request, among its extensions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection {
    cut: CancellationToken,
}

impl Connection {
    /// Closes the socket as it is, without an answer. The request that asks for it ends here.
    pub(crate) async fn cut(&self) -> Infallible {
        self.cut.cancel();
        future::pending().await
    }
}

/// Answers the requests of one connection until either side ends it.
pub(crate) async fn serve(stream: TcpStream, router: Router, stopping: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the connection may be slow");
    }
    let connection = Connection::default();
    let cut = connection.cut.clone();
    let service = router.map_request(move |mut request: Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(connection.clone());
        request.map(axum::body::Body::new)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new());
    let mut exchange = pin!(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)));
    let mut finishing = false;
    loop {
        tokio::select! {
            biased;
            // To return is to drop the socket, and nothing of an answer has been written to it yet.
            () = cut.cancelled() => return,
            () = stopping.cancelled(), if !finishing => {
                finishing = true;
                exchange.as_mut().graceful_shutdown();
            }
            end = exchange.as_mut() => {
                if let Err(error) = end {
                    tracing::debug!(%error, "a connection broke");
                }
                return;
            }
        }
    }
}
