//! Credentials that have expired are refreshed once, by one call in one tab, and every call that met them is sent again.
//!
//! Tabs that refresh at the same time log their user out where refresh tokens are used once (RFC 9700 §4.14.2, "refresh token
//! rotation"). So it is done under a lock between tabs, and who gets the lock looks first whether another one has done it.

use super::attempt::within;
use crate::error::ApiError;
use crate::event::Event;
use crate::platform::{Clock, Http, KeyValue, Locks, Platform};
use crate::time::{MonotonicTime, WallTime};
use futures_channel::oneshot;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// How long the application has to refresh them.
const LONGEST_REFRESH: Duration = Duration::from_secs(30);
/// Those that could not be refreshed are not tried again for this long.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);
/// Where the tabs find out that it has been done: this and, if there is a user, a colon and the user's id.
const KEY: &str = "credentials";

/// A tab that refreshes them and stands still holds the others no longer than this.
const LONGEST_TURN: Duration = Duration::from_secs(35);
/// Where the tabs find out that it was in vain: as above, and such that no user's id makes the one of the other.
const FAILED_KEY: &str = "credentialsFailed";
/// What another tab has written before it let go of the lock may take so long to be seen here: a browser's processes tell one
/// another of small texts and of locks in different ways.
const NEWS_TRAVELS: Duration = Duration::from_millis(100);

/// The credentials of a client, which the application knows and refreshes.
pub struct Credentials<P: Platform> {
    inner: Rc<Inner<P>>,
}

struct Inner<P: Platform> {
    platform: Rc<P>,
    lock: String,
    key: String,
    failed_key: String,
    /// Who waits for the refresh that is under way.
    waiting: RefCell<Option<Vec<oneshot::Sender<()>>>>,
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
    /// Those of the clients that share this name and have the same user, or none.
    pub fn new(platform: Rc<P>, scope: &str, user_id: Option<&str>) -> Self {
        let of_user = |name: &str| match user_id {
            Some(user_id) => [name, ":", user_id].concat(),
            None => name.into(),
        };
        let (lock, key, failed_key) = (of_user(&[scope, ":credentials"].concat()), of_user(KEY), of_user(FAILED_KEY));
        Self { inner: Rc::new(Inner { platform, lock, key, failed_key, waiting: RefCell::default(), failed: Cell::new(None) }) }
    }

    /// Which ones these are, as all tabs count them; `None` if nobody can refresh them.
    pub fn generation(&self) -> Option<u64> {
        self.inner.platform.http().can_refresh_credentials().then(|| self.inner.generation())
    }

    /// Refreshes them, unless that has been done since they were the `seen` ones. Says whether there are new ones.
    ///
    /// A refresh that has begun goes on though nobody may wait for it any longer: a second one beside it could end the session.
    pub async fn renew(&self, error: &ApiError, seen: u64) -> bool {
        // What is under way may be about older ones.
        for _ in 0..2 {
            if self.inner.generation() != seen {
                return true;
            }
            if self.inner.has_failed(seen) {
                return false;
            }
            // Whatever came of it is written down. It also ends with the page.
            let _: Result<(), oneshot::Canceled> = self.join(error, seen).await;
        }
        self.inner.generation() != seen
    }

    /// Waits for the refresh that is under way, or for a new one.
    fn join(&self, error: &ApiError, seen: u64) -> oneshot::Receiver<()> {
        let (done, end) = oneshot::channel();
        if let Some(waiting) = self.inner.waiting.borrow_mut().as_mut() {
            waiting.push(done);
            return end;
        }
        *self.inner.waiting.borrow_mut() = Some(vec![done]);
        let (inner, error) = (self.inner.clone(), error.clone());
        self.inner.platform.spawn(async move {
            inner.refresh(&error, seen).await;
            for waiting in inner.waiting.take().unwrap_or_default() {
                // One that has been given up.
                let _: Result<(), ()> = waiting.send(());
            }
        });
        end
    }
}

impl<P: Platform> Inner<P> {
    fn generation(&self) -> u64 {
        self.platform.key_value().read(&self.key).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// Whether it was just tried in vain, here or in another tab.
    fn has_failed(&self, seen: u64) -> bool {
        let clock = self.platform.clock();
        let is_recent = |(generation, at)| generation == seen && clock.monotonic().since(at) < PAUSE_AFTER_FAILURE;
        if self.failed.get().is_some_and(is_recent) {
            return true;
        }
        let text = self.platform.key_value().read(&self.failed_key).unwrap_or_default();
        let Some((generation, at)) = text.split_once(' ') else { return false };
        let (at, now) = (at.parse().map_or(WallTime::default(), WallTime), clock.wall());
        // By a clock that was set back since it is not known when that was.
        generation.parse() == Ok(seen) && at <= now && now.since(at) < PAUSE_AFTER_FAILURE
    }

    async fn refresh(&self, error: &ApiError, seen: u64) {
        let (platform, clock) = (self.platform.as_ref(), self.platform.clock());
        // Whose turn does not come is not the second at once, but perhaps the only one that is awake.
        let _one_tab = within(platform, LONGEST_TURN, platform.locks().acquire(&self.lock)).await.ok();
        if self.generation() == seen {
            clock.sleep(NEWS_TRAVELS).await;
        }
        if self.generation() != seen || self.has_failed(seen) {
            return;
        }
        let failure = match within(platform, LONGEST_REFRESH, platform.http().refresh_credentials(error)).await {
            Ok(Ok(())) => None,
            Ok(Err(failure)) => Some(failure.to_string()),
            Err(_) => Some("the credentials were not refreshed within 30 s".to_string()),
        };
        if failure.is_none() {
            platform.key_value().write(&self.key, &self.generation().wrapping_add(1).to_string());
        } else {
            self.failed.set(Some((seen, clock.monotonic())));
            platform.key_value().write(&self.failed_key, &[&seen.to_string(), " ", &clock.wall().0.to_string()].concat());
        }
        platform.emit(&Event::CredentialsRefreshed { succeeded: failure.is_none(), message: failure });
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
