//! What holds for calls from now on: the defaults, in their place what the server configures, over that the options of the
//! application, and within that what the user prefers.

use super::options::{Options, Protection, ServerDefaults};
use crate::call::CallPolicy;
use crate::event::Event;
use crate::platform::{KeyValue, Platform};
use crate::policy::configuration::{self, Configuration};
use crate::policy::preferences::Preferences;
use crate::resilience::services::Services;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Where the configuration is kept across reloads: this and, if there is a user, a colon and the user's id. The server may treat
/// each user differently.
const CONFIGURATION: &str = "configuration";
/// Where a user's preferences are kept: this, and the user's id.
const PREFERENCES: &str = "preferences:";

/// The settings of a client.
pub struct Settings<P: Platform> {
    platform: Rc<P>,
    services: Rc<Services<P>>,
    /// What the application has asked for.
    asked: CallPolicy,
    protection: Protection,
    user_id: Option<String>,
    configuration_key: String,
    configuration: RefCell<Configuration>,
    preferences: Cell<Preferences>,
    /// The text of the preferences, as this tab has read it last.
    seen: RefCell<Option<String>>,
    policy: RefCell<Rc<CallPolicy>>,
}

impl<P: Platform> Settings<P> {
    /// Those of a client that has just been opened: what was kept holds at once.
    pub fn new(platform: Rc<P>, services: Rc<Services<P>>, options: Options) -> Self {
        let is_configured = options.configured.configuration.is_some();
        let configuration_key = match &options.user_id {
            Some(user_id) => [CONFIGURATION, ":", user_id].concat(),
            None => CONFIGURATION.into(),
        };
        let settings = Self {
            platform,
            configuration_key,
            services,
            policy: RefCell::new(Rc::new(options.call.clone())),
            asked: options.call,
            protection: options.protection,
            user_id: options.user_id,
            configuration: RefCell::default(),
            preferences: Cell::default(),
            seen: RefCell::default(),
        };
        if is_configured && let Some(kept) = settings.platform.key_value().read(&settings.configuration_key) {
            // What is damaged is as good as nothing kept.
            let kept = configuration::read(kept.as_bytes()).unwrap_or_default();
            settings.put(kept);
        }
        settings.catch_up();
        settings
    }

    /// What holds for calls that begin now.
    pub fn policy(&self) -> Rc<CallPolicy> {
        self.catch_up();
        self.policy.borrow().clone()
    }

    /// What the user prefers now.
    pub fn preferences(&self) -> Preferences {
        self.preferences.get()
    }

    /// The configuration in force, as JSON.
    pub fn configuration_text(&self) -> String {
        self.configuration.borrow().to_text()
    }

    /// The server has sent a configuration. A broken one changes nothing, and both is said.
    pub fn configure(&self, body: &[u8]) {
        let read = configuration::read(body).map(|new| new.replacing(&self.configuration.borrow()));
        match read {
            Ok(new) => {
                let adjustments = new.adjustments.clone();
                let has_changed = new.to_text() != self.configuration_text();
                if has_changed {
                    self.platform.key_value().write(&self.configuration_key, &new.to_text());
                    self.put(new);
                }
                if has_changed || !adjustments.is_empty() {
                    self.platform.emit(&Event::ConfigurationChanged { adjustments });
                }
            }
            Err(error) => self.platform.emit(&Event::ConfigurationIgnored { message: error.to_string() }),
        }
    }

    fn put(&self, configuration: Configuration) {
        let defaults = ServerDefaults::from(&configuration);
        // The options were checked when the client was opened.
        if let Ok(resolved) = self.protection.resolve(&defaults) {
            self.services.set_policies(resolved.service, resolved.services);
            *self.policy.borrow_mut() = Rc::new(CallPolicy { retry: resolved.retry, ..self.asked.clone() });
        }
        *self.configuration.borrow_mut() = configuration;
    }

    /// What the user prefers has changed, here. Kept for other tabs, and for this one after a reload.
    pub fn prefer(&self, text: &str) {
        let Some(user_id) = &self.user_id else {
            self.preferences.set(Preferences::read(text.as_bytes()).unwrap_or_default());
            return;
        };
        self.platform.key_value().write(&[PREFERENCES, user_id].concat(), text);
        self.take(Some(text.into()));
    }

    /// The text that was kept of the user's preferences.
    pub fn kept_preferences(&self) -> Option<String> {
        self.platform.key_value().read(&[PREFERENCES, self.user_id.as_ref()?].concat())
    }

    /// Takes over what another tab has been told.
    fn catch_up(&self) {
        let kept = self.kept_preferences();
        if *self.seen.borrow() == kept {
            return;
        }
        self.take(kept.clone());
        if let Some(kept) = kept {
            self.platform.emit(&Event::PreferencesChanged { kept });
        }
    }

    fn take(&self, text: Option<String>) {
        let preferences = text.as_deref().and_then(|text| Preferences::read(text.as_bytes()));
        self.preferences.set(preferences.unwrap_or_default());
        *self.seen.borrow_mut() = text;
    }
}
