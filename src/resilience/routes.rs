//! Which of a backend's services stands behind which of its routes: learnt from the errors that name one.
//!
//! A backend that says "`runninghub_api` failed" (Cosnap's `context.service`) tells that what was asked for needs that service.
//! From then on calls to that route go through the breaker of that service too, and the rest of the backend is not held
//! responsible.

use std::cell::RefCell;
use std::collections::VecDeque;

/// The most routes that are remembered.
const MOST_ROUTES: usize = 128;
/// The longest name of a service that is taken for one.
const LONGEST_SERVICE: usize = 128;

/// What has been learnt. The least recently learnt is forgotten first.
#[derive(Debug, Default)]
pub struct Routes {
    known: RefCell<VecDeque<(String, String)>>,
}

impl Routes {
    /// An error of that URL named that service.
    pub fn learn(&self, url: &str, service: &str) {
        if service.is_empty() || service.len() > LONGEST_SERVICE {
            return;
        }
        let route = route_of(url);
        let mut known = self.known.borrow_mut();
        known.retain(|(other, _)| *other != route);
        if known.len() >= MOST_ROUTES {
            known.pop_front();
        }
        known.push_back((route, service.into()));
    }

    /// The service behind that URL, if it is known.
    pub fn service_of(&self, url: &str) -> Option<String> {
        let known = self.known.borrow();
        if known.is_empty() {
            return None;
        }
        let route = route_of(url);
        known.iter().find(|(other, _)| *other == route).map(|(_, service)| service.clone())
    }
}

/// A URL without what tells one thing of a kind from another: without query and fragment, and with `*` for each segment of its
/// path that has a digit in it, or is too long for a word.
fn route_of(url: &str) -> String {
    let address = url.split(['?', '#']).next().unwrap_or_default();
    let authority = address.find("://").map_or(0, |scheme| scheme + 3);
    let end = address.get(authority..).and_then(|rest| rest.find('/')).map_or(address.len(), |slash| authority + slash);
    let (origin, path) = address.split_at(end);
    let is_version = |segment: &str| {
        segment.len() <= 4 && segment.strip_prefix('v').is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let mut route = origin.to_string();
    for segment in path.split('/').skip(1) {
        let names_one = segment.len() > 40 || segment.bytes().any(|byte| byte.is_ascii_digit());
        route.push('/');
        route.push_str(if names_one && !is_version(segment) { "*" } else { segment });
    }
    route
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn things_of_a_kind_have_one_route_and_kinds_have_their_own() {
        for (url, route) in [
            ("https://a.example/api/v2/drafts/17?full=1#top", "https://a.example/api/v2/drafts/*"),
            ("https://a.example/api/v2/drafts/0198c2f6-7d1c-7a3e", "https://a.example/api/v2/drafts/*"),
            ("https://a.example/api/drafts/new", "https://a.example/api/drafts/new"),
            ("https://a.example", "https://a.example"),
            ("https://a.example:8443/", "https://a.example:8443/"),
            ("about:blank", "about:blank"),
            ("", ""),
        ] {
            assert_eq!(route_of(url), route);
        }
    }

    #[test]
    fn what_an_error_named_holds_for_its_route_and_for_no_other() {
        let routes = Routes::default();
        routes.learn("https://a.example/api/effects/1", "runninghub_api");
        assert_eq!(routes.service_of("https://a.example/api/effects/2").as_deref(), Some("runninghub_api"));
        assert_eq!(routes.service_of("https://a.example/api/drafts/2"), None);
        assert_eq!(routes.service_of("https://b.example/api/effects/2"), None);
        routes.learn("https://a.example/api/effects/1", "other");
        assert_eq!(routes.service_of("https://a.example/api/effects/2").as_deref(), Some("other"));
    }

    #[test]
    fn a_backend_with_many_routes_does_not_grow_the_page() {
        let routes = Routes::default();
        for index in 0..1000 {
            let name: String = index.to_string().bytes().map(|digit| char::from(digit + 49)).collect();
            routes.learn(&format!("https://a.example/{name}"), "s");
        }
        assert_eq!(routes.known.borrow().len(), MOST_ROUTES);
        routes.learn("https://a.example/x", &"s".repeat(129));
        assert_eq!(routes.service_of("https://a.example/x"), None);
    }
}
