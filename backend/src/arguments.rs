use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use clap::Parser;
use steadfast_backend::{DatabaseLocation, Options};

/// The reference backend of Steadfast.
#[derive(Debug, Parser)]
#[command(name = "steadfast-backend", version)]
pub(crate) struct Arguments {
    /// The address to listen on. Loopback only: the access check is a stand-in.
    #[arg(long, default_value = "127.0.0.1", value_parser = loopback)]
    address: IpAddr,
    /// The port to listen on; 0 takes any free one.
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// The database file, or `:memory:`.
    #[arg(long, value_name = "FILE", default_value = "steadfast-demo.sqlite", value_parser = location)]
    database: DatabaseLocation,
    /// A directory of static files to serve, with its `index.html` at `/`.
    #[arg(long, value_name = "DIR")]
    site: Option<PathBuf>,
    /// Let `/api/faults` make the server misbehave.
    #[arg(long)]
    faults: bool,
}

impl Arguments {
    pub(crate) fn socket_address(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }

    pub(crate) fn into_options(self) -> Options {
        Options { database: self.database, site: self.site, faults: self.faults }
    }
}

fn loopback(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| "not an IP address".to_owned())?;
    if address.is_loopback() { Ok(address) } else { Err("not a loopback address, such as 127.0.0.1 or ::1".to_owned()) }
}

#[expect(clippy::unnecessary_wraps, reason = "clap wants a value parser to be able to fail")]
fn location(text: &str) -> Result<DatabaseLocation, Infallible> {
    Ok(DatabaseLocation::named(text))
}
