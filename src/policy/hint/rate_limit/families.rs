//! The rate-limit headers that no standard names: `X-RateLimit-Limit`, `-Remaining` and `-Reset`, and what resembles them.
//!
//! They are told by the form of their names, not by a list of vendors: `ratelimit-` or `rate-limit-`, anything before it
//! (`x-`, `x-contentful-`, `anthropic-`), one of five words, and before or after that word what is limited
//! (`x-ratelimit-reset-tokens`, `anthropic-ratelimit-tokens-reset`). Headers that differ only in the word belong together.

use super::Limit;
use crate::policy::hint::Confidence;
use crate::policy::hint::clock::Clock;
use crate::policy::hint::date;
use crate::policy::hint::duration::{Decimal, go_duration};
use crate::policy::hint::fields::Fields;
use crate::policy::hint::retry_after;
use crate::policy::hint::wait::{Wait, longest, read_joined};
use crate::time::WallTime;

/// More than any server sends. The rest is not read, so that headers without end take no time without end.
const MOST_FAMILIES: usize = 16;

/// From here a number is no longer a delay but a moment of the epoch, in seconds or in milliseconds.
const FIRST_EPOCH_SECOND: u64 = 100_000_000;
const FIRST_EPOCH_MILLISECOND: u64 = 100_000_000_000;

/// Headers that tell of the same limit.
#[derive(Default)]
pub(super) struct Family<'a> {
    /// What stands before `ratelimit`.
    prefix: &'a str,
    /// What is limited.
    group: &'a str,
    pub(super) limit: Limit,
    /// What a `-retry-after` says.
    pub(super) retry_after: Option<Wait>,
}

impl Family<'_> {
    /// Whether these are `RateLimit-Limit`, `-Remaining` and `-Reset` of the drafts before the seventh, whose reset is a delay.
    pub(super) fn is_of_draft(&self) -> bool {
        self.prefix.is_empty() && self.group.is_empty()
    }
}

#[derive(Clone, Copy)]
enum Word {
    Limit,
    Remaining,
    Reset,
    ResetAfter,
    RetryAfter,
}

const WORDS: [(&str, Word); 5] = [
    ("limit", Word::Limit),
    ("remaining", Word::Remaining),
    ("reset-after", Word::ResetAfter),
    ("reset", Word::Reset),
    ("retry-after", Word::RetryAfter),
];

/// Takes a name apart: prefix, word, group.
fn take_apart(name: &str) -> Option<(&str, Word, &str)> {
    let (prefix, rest) = ["ratelimit-", "rate-limit-"].iter().find_map(|mark| name.split_once(mark))?;
    if !prefix.is_empty() && !prefix.ends_with('-') {
        return None;
    }
    WORDS.iter().find_map(|(text, word)| {
        let before = || rest.strip_prefix(text)?.strip_prefix('-');
        let after = || rest.strip_suffix(text)?.strip_suffix('-');
        let group = if rest == *text { Some("") } else { before().or_else(after) };
        Some((prefix, *word, group?))
    })
}

/// Reads the families, in the order in which their first headers stand.
pub(super) fn read<'a>(fields: &'a Fields<'_>, clock: &Clock) -> Vec<Family<'a>> {
    let mut families: Vec<Family<'a>> = Vec::new();
    for (name, value) in fields.iter() {
        let Some((prefix, word, group)) = take_apart(name) else { continue };
        let known = families.iter().position(|family| family.prefix == prefix && family.group == group);
        if known.is_none() {
            if families.len() == MOST_FAMILIES {
                continue;
            }
            families.push(Family { prefix, group, ..Family::default() });
        }
        let last = families.len() - 1;
        let Some(family) = families.get_mut(known.unwrap_or(last)) else { continue };
        let is_of_draft = family.is_of_draft();
        let limit = &mut family.limit;
        let later = |known: Option<Wait>, read: Option<Wait>| longest(known.into_iter().chain(read));
        match word {
            Word::Limit => limit.quota = limit.quota.or_else(|| counts(value).next()),
            Word::Remaining => limit.remaining = limit.remaining.into_iter().chain(counts(value)).min(),
            Word::Reset => limit.reset = later(limit.reset, read_joined(value, |value| reset(value, is_of_draft, clock))),
            Word::ResetAfter => limit.reset = later(limit.reset, read_joined(value, reset_after)),
            Word::RetryAfter => {
                let read = retry_after::read(value, clock.server_now);
                let likely = read.map(|wait| Wait { confidence: wait.confidence.min(Confidence::Likely), ..wait });
                family.retry_after = later(family.retry_after, likely);
            }
        }
    }
    families
}

/// The numbers of a list such as `100, 100;w=60`; a negative one is none left.
fn counts(value: &str) -> impl Iterator<Item = u64> {
    value.split(',').filter_map(|member| {
        let number = member.split(';').next().unwrap_or_default().trim_ascii();
        match number.strip_prefix('-') {
            Some(number) => Decimal::read(number).map(|_| 0),
            None => Decimal::read(number).map(|number| number.whole),
        }
    })
}

/// Reads a reset: a delay in seconds, a moment of the epoch in seconds or milliseconds, told apart by their size; a date; a
/// duration as Go prints it. `None` also for a moment that has long passed.
fn reset(value: &str, is_of_draft: bool, clock: &Clock) -> Option<Wait> {
    let until = |moment: WallTime, confidence| Some(Wait { after: clock.until_unless_stale(moment)?, confidence });
    if let Some(number) = Decimal::read(value) {
        return match number.whole {
            FIRST_EPOCH_MILLISECOND.. => until(date::epoch_milliseconds(number), Confidence::Guess),
            FIRST_EPOCH_SECOND.. => until(date::epoch_seconds(number), Confidence::Guess),
            _ => {
                let confidence = if is_of_draft { Confidence::Certain } else { Confidence::Guess };
                Some(Wait { after: number.seconds(), confidence })
            }
        };
    }
    if let Some((moment, confidence)) = date::read(value, clock.server_now) {
        return until(moment, confidence.min(Confidence::Likely));
    }
    Some(Wait { after: go_duration(value)?, confidence: Confidence::Likely })
}

/// Reads a `-reset-after`: seconds, or a duration as Go prints it.
fn reset_after(value: &str) -> Option<Wait> {
    let after = Decimal::read(value).map(Decimal::seconds).or_else(|| go_duration(value))?;
    Some(Wait { after, confidence: Confidence::Likely })
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_by_their_form() {
        let parts = |name| take_apart(name).map(|(prefix, word, group)| (prefix, word as usize, group));
        let (limit, remaining, reset) = (Word::Limit as usize, Word::Remaining as usize, Word::Reset as usize);
        assert_eq!(parts("ratelimit-limit"), Some(("", limit, "")));
        assert_eq!(parts("x-rate-limit-remaining"), Some(("x-", remaining, "")));
        assert_eq!(parts("x-contentful-ratelimit-reset"), Some(("x-contentful-", reset, "")));
        assert_eq!(parts("x-ratelimit-reset-tokens"), Some(("x-", reset, "tokens")));
        assert_eq!(parts("anthropic-ratelimit-input-tokens-reset"), Some(("anthropic-", reset, "input-tokens")));
        assert_eq!(parts("x-ratelimit-reset-after"), Some(("x-", Word::ResetAfter as usize, "")));
        assert_eq!(parts("x-ratelimit-retry-after"), Some(("x-", Word::RetryAfter as usize, "")));
        for name in
            ["ratelimit", "ratelimit-policy", "x-ratelimit-used", "x-app-rate-limit", "corporatelimit-reset", "retry-after"]
        {
            assert_eq!(parts(name), None, "{name}");
        }
    }

    #[test]
    fn of_several_counts_the_first_limit_and_the_least_remaining_count() {
        let headers: Vec<(String, String)> = [("X-RateLimit-Limit", "100, 50;w=60"), ("X-RateLimit-Remaining", "7, -1")]
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .into();
        let clock = Clock { received_at: WallTime(0), server_now: WallTime(0), skew_ms: None };
        let fields = Fields::new(&headers);
        let families = read(&fields, &clock);
        assert_eq!((families[0].limit.quota, families[0].limit.remaining), (Some(100), Some(0)));
    }
}
