//! What an origin, as the platform writes it, tells of where it is.

/// The scheme and the host of an origin, without its port.
fn parts(origin: &str) -> Option<(&str, &str, Option<&str>)> {
    let (scheme, authority) = origin.split_once("://")?;
    // The colons of an IPv6 address stand in brackets.
    match authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        Some((host, port)) => Some((scheme, host, Some(port))),
        None => Some((scheme, authority, None)),
    }
}

/// Whether a host is this very device: `localhost`, what is below it, and the loopback addresses (RFC 6761 §6.3, RFC 1122
/// §3.2.1.3, RFC 4291 §2.5.3).
fn host_is_loopback(host: &str) -> bool {
    // A browser writes an address as four numbers; a name may begin like one.
    let is_address = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    host == "localhost" || host.ends_with(".localhost") || is_address && host.starts_with("127.") || host == "[::1]"
}

/// Whether an origin is on this very device.
pub(super) fn is_loopback(origin: &str) -> bool {
    parts(origin).is_some_and(|(_, host, _)| host_is_loopback(host))
}

/// Whether a page of that origin may not fetch from the other because only the first is secure: mixed content
/// (<https://www.w3.org/TR/mixed-content/>), from which this very device is exempt.
pub(super) fn is_mixed_content(page: &str, target: &str) -> bool {
    page.starts_with("https://") && target.starts_with("http://") && !is_loopback(target)
}

/// Whether a page of that origin is being developed, as far as the origin tells: it comes from this device through a port of
/// its own, as development servers do, or from a name that only a local network knows (`.local`, `.test`).
///
/// A port is asked for because packaged applications (Capacitor, Tauri) come from `https://localhost` on their users' devices.
/// For the same reason a page from a file, whose origin is `null`, is not taken for one in development.
///
/// ```
/// use steadfast::error::network::is_development;
/// assert!(is_development("http://localhost:5173"));
/// assert!(!is_development("https://localhost"));
/// assert!(!is_development("https://app.example.com"));
/// ```
pub fn is_development(page_origin: &str) -> bool {
    parts(page_origin).is_some_and(|(scheme, host, port)| {
        let is_web = matches!(scheme, "http" | "https");
        let is_local_name = host.rsplit_once('.').is_some_and(|(_, last)| matches!(last, "local" | "test"));
        is_web && (host_is_loopback(host) && port.is_some() || is_local_name)
    })
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn a_page_in_development_is_told_by_its_origin() {
        for origin in [
            "http://localhost:5173",
            "https://localhost:8443",
            "http://app.localhost:3000",
            "http://127.0.0.1:8080",
            "http://127.1.2.3:80",
            "http://[::1]:8080",
            "http://printer.local",
            "https://shop.test",
        ] {
            assert!(is_development(origin), "{origin}");
        }
        for origin in [
            "https://app.example.com",
            "https://localhost",
            "http://tauri.localhost",
            "capacitor://localhost",
            "tauri://localhost:1",
            "null",
            "",
            "http://[::1]",
            "https://localhost.example.com:8080",
            "https://notlocalhost:8080",
            "https://127.example.com:8080",
            "https://latest",
            "http://192.168.1.7:3000",
        ] {
            assert!(!is_development(origin), "{origin}");
        }
    }

    #[test]
    fn only_a_secure_page_and_an_insecure_server_elsewhere_are_mixed() {
        assert!(is_mixed_content("https://app.example", "http://api.example"));
        for (page, target) in [
            ("https://app.example", "https://api.example"),
            ("http://app.example", "http://api.example"),
            ("https://app.example", "http://localhost:8080"),
            ("https://app.example", "http://127.0.0.1"),
            ("https://app.example", "http://[::1]:1"),
            ("null", "http://api.example"),
        ] {
            assert!(!is_mixed_content(page, target), "{page} {target}");
        }
    }
}
