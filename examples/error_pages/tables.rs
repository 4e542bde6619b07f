//! The tables in front of the pages.

use crate::error::{Result, explained, refuse_strangers};
use crate::markdown::{described, distinct, linked, listed, name, named};
use crate::prose::{OrielClass, Prose};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use steadfast::error::parse::{Extensions, ResponseParts, parse};
use steadfast::error::{ApiError, CODES, Category, KnownCode, Severity, UserAction};
use steadfast::time::WallTime;

/// Every category that the library can give, by its name.
fn all_categories() -> Result<BTreeMap<String, Category>> {
    let given = (0..1000).map(Category::of_status).chain(CODES.iter().map(|known| known.category));
    given.map(|category| Ok((name(&category)?, category))).collect()
}

/// The names of all actions that the library can suggest.
fn all_user_actions() -> Result<BTreeSet<String>> {
    let kinds = all_categories()?.into_values().flat_map(|category| [false, true].map(|retryable| (category, retryable)));
    let hinted = kinds.flat_map(|(category, retryable)| [false, true].map(|hint| (category, retryable, hint)));
    hinted.map(|(category, retryable, hint)| name(&UserAction::of(category, retryable, hint, false))).collect()
}

/// What can be suggested for that code, with and without a hint when to come back.
pub(crate) fn user_actions_of(known: &KnownCode) -> Vec<UserAction> {
    let verdicts = known.retryable.map_or_else(|| vec![true, false], |retryable| vec![retryable]);
    let hinted = verdicts.into_iter().flat_map(|retryable| [false, true].map(|hint| (retryable, hint)));
    distinct(hinted.map(|(retryable, hint)| UserAction::of(known.category, retryable, hint, false)))
}

pub(crate) fn codes(prose: &Prose) -> Result<String> {
    let mut table =
        String::from("| code | HTTP status | category | severity | retryable | the user can |\n|---|---|---|---|---|---|\n");
    for known in CODES {
        let page = prose.page(known.code)?;
        let statuses = page.statuses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        writeln!(
            table,
            "| [`{}`](#{}) | {} | {} | {} | {} | {} |",
            known.code,
            known.code.to_lowercase(),
            if statuses.is_empty() { "none" } else { &statuses },
            named(&known.category)?,
            named(&known.severity)?,
            retryable(known),
            listed(&user_actions_of(known))?,
        )?;
    }
    Ok(table)
}

pub(crate) fn categories(prose: &Prose) -> Result<String> {
    let known = all_categories()?;
    refuse_strangers("category", prose.categories.keys(), |category| known.contains_key(category))?;
    let mut table = String::from("| category | meaning | severity, if the code is unknown | codes |\n|---|---|---|---|\n");
    for (category_name, category) in known {
        let meaning = explained("category", &category_name, prose.categories.get(&category_name))?;
        let codes: Vec<_> = CODES.iter().filter(|known| known.category == category).map(|known| linked(known.code)).collect();
        let codes = if codes.is_empty() { "only by the status".into() } else { codes.join(", ") };
        writeln!(table, "| `{category_name}` | {meaning} | {} | {codes} |", named(&category.severity())?)?;
    }
    Ok(table)
}

pub(crate) fn severities(prose: &Prose) -> Result<String> {
    let known = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
    refuse_strangers("severity", prose.severities.keys(), |severity| Severity::from_name(severity).is_some())?;
    let mut table = String::from("| severity | meaning |\n|---|---|\n");
    for severity in known {
        let severity_name = name(&severity)?;
        let meaning = explained("severity", &severity_name, prose.severities.get(&severity_name))?;
        writeln!(table, "| `{severity_name}` | {meaning} |")?;
    }
    Ok(table)
}

pub(crate) fn user_actions(prose: &Prose) -> Result<String> {
    let known = all_user_actions()?;
    refuse_strangers("user action", prose.user_actions.keys(), |action| known.contains(action))?;
    let mut table = String::from("| `userAction` | the user can | the page does |\n|---|---|---|\n");
    for action in known {
        let (user, page) = explained("user action", &action, prose.user_actions.get(&action))?;
        writeln!(table, "| `{action}` | {user} | {page} |")?;
    }
    Ok(table)
}

pub(crate) fn statuses(prose: &Prose) -> Result<String> {
    let mut table = String::from("| HTTP status | category | severity | retryable | the user can |\n|---|---|---|---|---|\n");
    for &status in &prose.statuses {
        let error = bare(status);
        writeln!(
            table,
            "| {} | {} | {} | {} | {} |",
            described(status),
            named(&error.category)?,
            named(&error.severity)?,
            if error.retryable { "yes" } else { "no" },
            named(&error.user_action)?,
        )?;
    }
    Ok(table)
}

pub(crate) fn oriel_classes(classes: &[OrielClass]) -> Result<String> {
    let mut table = String::from("| class | HTTP status | category | severity |\n|---|---|---|---|\n");
    for class in classes {
        let error = bare(class.status);
        let source = class.like.as_ref().map_or_else(String::new, |like| format!(" (as {like})"));
        let (category, severity) = (named(&error.category)?, named(&error.severity)?);
        writeln!(table, "| `{}` | {}{source} | {category} | {severity} |", class.name, class.status)?;
    }
    Ok(table)
}

/// What is made of a response that has nothing but a status.
fn bare(status: u16) -> ApiError {
    parse(
        &ResponseParts { status, headers: vec![], body: vec![], truncated: false, received_at: WallTime(0) },
        &Extensions::default(),
    )
}

/// Whether the same request may succeed later, in words.
pub(crate) fn retryable(known: &KnownCode) -> &'static str {
    match known.retryable {
        Some(true) => "yes",
        Some(false) => "no",
        None => "as the response says",
    }
}
