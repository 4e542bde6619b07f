//! Durations as servers write them. What has more digits than a nanosecond is rounded up: a wait is never cut short.

use std::time::Duration;

const NANOSECONDS: u64 = 1_000_000_000;

/// The longest `google.protobuf.Duration`, some ten thousand years.
const LONGEST_PROTOBUF: Duration = Duration::from_secs(315_576_000_000);

/// A number of digits, with or without a decimal point; no sign, no exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    /// The digits before the point; [`u64::MAX`] if they are more than it holds.
    pub whole: u64,
    /// The digits after the point, in billionths, rounded up.
    pub billionths: u64,
}

impl Decimal {
    /// Reads `120`, `010` or `1.5`; `.5`, `1.`, `+1` and `1e3` are no such number.
    pub(super) fn read(text: &str) -> Option<Self> {
        match text.split_once('.') {
            Some((whole, fraction)) => Some(Self { whole: digits(whole)?, billionths: billionths(fraction)? }),
            None => Some(Self { whole: digits(text)?, billionths: 0 }),
        }
    }

    /// As so many seconds.
    pub(super) fn seconds(self) -> Duration {
        self.of_unit(1, 1)
    }

    /// As so many milliseconds.
    pub(super) fn milliseconds(self) -> Duration {
        self.of_unit(1, 1000)
    }

    /// As so many of a unit that is `seconds` long, or the `parts`th part of a second.
    fn of_unit(self, seconds: u64, parts: u64) -> Duration {
        Duration::from_secs((self.whole / parts).saturating_mul(seconds))
            .saturating_add(Duration::from_nanos(self.whole % parts * (NANOSECONDS / parts)))
            .saturating_add(Duration::from_nanos((self.billionths * seconds).div_ceil(parts)))
    }
}

/// A run of digits as a number, saturating.
fn digits(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

/// The digits after a decimal point as billionths, rounded up.
pub(super) fn billionths(fraction: &str) -> Option<u64> {
    digits(fraction)?;
    let (mut sum, mut scale, mut has_more) = (0, NANOSECONDS, false);
    for digit in fraction.bytes().map(|byte| u64::from(byte - b'0')) {
        scale /= 10;
        sum += digit * scale;
        has_more |= scale == 0 && digit > 0;
    }
    Some(sum + u64::from(has_more))
}

/// A duration in whole milliseconds, rounded up, saturating.
pub(super) fn milliseconds_rounded_up(duration: Duration) -> u64 {
    let whole = duration.as_secs().saturating_mul(1000);
    whole.saturating_add(u64::from(duration.subsec_nanos().div_ceil(1_000_000)))
}

/// A delay given as a number of seconds, as bodies give it; `None` for what is no delay. Saturates.
///
/// ```
/// use std::time::Duration;
/// use steadfast::policy::hint::from_seconds;
///
/// assert_eq!(from_seconds(1.5), Some(Duration::from_millis(1500)));
/// assert_eq!(from_seconds(-1.0), None);
/// ```
pub fn from_seconds(seconds: f64) -> Option<Duration> {
    if seconds.is_nan() || seconds < 0.0 {
        return None;
    }
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(u64::MAX)))
}

/// Reads a duration as Go prints it (`time.Duration.String`), as rate-limit headers of language models have it: `6m0s`, `1.5s`, `120ms`.
/// Saturates; a negative one is `None`.
///
/// ```
/// use std::time::Duration;
/// use steadfast::policy::hint::go_duration;
///
/// assert_eq!(go_duration("6m0s"), Some(Duration::from_secs(360)));
/// assert_eq!(go_duration("120"), None);
/// ```
pub fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim_ascii();
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut sum = None;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at_checked(rest.find(|next: char| !next.is_ascii_digit() && next != '.')?)?;
        let (unit, tail) = tail.split_at_checked(tail.find(|next: char| next.is_ascii_digit()).unwrap_or(tail.len()))?;
        let (seconds, parts) = match unit {
            "h" => (3600, 1),
            "m" => (60, 1),
            "s" => (1, 1),
            "ms" => (1, 1000),
            "us" | "\u{b5}s" | "\u{3bc}s" => (1, 1_000_000),
            "ns" => (1, NANOSECONDS),
            _ => return None,
        };
        sum = Some(sum.unwrap_or(Duration::ZERO).saturating_add(Decimal::read(number)?.of_unit(seconds, parts)));
        rest = tail;
    }
    sum
}

/// Reads a `google.protobuf.Duration` as its JSON form is: seconds with at most nine decimals and an `s`, as in the `retryDelay`
/// of Google's `RetryInfo`. At most 315 576 000 000 s; a negative one is `None`.
///
/// ```
/// use std::time::Duration;
/// use steadfast::policy::hint::protobuf_duration;
///
/// assert_eq!(protobuf_duration("3.5s"), Some(Duration::from_millis(3500)));
/// assert_eq!(protobuf_duration("3.5"), None);
/// ```
pub fn protobuf_duration(text: &str) -> Option<Duration> {
    let number = text.strip_suffix('s')?;
    if number.split_once('.').is_some_and(|(_, fraction)| fraction.len() > 9) {
        return None;
    }
    let duration = Decimal::read(number)?.seconds();
    (duration <= LONGEST_PROTOBUF).then_some(duration)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_decimal_is_digits_and_perhaps_a_point() {
        let read = |text| Decimal::read(text).map(|decimal| (decimal.whole, decimal.billionths));
        assert_eq!(read("010"), Some((10, 0)));
        assert_eq!(read("1.05"), Some((1, 50_000_000)));
        assert_eq!(read("0.0000000001"), Some((0, 1)), "rounded up");
        assert_eq!(read("0.0000000000"), Some((0, 0)));
        assert_eq!(read("0.9999999999"), Some((0, 1_000_000_000)));
        assert_eq!(read("99999999999999999999.5"), Some((u64::MAX, 500_000_000)));
        for text in ["", ".", ".5", "1.", "1.2.3", "+1", "-1", "1e3", "1,5", " 1", "\u{661}"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn milliseconds_are_rounded_up_and_saturate() {
        for (duration, expected) in [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_millis(1), 1),
            (Duration::from_nanos(999_000_001), 1000),
            (Duration::MAX, u64::MAX),
        ] {
            assert_eq!(milliseconds_rounded_up(duration), expected, "{duration:?}");
        }
        assert_eq!(milliseconds_rounded_up(Decimal::read("1.0001").unwrap().milliseconds()), 2);
    }

    #[test]
    fn endless_digits_saturate_in_every_unit() {
        for unit in ["h", "m", "s"] {
            let text = format!("99999999999999999999.9999999999{unit}");
            assert_eq!(milliseconds_rounded_up(go_duration(&text).unwrap()), u64::MAX, "{text}");
        }
        assert_eq!(Decimal { whole: u64::MAX, billionths: 0 }.milliseconds(), Duration::from_millis(u64::MAX));
        assert_eq!(from_seconds(f64::INFINITY), Some(Duration::from_secs(u64::MAX)));
        assert_eq!(from_seconds(f64::NAN), None);
    }

    #[test]
    fn go_durations_are_numbers_with_units() {
        for (text, nanoseconds) in [
            ("6m0s", 360_000_000_000),
            ("1.5s", 1_500_000_000),
            ("120ms", 120_000_000),
            ("8.64s", 8_640_000_000),
            ("1h2m3.5s", 3_723_500_000_000),
            ("1.5h", 5_400_000_000_000),
            ("5\u{b5}s", 5000),
            ("5\u{3bc}s", 5000),
            ("5us", 5000),
            ("7ns", 7),
            ("0s", 0),
            ("0", 0),
        ] {
            assert_eq!(go_duration(text), Some(Duration::from_nanos(nanoseconds)), "{text}");
        }
        for text in ["", "5", "s", "-5s", "5s3", "5 s", "5d", "1..5s", "m5s", "5ss"] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }

    #[test]
    fn protobuf_durations_are_seconds() {
        assert_eq!(protobuf_duration("3s"), Some(Duration::from_secs(3)));
        assert_eq!(protobuf_duration("3.000000001s"), Some(Duration::new(3, 1)));
        assert_eq!(protobuf_duration("0s"), Some(Duration::ZERO));
        assert_eq!(protobuf_duration("315576000000s"), Some(LONGEST_PROTOBUF));
        for text in ["", "s", "3", "3 s", "3.s", "-3s", "3.0000000001s", "315576000000.1s", "3ms", "1m3s"] {
            assert_eq!(protobuf_duration(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_go_prints_is_read_back(milliseconds in 0..10_000_000_000_u64) {
            let (hours, minutes) = (milliseconds / 3_600_000, milliseconds / 60_000 % 60);
            let seconds = format!("{}.{:03}s", milliseconds / 1000 % 60, milliseconds % 1000);
            let printed = format!("{hours}h{minutes}m{seconds}");
            prop_assert_eq!(go_duration(&printed), Some(Duration::from_millis(milliseconds)));
        }

        #[test]
        fn a_decimal_is_never_read_as_less_than_it_is(whole in 0..1_000_000_u64, fraction in "[0-9]{1,20}") {
            let duration = Decimal::read(&format!("{whole}.{fraction}")).unwrap().seconds();
            let mut padded = fraction.clone();
            padded.push_str(&"0".repeat(20 - fraction.len()));
            let exact: u128 = padded.parse().unwrap(); // in units of 10^-20 s
            let rounded_up = exact.div_ceil(100_000_000_000);
            prop_assert_eq!(duration.as_nanos(), u128::from(whole) * 1_000_000_000 + rounded_up);
        }

        #[test]
        fn no_text_makes_a_duration_panic(text in "\\PC{0,40}|[0-9.hmsnu-]{0,40}") {
            let _ = (go_duration(&text), protobuf_duration(&text), Decimal::read(&text));
        }
    }
}
