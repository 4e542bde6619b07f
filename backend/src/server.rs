use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::Router;
use sqlx::migrate::MigrateError;
use tokio::{net::TcpListener, task::JoinSet, time};
use tokio_util::sync::CancellationToken;

use crate::{
    connection,
    database::{Database, DatabaseLocation},
    demonstration::{Catalogue, CatalogueError},
    faults::FaultSwitch,
    router,
    site::Site,
    state::AppState,
    traffic::Traffic,
};

/// How long requests that are under way may still take once the server is to stop.
const GRACE: Duration = Duration::from_millis(1500);
const CLOSING: Duration = Duration::from_millis(400);
/// How long to let a shortage, such as one of file descriptors, pass.
const SHORTAGE: Duration = Duration::from_millis(50);

/// How the server is to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the database is.
    pub database: DatabaseLocation,
    /// Static files to serve next to the API.
    pub site: Option<PathBuf>,
    /// Whether `/api/faults` is there.
    pub faults: bool,
}

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or is not this machine's.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The access check is a stand-in, so other machines must not reach it.
    #[error("{0} is not a loopback address")]
    NotLoopback(SocketAddr),
    /// The database cannot be opened, or not be brought up to date.
    #[error("cannot open the database")]
    Database(#[source] MigrateError),
    /// The embedded error catalogue is broken.
    #[error("the error catalogue is broken")]
    Catalogue(#[source] CatalogueError),
    /// The site is not a directory.
    #[error("there is no directory {}", .0.display())]
    Site(PathBuf),
}

/// A server that has its socket and its database. Clients may connect already; [`Server::serve`] answers them.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    database: Database,
}

impl Server {
    /// Opens the database and listens on the address. Port 0 takes any free one.
    pub async fn bind(address: SocketAddr, options: &Options) -> Result<Self, StartError> {
        if !address.ip().is_loopback() {
            return Err(StartError::NotLoopback(address));
        }
        let site = options.site.as_deref().map(open_site).transpose()?;
        let catalogue = Catalogue::load().map_err(StartError::Catalogue)?;
        let listen = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let database = Database::open(&options.database).await.map_err(StartError::Database)?;
        let state = AppState {
            database: database.clone(),
            traffic: Arc::new(Traffic::new()),
            catalogue: Arc::new(catalogue),
            faults: Arc::new(FaultSwitch::default()),
            configuration: Arc::default(),
            services: Arc::default(),
        };
        let router = router::router(state, site, options.faults);
        Ok(Self { listener, address, router, database })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `stop` resolves, then lets those under way finish, within two seconds in all.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let Self { listener, router, database, .. } = self;
        let stopping = CancellationToken::new();
        let mut connections = JoinSet::new();
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection::serve(stream, router.clone(), stopping.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        time::sleep(SHORTAGE).await;
                    }
                },
            }
        }
        tracing::info!("stopping");
        drop(listener);
        stopping.cancel();
        let finished = async { while connections.join_next().await.is_some() {} };
        if time::timeout(GRACE, finished).await.is_err() {
            tracing::warn!(connections = connections.len(), "requests did not finish in time");
            connections.shutdown().await;
        }
        if time::timeout(CLOSING, database.close()).await.is_err() {
            tracing::warn!("the database did not close in time");
        }
    }
}

fn open_site(directory: &Path) -> Result<Site, StartError> {
    if directory.is_dir() { Ok(Site::new(directory)) } else { Err(StartError::Site(directory.to_owned())) }
}
