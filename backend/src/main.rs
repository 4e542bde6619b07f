//! The command line of the reference backend.

mod arguments;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use arguments::Arguments;
use clap::Parser;
use steadfast_backend::{Server, StartError};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("cannot say where the server listens")]
    Announce(#[source] io::Error),
    #[error("cannot listen for the signals that end the server")]
    Signals(#[source] io::Error),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_logging();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", with_causes(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), RunError> {
    // Before the announcement, so that whoever reads it can already ask the server to stop.
    let stop = stop_signal().map_err(RunError::Signals)?;
    let server = Server::bind(arguments.socket_address(), &arguments.into_options()).await?;
    announce(&server).map_err(RunError::Announce)?;
    server.serve(stop).await;
    Ok(())
}

/// The only line on standard output: scripts wait for it and read the address from it.
fn announce(server: &Server) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "listening on http://{}", server.address())?;
    output.flush()
}

/// Logs go to standard error, at the levels in `RUST_LOG` (`info`, or `steadfast_backend=debug,sqlx=warn`).
fn start_logging() {
    let levels = std::env::var("RUST_LOG").ok().and_then(|levels| levels.parse::<Targets>().ok());
    let levels = levels.unwrap_or_else(|| Targets::new().with_default(tracing::Level::INFO));
    let output = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_target(false);
    tracing_subscriber::registry().with(levels).with(output).init();
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Resolves on Ctrl-C or SIGTERM.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Resolves on Ctrl-C.
#[cfg(windows)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}
