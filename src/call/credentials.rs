//! Credentials that have expired are refreshed once, by one call in one tab, and every call that met them is sent again.
//!
//! Tabs that refresh at the same time log their user out where refresh tokens are used once (RFC 9700 §4.14.2, "refresh token
//! rotation"). So it is done under a lock between tabs, and who gets the lock looks first whether another one has done it.

use crate::error::ApiError;
use crate::event::Event;
use crate::platform::{Clock, Http, KeyValue, Locks, Platform};
use crate::time::MonotonicTime;
use futures_util::future::{Either, select};
use futures_util::lock::Mutex;
use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

/// How long the application has to refresh them.
const LONGEST_REFRESH: Duration = Duration::from_secs(30);
/// Those that could not be refreshed are not tried again for this long.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);
/// Where the tabs find out that it has been done.
const KEY: &str = "credentials";

/// The credentials of a client, which the application knows and refreshes.
pub struct Credentials<P: Platform> {
    platform: Rc<P>,
    lock: String,
    one_at_a_time: Mutex<()>,
    failed: Cell<Option<(u64, MonotonicTime)>>,
}

/// Whether a response says that new credentials may help: an expired token by any code, `invalid_token` (RFC 6750 §3.1), or 401
/// without any word as to why.
pub fn have_expired(error: &ApiError) -> bool {
    error.status == Some(401)
        && error.code.as_deref().is_none_or(|code| {
            let code = code.to_ascii_lowercase();
            code == "invalid_token" || code == "unauthorized" || code.contains("expired")
        })
}

impl<P: Platform> Credentials<P> {
    /// Those of the clients that share this name.
    pub fn new(platform: Rc<P>, scope: &str) -> Self {
        Self { platform, lock: [scope, ":credentials"].concat(), one_at_a_time: Mutex::default(), failed: Cell::new(None) }
    }

    /// Which ones these are, as all tabs count them; `None` if nobody can refresh them.
    pub fn generation(&self) -> Option<u64> {
        self.platform.http().can_refresh_credentials().then(|| self.read())
    }

    fn read(&self) -> u64 {
        self.platform.key_value().read(KEY).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// Refreshes them, unless that has been done since they were the `seen` ones. Says whether there are new ones.
    pub async fn renew(&self, error: &ApiError, seen: u64) -> bool {
        let _one_call = self.one_at_a_time.lock().await;
        let clock = self.platform.clock();
        let has_failed = self
            .failed
            .get()
            .is_some_and(|(generation, at)| generation == seen && clock.monotonic().since(at) < PAUSE_AFTER_FAILURE);
        if has_failed {
            return false;
        }
        let _one_tab = self.platform.locks().acquire(&self.lock).await;
        let generation = self.read();
        if generation != seen {
            return true;
        }
        let refresh = pin!(self.platform.http().refresh_credentials(error));
        let failure = match select(refresh, pin!(clock.sleep(LONGEST_REFRESH))).await {
            Either::Left((Ok(()), _)) => None,
            Either::Left((Err(failure), _)) => Some(failure.to_string()),
            Either::Right(_) => Some("the credentials were not refreshed within 30 s".to_string()),
        };
        let succeeded = failure.is_none();
        if succeeded {
            self.platform.key_value().write(KEY, &generation.wrapping_add(1).to_string());
        } else {
            self.failed.set(Some((seen, clock.monotonic())));
        }
        self.platform.emit(&Event::CredentialsRefreshed { succeeded, message: failure });
        succeeded
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::error::parse::{Extensions, ResponseParts, parse};
    use crate::time::WallTime;

    fn expired(status: u16, headers: &[(&str, &str)], body: &str) -> bool {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let parts = ResponseParts { status, headers, body: body.into(), truncated: false, received_at: WallTime(0) };
        have_expired(&parse(&parts, &Extensions::default()))
    }

    #[test]
    fn an_expired_token_is_told_from_wrong_credentials_and_from_missing_permission() {
        assert!(expired(401, &[], r#"{"success":false,"error":{"code":"AUTH_TOKEN_EXPIRED","message":"m"}}"#));
        assert!(expired(401, &[("www-authenticate", r#"Bearer error="invalid_token""#)], ""));
        assert!(expired(401, &[], ""));
        assert!(!expired(401, &[], r#"{"success":false,"error":{"code":"AUTH_INVALID_CREDENTIALS","message":"m"}}"#));
        assert!(!expired(403, &[], r#"{"success":false,"error":{"code":"AUTH_TOKEN_EXPIRED","message":"m"}}"#));
        assert!(!expired(200, &[], ""));
    }
}
