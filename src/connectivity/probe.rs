//! One probe: what stands at the backend's health, or at least whether anything is there.

use super::WatchOptions;
use super::health::{LARGEST_HEALTH, read_health};
use crate::platform::{Clock, Connectivity, Headers, Http, NetworkFailure, NetworkFailureKind, Platform, Response};
use crate::policy::connectivity::ProbeOutcome;
use futures_util::future::{Either, select};
use std::pin::pin;
use std::time::Duration;

/// How long a backend has to say how it is. One that takes longer is as good as silent.
const LONGEST_PROBE: Duration = Duration::from_secs(5);
/// How long it then has to give any sign of life.
const LONGEST_SIGN_OF_LIFE: Duration = Duration::from_secs(3);

/// A short answer, read to its end or to a limit.
#[derive(Debug, Default)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers that the page may read.
    pub headers: Headers,
    /// Whether a redirect led to another origin.
    pub leads_elsewhere: bool,
    /// The body.
    pub body: Vec<u8>,
}

/// Looks at the backend's health.
pub(super) async fn probe<P: Platform>(platform: &P, options: &WatchOptions) -> ProbeOutcome {
    let url = format!("{}{}", options.backend, options.health_path);
    match look(platform, &url).await {
        Some(Ok(answer)) => outcome(&answer),
        None => ProbeOutcome::Silence,
        Some(Err(failure)) => match failure.verdict.kind {
            NetworkFailureKind::Invalid | NetworkFailureKind::Application | NetworkFailureKind::MixedContent => {
                ProbeOutcome::Inconclusive
            }
            _ if failure.violates_policy => ProbeOutcome::Inconclusive,
            _ if gives_sign_of_life(platform, &options.backend).await => ProbeOutcome::Unreadable,
            _ => ProbeOutcome::Silence,
        },
    }
}

/// Gets a URL without the application's headers; `None` if that takes too long.
pub async fn look<P: Platform>(platform: &P, url: &str) -> Option<Result<Answer, NetworkFailure>> {
    let mut answer = Answer::default();
    let mut failure = None;
    let looking = async {
        match platform.http().look(url).await {
            Ok(response) => {
                let leads_elsewhere = response.redirected_elsewhere();
                answer = Answer { status: response.status(), headers: response.headers(), leads_elsewhere, body: Vec::new() };
                answer.body = response.body(LARGEST_HEALTH).await.bytes;
            }
            Err(error) => failure = Some(error),
        }
    };
    let is_done = within(platform, LONGEST_PROBE, looking).await.is_some();
    match failure {
        Some(failure) => Some(Err(failure)),
        // The head of an answer is one, even if the rest of it never comes.
        None if is_done || answer.status != 0 => Some(Ok(answer)),
        None => None,
    }
}

/// Whether anything at all answers at the root of that origin, where the page may not read what: across origins only, because
/// elsewhere it would have been read.
async fn gives_sign_of_life<P: Platform>(platform: &P, origin: &str) -> bool {
    let around = platform.http().surroundings();
    let would_be_heard = around.crosses_origins(origin) && !around.page.is_isolated && platform.connectivity().online();
    let root = format!("{origin}/");
    would_be_heard && within(platform, LONGEST_SIGN_OF_LIFE, platform.http().probe(&root)).await.unwrap_or(false)
}

async fn within<P: Platform, F: Future>(platform: &P, limit: Duration, work: F) -> Option<F::Output> {
    match select(pin!(work), pin!(platform.clock().sleep(limit))).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(((), _)) => None,
    }
}

/// What an answer at the health's path is.
fn outcome(answer: &Answer) -> ProbeOutcome {
    if answer.status >= 400 {
        // A page that tells of an error is the server's, or a gateway's: portals come as successes.
        return ProbeOutcome::Answered(answer.status);
    }
    match read_health(&answer.body) {
        Some(health) => ProbeOutcome::Health(health),
        None if answer.leads_elsewhere || is_page(answer) => ProbeOutcome::Page,
        None => ProbeOutcome::Answered(answer.status),
    }
}

/// Whether it is a web page, by what it says of itself or by how it begins.
fn is_page(answer: &Answer) -> bool {
    let mut types = answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if types.any(|(_, value)| begins_with(value.as_bytes(), b"text/html") || begins_with(value.as_bytes(), b"application/xhtml"))
    {
        return true;
    }
    let body = answer.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&answer.body);
    begins_with(body, b"<!doctype html") || begins_with(body, b"<html")
}

fn begins_with(text: &[u8], beginning: &[u8]) -> bool {
    text.trim_ascii_start().get(..beginning.len()).is_some_and(|start| start.eq_ignore_ascii_case(beginning))
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::policy::connectivity::Health;

    fn answer(status: u16, content_type: &str, body: &str) -> Answer {
        let headers = vec![("Content-Type".into(), content_type.into())];
        Answer { status, headers, leads_elsewhere: false, body: body.into() }
    }

    #[test]
    fn what_stands_at_the_healths_path_is_told_apart() {
        const JSON: &str = "application/json";
        for (status, content_type, body, expected) in [
            (200, JSON, r#"{"status":"healthy"}"#, ProbeOutcome::Health(Health::Healthy)),
            (200, JSON, r#"{"status":"degraded"}"#, ProbeOutcome::Health(Health::Degraded)),
            (200, "text/html", r#"{"status":"healthy"}"#, ProbeOutcome::Health(Health::Healthy)),
            (503, JSON, r#"{"status":"healthy"}"#, ProbeOutcome::Answered(503)),
            (404, "text/html", "<!DOCTYPE html><title>Cannot GET /api/health</title>", ProbeOutcome::Answered(404)),
            (511, "text/html", "<html>Log in</html>", ProbeOutcome::Answered(511)),
            (200, "text/html; charset=utf-8", "Welcome", ProbeOutcome::Page),
            (200, "", "\u{feff} <!DocType HTML><title>Airport</title>", ProbeOutcome::Page),
            (200, "", " <HTML>", ProbeOutcome::Page),
            (204, "", "", ProbeOutcome::Answered(204)),
            (200, JSON, r#"{"version":"1.2.3"}"#, ProbeOutcome::Answered(200)),
        ] {
            assert_eq!(outcome(&answer(status, content_type, body)), expected, "{status} {content_type} {body}");
        }
    }

    #[test]
    fn a_redirect_elsewhere_is_no_health_unless_it_leads_to_one() {
        let elsewhere = |body| Answer { leads_elsewhere: true, ..answer(200, "application/json", body) };
        assert_eq!(outcome(&elsewhere("{}")), ProbeOutcome::Page);
        assert_eq!(outcome(&elsewhere(r#"{"status":"UP"}"#)), ProbeOutcome::Health(Health::Healthy));
    }
}
