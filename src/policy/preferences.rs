//! What a user prefers of error handling: `PUT /api/user/error-preferences`, as far as calls depend on it.
//!
//! A preference only ever takes away: a user may want fewer retries than the application makes, never more.

use super::document::{find, text_of};
use crate::json::{Document, Value};
use crate::wire::MOST_AUTO_RETRIES;

/// What a user prefers. `None`: nothing was said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Preferences {
    /// Whether calls are sent again by themselves: `recovery.autoRetryEnabled` and `disclosure.autoRetry`. If either is off, so
    /// is this.
    pub auto_retry: Option<bool>,
    /// `recovery.maxAutoRetries`: how often at most, the first attempt not included; 0 to [`MOST_AUTO_RETRIES`].
    pub max_auto_retries: Option<u32>,
    /// `recovery.fallbackModeEnabled`: whether something else may stand in for what cannot be had.
    pub fallback_mode: Option<bool>,
    /// `disclosure.showTechnicalDetails`: whether the user wants to see codes and ids.
    pub show_technical_details: Option<bool>,
    /// `notifications.enabled`: whether the user wants to be told of errors.
    pub notifications: Option<bool>,
}

impl Preferences {
    /// Reads a document of preferences, bare or inside `data` or `preferences`. What cannot be understood says nothing; `None` if
    /// it is no such document at all.
    ///
    /// ```
    /// use steadfast::policy::preferences::Preferences;
    ///
    /// let preferences = Preferences::read(br#"{"recovery":{"maxAutoRetries":1}}"#).unwrap();
    /// assert_eq!(preferences.bound(5), 2);
    /// ```
    pub fn read(body: &[u8]) -> Option<Self> {
        let text = text_of(body)?;
        let document = Document::read(&text)?;
        let root = find(&document, &["notifications", "disclosure", "recovery"])?;
        let (disclosure, recovery) = (root.get("disclosure"), root.get("recovery"));
        Some(Self {
            auto_retry: both(flag(recovery, "autoRetryEnabled"), flag(disclosure, "autoRetry")),
            max_auto_retries: recovery.and_then(|recovery| recovery.get("maxAutoRetries")).and_then(retries),
            fallback_mode: flag(recovery, "fallbackModeEnabled"),
            show_technical_details: flag(disclosure, "showTechnicalDetails"),
            notifications: flag(root.get("notifications"), "enabled"),
        })
    }

    /// The attempts that these preferences leave of so many, the first included.
    pub fn bound(&self, attempts: u32) -> u32 {
        let retries = if self.auto_retry == Some(false) { Some(0) } else { self.max_auto_retries };
        retries.map_or(attempts, |retries| attempts.min(retries.saturating_add(1)))
    }

    /// Whether something else may stand in for what cannot be had. It may, unless the user does not want it.
    pub fn allows_fallback(&self) -> bool {
        self.fallback_mode != Some(false)
    }
}

fn flag(section: Option<Value<'_>>, name: &str) -> Option<bool> {
    section?.get(name)?.as_bool()
}

fn both(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one && other),
        (one, other) => one.or(other),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and a small number")]
fn retries(value: Value<'_>) -> Option<u32> {
    let number = value.as_f64().filter(|number| *number >= 0.0)?;
    Some(number.min(f64::from(MOST_AUTO_RETRIES)) as u32)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Preferences {
        Preferences::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_document_of_the_specification_is_read() {
        let text = r#"{
            "notifications": { "enabled": true, "channels": ["in_app", "email"], "frequency": "immediate" },
            "disclosure": { "level": "standard", "showTechnicalDetails": false, "autoRetry": true },
            "recovery": { "autoRetryEnabled": true, "maxAutoRetries": 2, "fallbackModeEnabled": true }
        }"#;
        let preferences = Preferences {
            auto_retry: Some(true),
            max_auto_retries: Some(2),
            fallback_mode: Some(true),
            show_technical_details: Some(false),
            notifications: Some(true),
        };
        assert_eq!(read(text), preferences);
        assert_eq!(read(&format!(r#"{{"success":true,"data":{{"preferences":{text}}}}}"#)), preferences);
    }

    #[test]
    fn either_of_the_two_switches_turns_retries_off() {
        for text in [
            r#"{"recovery":{"autoRetryEnabled":false}}"#,
            r#"{"disclosure":{"autoRetry":false}}"#,
            r#"{"disclosure":{"autoRetry":false},"recovery":{"autoRetryEnabled":true,"maxAutoRetries":5}}"#,
        ] {
            assert_eq!(read(text).bound(10), 1, "{text}");
        }
    }

    #[test]
    fn so_many_retries_are_one_attempt_more_and_never_more_than_the_application_makes() {
        for (retries, attempts, bound) in [(0, 5, 1), (2, 5, 3), (2, 2, 2), (20, 3, 3)] {
            let text = format!(r#"{{"recovery":{{"maxAutoRetries":{retries}}}}}"#);
            assert_eq!(read(&text).bound(attempts), bound);
        }
        assert_eq!(Preferences::default().bound(7), 7);
    }

    #[test]
    fn what_cannot_be_understood_says_nothing() {
        for wrong in ["-1", "NaN", r#""many""#, "null", "[]"] {
            assert_eq!(read(&format!(r#"{{"recovery":{{"maxAutoRetries":{wrong}}}}}"#)), Preferences::default(), "{wrong}");
        }
        assert_eq!(read(r#"{"recovery":{"autoRetryEnabled":"no"},"disclosure":[]}"#), Preferences::default());
        assert_eq!(read(r#"{"recovery":{"maxAutoRetries":1e99}}"#).max_auto_retries, Some(MOST_AUTO_RETRIES));
        for text in ["", "<html>", "[]", "3", r#"{"message":"hello"}"#] {
            assert_eq!(Preferences::read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_fallback_is_allowed_unless_the_user_does_not_want_it() {
        assert!(Preferences::default().allows_fallback());
        assert!(!read(r#"{"recovery":{"fallbackModeEnabled":false}}"#).allows_fallback());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..300)) {
            Preferences::read(&body);
        }

        #[test]
        fn whatever_is_preferred_there_is_a_first_attempt_and_none_is_added(
            auto in any::<Option<bool>>(), retries in any::<i64>(), attempts in 1_u32..=20,
        ) {
            let auto = auto.map_or("null".into(), |auto| auto.to_string());
            let preferences = read(&format!(r#"{{"recovery":{{"autoRetryEnabled":{auto},"maxAutoRetries":{retries}}}}}"#));
            prop_assert!(preferences.max_auto_retries.is_none_or(|retries| retries <= MOST_AUTO_RETRIES));
            prop_assert!((1..=attempts).contains(&preferences.bound(attempts)));
        }
    }
}
