//! The document: a page per code, with what the library knows of it and the prose around that.

use crate::behaviour::{duration, retries, what_steadfast_does};
use crate::error::{Result, refuse_strangers};
use crate::excerpt::Excerpt;
use crate::markdown::{bullets, described, listed, named, steps, wrapped};
use crate::prose::{Example, Page, Prose, Source};
use crate::tables;
use std::fmt::Write;
use steadfast::error::{CODES, KnownCode, known_code};
use steadfast::policy::retry::RetryPolicy;

const TEMPLATE: &str = include_str!("template.md");

/// The whole document, as Markdown.
pub(crate) fn render(prose: &Prose) -> Result<String> {
    refuse_strangers("code", prose.pages.iter().map(|page| &page.code), |code| known_code(code).is_some())?;
    let parts = [
        ("{codes}", tables::codes(prose)?),
        ("{categories}", tables::categories(prose)?),
        ("{severities}", tables::severities(prose)?),
        ("{userActions}", tables::user_actions(prose)?),
        ("{statuses}", tables::statuses(prose)?),
        ("{orielClasses}", tables::oriel_classes(&prose.oriel_classes)?),
        ("{retries}", retries(&RetryPolicy::default())),
        ("{maxWait}", duration(RetryPolicy::default().max_wait)),
        ("{pages}", pages(prose)?),
    ];
    Ok(parts.iter().fold(TEMPLATE.to_string(), |text, (place, part)| text.replace(place, part.trim_end())))
}

fn pages(prose: &Prose) -> Result<String> {
    let mut text = String::new();
    for known in CODES {
        write_page(&mut text, known, prose.page(known.code)?)?;
    }
    Ok(text)
}

fn write_page(text: &mut String, known: &KnownCode, page: &Page) -> Result<()> {
    let documented_by = page.documented_by.iter().map(|source| format!("{source:?}")).collect::<Vec<_>>().join(" and ");
    writeln!(text, "## {}\n", known.code)?;
    writeln!(text, "**HTTP Status**: {}\\", status_line(page))?;
    writeln!(text, "**Category**: {}\\", named(&known.category)?)?;
    writeln!(text, "**Severity**: {}\\", named(&known.severity)?)?;
    writeln!(text, "**Retryable**: {}\\", tables::retryable(known))?;
    writeln!(text, "**The user can**: {}\\", listed(&tables::user_actions_of(known))?)?;
    writeln!(text, "**Documented by**: {documented_by}\n")?;
    writeln!(text, "### Description\n\n{}\n", wrapped(&page.description, "", ""))?;
    writeln!(text, "### Common Causes\n\n{}", bullets(&page.causes))?;
    writeln!(text, "### Example {}\n", if page.statuses.is_empty() { "Error" } else { "Response" })?;
    for example in &page.examples {
        write_example(text, &page.code, example)?;
    }
    writeln!(text, "### What Steadfast Does\n\n{}", bullets(&what_steadfast_does(page)))?;
    writeln!(text, "### Resolution Steps\n\nIn the frontend:\n\n{}", steps(&page.frontend))?;
    writeln!(text, "In the backend:\n\n{}", steps(&page.backend))?;
    writeln!(text, "### Prevention\n\n{}", bullets(&page.prevention))?;
    Ok(())
}

fn status_line(page: &Page) -> String {
    if page.statuses.is_empty() {
        return "none, as no response arrived".into();
    }
    let statuses = page.statuses.iter().copied().map(described).collect::<Vec<_>>().join(", or ");
    match &page.status_note {
        Some(note) => format!("{statuses}, {note}"),
        None if page.documented_by.contains(&Source::StellarFlow) => statuses,
        None => format!("{statuses} (recommended)"),
    }
}

fn write_example(text: &mut String, code: &str, example: &Example) -> Result<()> {
    let error = example.read(code);
    writeln!(text, "{}:\n", example.title)?;
    if let Some(status) = example.status {
        writeln!(text, "```http\nHTTP/1.1 {}", described(status))?;
        for (name, value) in &example.headers {
            writeln!(text, "{name}: {value}")?;
        }
        writeln!(text, "```\n")?;
        let language = if example.body.is_some() { "json" } else { "html" };
        writeln!(text, "```{language}\n{}\n```\n", example.body_text())?;
        writeln!(text, "What Steadfast reads in it:\n")?;
    } else {
        writeln!(text, "The application gets:\n")?;
    }
    writeln!(text, "```json\n{}\n```\n", serde_json::to_string_pretty(&Excerpt::of(&error))?)?;
    Ok(())
}
