use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
    time,
};

use crate::support::PATIENCE;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast-backend"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

fn start(arguments: &[&str]) -> Child {
    command(arguments).spawn().unwrap()
}

#[tokio::test]
async fn the_only_line_on_standard_output_says_where_the_server_listens() {
    let mut server = start(&["--port", "0", "--database", ":memory:"]);
    let mut output = BufReader::new(server.stdout.take().unwrap());
    let mut line = String::new();
    time::timeout(PATIENCE, output.read_line(&mut line)).await.unwrap().unwrap();
    let url = line.strip_prefix("listening on ").unwrap().strip_suffix('\n').unwrap();
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    assert_eq!(reqwest::get(format!("{url}/api/health")).await.unwrap().status(), 200);
    assert_eq!(reqwest::get(format!("{url}/api/faults")).await.unwrap().status(), 404);

    server.kill().await.unwrap();
    let mut rest = String::new();
    output.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "");
}

#[cfg(unix)]
#[tokio::test]
async fn the_signals_that_ask_it_to_stop_end_it_well() {
    for signal in ["-TERM", "-INT"] {
        let mut server = start(&["--port", "0", "--database", ":memory:", "--faults"]);
        let mut line = String::new();
        let mut output = BufReader::new(server.stdout.take().unwrap());
        time::timeout(PATIENCE, output.read_line(&mut line)).await.unwrap().unwrap();
        let id = server.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().await.unwrap().success());
        let end = time::timeout(time::Duration::from_secs(2), server.wait()).await.expect("ends within two seconds");
        assert!(end.unwrap().success(), "{signal}");
    }
}

#[tokio::test]
async fn a_start_that_fails_says_why_and_fails() {
    for (arguments, reason) in [
        (&["--address", "0.0.0.0"][..], "not a loopback address"),
        (&["--port", "0", "--database", ":memory:", "--site", "no/such/directory"], "there is no directory"),
        (&["--port", "0", "--database", "no/such/directory/file.sqlite"], "cannot open the database"),
        (&["--unknown"], "unexpected argument"),
    ] {
        let output = time::timeout(PATIENCE, command(arguments).output()).await.unwrap().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        assert!(error.contains(reason), "{arguments:?}: {error}");
        assert!(output.stdout.is_empty());
    }
}
