use super::*;
use crate::time::LAST_DATE;
use proptest::prelude::*;

/// Mon, 01 Jun 2026 12:00:00 GMT.
const NOW: WallTime = WallTime(1_780_315_200_000);

fn named(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect()
}

fn hint(status: u16, headers: &[(&str, &str)]) -> Option<RetryHint> {
    resolve(status, &named(headers), NOW, &BodyHints::default()).hint
}

/// A moment of whole seconds in each of the three forms of HTTP, all with the wrong weekday but for one day in seven.
fn http_dates(moment: WallTime) -> [String; 3] {
    let printed = moment.to_rfc3339();
    let (year, month, day, time) = (&printed[..4], &printed[5..7], &printed[8..10], &printed[11..19]);
    let month =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][month.parse::<usize>().unwrap() - 1];
    let padded = format!("{:2}", day.parse::<u8>().unwrap());
    [
        format!("Wed, {day} {month} {year} {time} GMT"),
        format!("Wednesday, {day}-{month}-{} {time} GMT", &year[2..]),
        format!("Wed {month} {padded} {time} {year}"),
    ]
}

#[test]
fn lines_of_one_header_are_read_as_if_joined() {
    let lines = hint(429, &[("Retry-After", "30"), ("retry-after", "90"), ("RETRY-AFTER", "60")]).unwrap();
    assert_eq!((lines.after_ms, lines.confidence), (90_000, Confidence::Likely));
    let lines = hint(429, &[("RateLimit", "\"a\";r=0;t=5"), ("RateLimit", "\"b\";r=0;t=7")]).unwrap();
    assert_eq!((lines.after_ms, lines.source), (7000, HintSource::RateLimitHeader));
    let lines =
        hint(403, &[("X-RateLimit-Remaining", "4"), ("X-RateLimit-Reset", "60"), ("X-RateLimit-Remaining", "0")]).unwrap();
    assert_eq!(lines.after_ms, 60_000);
}

#[test]
fn a_stamp_of_whole_seconds_shows_no_skew_within_its_second() {
    let skew = |received_at: i64, date: &str| {
        resolve(503, &named(&[("Date", date)]), WallTime(received_at), &BodyHints::default()).skew_ms
    };
    let noon = "Mon, 01 Jun 2026 12:00:00 GMT";
    assert_eq!(skew(NOW.0, noon), Some(0));
    assert_eq!(skew(NOW.0 + 999, noon), Some(0));
    assert_eq!(skew(NOW.0 + 1000, noon), Some(-500));
    assert_eq!(skew(NOW.0 - 1, noon), Some(501));
    assert_eq!(skew(NOW.0, "at noon"), None);
    assert_eq!(skew(i64::MIN, noon), Some(i64::MAX));
    let body = BodyHints { timestamp: Some(WallTime(NOW.0 + 250)), ..BodyHints::default() };
    assert_eq!(resolve(503, &[], NOW, &body).skew_ms, Some(250), "a stamp with milliseconds is taken by its word");
}

#[test]
fn a_hint_is_on_the_clock_of_the_client() {
    let received_at = WallTime(NOW.0 + 7_200_000);
    let headers =
        named(&[("Date", "Mon, 01 Jun 2026 12:00:00 GMT"), ("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1780315260")]);
    let resolved = resolve(429, &headers, received_at, &BodyHints::default());
    let at = WallTime(received_at.0 + 60_000);
    assert_eq!((resolved.hint.unwrap().at, resolved.rate_limit.unwrap().reset_at), (at, Some(at)));
}

#[test]
fn headers_without_end_are_read_in_time() {
    // Anything but linear time would not finish.
    let members = "1,".repeat(500_000);
    assert_eq!(hint(503, &[("Retry-After", &members)]).unwrap().after_ms, 1000);
    assert_eq!(hint(503, &[("Retry-After", &"1".repeat(1_000_000))]).unwrap().at, LAST_DATE);
    assert_eq!(hint(429, &[("X-RateLimit-Reset", &"1h".repeat(500_000))]).unwrap().after_ms, 1_800_000_000_000);
    let policies = format!("{}\"last\";r=0;t=9", "\"a\";r=1;t=1, ".repeat(100_000));
    assert_eq!(hint(429, &[("RateLimit", &policies), ("RateLimit-Policy", &policies)]).unwrap().after_ms, 9000);
    let families: Vec<(String, String)> =
        (0..200_000).map(|number| (format!("x-{number}-ratelimit-reset"), "1".to_string())).collect();
    assert_eq!(resolve(429, &families, NOW, &BodyHints::default()).hint.unwrap().after_ms, 1000);
}

/// Names that mean something here.
const NAMES: [&str; 17] = [
    "Retry-After",
    "retry-after-ms",
    "x-ms-retry-after-ms",
    "X-Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-RateLimit-Retry-After",
    "X-RateLimit-Reset-After",
    "x-ratelimit-reset-tokens",
    "anthropic-ratelimit-tokens-reset",
    "Date",
    "Age",
];

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,40}",
        "[0-9]{1,25}",
        "[0-9]{1,25}\\.[0-9]{1,25}",
        "[-+0-9:.,; TZGMhmsu]{0,40}",
        "\"[a-z]\";r=[0-2];t=[0-9]{1,16}(, \"[a-z]\";r=[0-9];t=[0-9]{1,15})?",
        "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,12})?(Z|[-+][0-9]{2}:?[0-9]{2})?",
        "(Mon|Monday|), [0-9]{1,2}[ -](Jan|Feb|Jun)[ -][0-9]{2,4} [0-9]{2}:[0-9]{2}:[0-9]{2} (GMT|UTC|\\+0000)",
        "[0-9]{1,21}(\\.[0-9]{1,3})?(h|m|s|ms|us|ns)",
    ]
}

fn any_headers() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![9 => prop::sample::select(&NAMES[..]).prop_map(str::to_string), 1 => "\\PC{0,20}"];
    prop::collection::vec((name, any_value()), 0..8)
}

fn any_body() -> impl Strategy<Value = BodyHints> {
    let moment = || prop::option::of(any::<i64>().prop_map(WallTime));
    let limit = (any::<Option<u64>>(), any::<Option<u64>>(), moment());
    (any::<Option<Duration>>(), moment(), moment(), prop::option::of(limit), any_headers()).prop_map(
        |(after, until, timestamp, limit, headers)| BodyHints {
            after,
            until,
            timestamp,
            rate_limit: limit.map(|(limit, remaining, reset_at)| RateLimit { limit, remaining, reset_at, window_ms: None }),
            headers,
        },
    )
}

proptest! {
    #[test]
    fn no_response_makes_it_panic_and_what_it_says_agrees_with_itself(
        status in 100..600_u16, headers in any_headers(), received_at in any::<i64>(), body in any_body(),
    ) {
        let received_at = WallTime(received_at);
        let resolved = resolve(status, &headers, received_at, &body);
        prop_assert_eq!(resolved, resolve(status, &headers, received_at, &body));
        if let Some(hint) = resolved.hint {
            prop_assert_eq!(hint.at, received_at.after(Duration::from_millis(hint.after_ms)));
        }
        let reset_at = resolved.rate_limit.and_then(|limit| limit.reset_at);
        prop_assert!(reset_at.is_none_or(|reset| reset > received_at || reset == LAST_DATE));
    }

    #[test]
    fn no_text_makes_a_timestamp_panic(text in any_value()) {
        let _ = timestamp(&text);
    }

    #[test]
    fn a_moment_is_read_as_it_was_printed(millis in -62_135_596_800_000..253_402_300_800_000_i64) {
        let moment = WallTime(millis);
        prop_assert_eq!(timestamp(&moment.to_rfc3339()), Some(moment));
    }

    #[test]
    fn a_date_in_any_form_is_as_far_away_as_it_is_by_the_clock_of_the_server(
        seconds in 0..1_500_000_000_i64, server_seconds in 0..2_000_000_000_i64, received_at in any::<i64>(),
    ) {
        let server_now = WallTime(server_seconds * 1000);
        let moment = WallTime(server_now.0 + seconds * 1000);
        let [date, ..] = http_dates(server_now);
        for form in http_dates(moment) {
            let headers = named(&[("Date", &date), ("Retry-After", &form)]);
            let hint = resolve(503, &headers, WallTime(received_at), &BodyHints::default()).hint.unwrap();
            prop_assert_eq!((hint.after_ms, hint.confidence), (u64::try_from(seconds).unwrap() * 1000, Confidence::Certain));
        }
    }

    #[test]
    fn a_date_with_an_offset_is_the_same_moment(seconds in 0..4_000_000_000_i64, hours in 0..24_i64, minutes in 0..60_i64) {
        let moment = WallTime(seconds * 1000);
        let shift = (hours * 60 + minutes) * 60_000;
        for (sign, local) in [('+', WallTime(moment.0 + shift)), ('-', WallTime(moment.0 - shift))] {
            let printed = local.to_rfc3339();
            let iso = format!("{}{sign}{hours:02}:{minutes:02}", printed.trim_end_matches('Z'));
            prop_assert_eq!(timestamp(&iso), Some(moment));
            let [http, ..] = http_dates(local);
            prop_assert_eq!(timestamp(&http.replace("GMT", &format!("{sign}{hours:02}{minutes:02}"))), Some(moment));
        }
    }

    #[test]
    fn a_year_of_two_digits_is_within_the_fifty_years_ahead(now in 0..200_000_000_000_i64, seconds in 0..200_000_000_000_i64) {
        let (now, moment) = (WallTime(now * 1000), WallTime(seconds * 1000));
        let year = |moment: WallTime| moment.to_rfc3339()[..4].parse::<i64>().unwrap();
        let [_, rfc_850, _] = http_dates(moment);
        // A 29 February need not exist in the century that is meant.
        if let Some((read, _)) = date::read(&rfc_850, now) {
            let ahead = year(read) - year(now);
            prop_assert!((-50..=50).contains(&ahead));
            prop_assert_eq!(year(read).rem_euclid(100), year(moment).rem_euclid(100));
            prop_assert!(ahead < 50 || read.to_rfc3339()[4..] <= now.to_rfc3339()[4..]);
            prop_assert!(ahead > -50 || read.to_rfc3339()[4..] > now.to_rfc3339()[4..]);
        } else {
            prop_assert!(rfc_850.contains("29-Feb"));
        }
    }

    #[test]
    fn of_joined_values_the_longest_counts(values in prop::collection::vec(any_value(), 2..5)) {
        let whole = values.join(", ");
        prop_assume!(date::read(&whole, NOW).is_none());
        let longest = values.iter().flat_map(|value| value.split(',')).filter_map(|member| retry_after::read(member, NOW));
        let longest = longest.map(|wait| wait.after).max();
        prop_assert_eq!(retry_after::read(&whole, NOW).map(|wait| wait.after), longest);
    }

    #[test]
    fn a_wait_is_never_cut_short(whole in 0..1_000_000_u64, fraction in "[0-9]{1,15}") {
        let exact = format!("{whole}.{fraction}");
        let micros: u64 = format!("{fraction:0<15}").parse().unwrap(); // in units of 10^-15
        let after = |name: &str, value: &str| hint(429, &[(name, value)]).unwrap().after_ms;
        let milliseconds = whole * 1000 + micros.div_ceil(1_000_000_000_000);
        prop_assert_eq!(after("Retry-After", &exact), milliseconds);
        prop_assert_eq!(after("X-RateLimit-Reset", &exact), milliseconds);
        prop_assert_eq!(after("X-RateLimit-Reset", &format!("{exact}s")), milliseconds);
        prop_assert_eq!(after("X-RateLimit-Reset-After", &exact), milliseconds);
        prop_assert_eq!(after("retry-after-ms", &exact), whole + u64::from(micros > 0));
    }
}
