#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use crate::document::render;
use crate::error::DocumentError;
use crate::prose::{Page, Prose, Source};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use steadfast::error::{CODES, RetryReason, known_code};

fn prose() -> Prose {
    serde_json::from_str(include_str!("pages.json")).unwrap()
}

fn documents() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/docs"))
}

fn is_by(page: &Page, source: Source) -> bool {
    page.documented_by.contains(&source)
}

#[test]
fn the_document_is_what_the_command_writes() {
    let written = fs::read_to_string(documents().join("errors.md")).unwrap();
    // Not assert_eq: the two are thousands of lines.
    assert!(written == render(&prose()).unwrap(), "docs/errors.md is out of date: write it anew with `make docs`");
}

#[test]
fn every_code_has_one_page_and_every_page_a_code() {
    let pages: Vec<_> = prose().pages.into_iter().map(|page| page.code).collect();
    let codes: Vec<_> = CODES.iter().map(|known| known.code).collect();
    assert_eq!(pages, codes);
}

#[test]
fn every_example_is_read_as_the_error_that_its_page_describes() {
    for page in prose().pages {
        let known = known_code(&page.code).unwrap();
        for example in &page.examples {
            let error = example.read(&page.code);
            let shown = format!("{}: {}", page.code, example.title);
            assert_eq!(error.code.as_deref(), Some(known.code), "{shown}");
            assert_eq!((error.category, error.severity), (known.category, known.severity), "{shown}");
            match known.retryable {
                Some(retryable) => assert_eq!(error.retryable, retryable, "{shown}"),
                None => assert_ne!(error.retry_reason, RetryReason::Code, "{shown}"),
            }
            let format = match example.title.split([':', ',']).next() {
                Some("Cosnap") => "cosnap",
                Some("StellarFlow") => "stellarFlow",
                Some("Problem details") => "problemDetails",
                _ if example.status.is_some() => "html",
                _ => "none",
            };
            assert_eq!(error.format.name, format, "{shown}");
        }
    }
}

#[test]
fn every_page_shows_each_of_its_statuses_and_each_of_its_formats() {
    for page in prose().pages {
        let shown: BTreeSet<_> = page.examples.iter().filter_map(|example| example.status).collect();
        assert_eq!(shown, page.statuses.iter().copied().collect(), "{}", page.code);
        for (source, format) in [(Source::Cosnap, "cosnap"), (Source::StellarFlow, "stellarFlow")] {
            let has_example = page.examples.iter().any(|example| example.read(&page.code).format.name == format);
            assert_eq!(has_example, is_by(&page, source), "{} in {format}", page.code);
        }
        let is_complete = [&page.causes, &page.frontend, &page.backend, &page.prevention].iter().all(|list| !list.is_empty());
        assert!(is_complete && !page.description.is_empty(), "{}", page.code);
    }
}

#[test]
fn stellar_flows_codes_have_the_statuses_of_their_category() {
    let categories: [(&str, &[u16]); 7] = [
        ("AUTH_", &[401, 403]),
        ("VALIDATION_", &[400, 422]),
        ("RESOURCE_", &[404, 409, 410]),
        ("RATE_", &[429]),
        ("SYSTEM_", &[500, 503]),
        ("INTEGRATION_", &[502, 504]),
        ("BUSINESS_", &[400, 409]),
    ];
    let pages: Vec<_> = prose().pages.into_iter().filter(|page| is_by(page, Source::StellarFlow)).collect();
    assert_eq!(pages.len(), 16);
    for page in pages {
        let (_, statuses) = categories.iter().find(|(prefix, _)| page.code.starts_with(prefix)).unwrap();
        assert!(page.statuses.iter().all(|status| statuses.contains(status)), "{}", page.code);
    }
}

#[test]
fn the_recommended_statuses_are_those_that_the_reference_backend_sends() {
    let catalogue: serde_json::Value = serde_json::from_str(include_str!("../../backend/errors/cosnap.json")).unwrap();
    let prose = prose();
    let mut compared = 0;
    for case in catalogue["cases"].as_array().unwrap() {
        let code = case["body"]["error"]["code"].as_str().unwrap();
        let sent = u16::try_from(case["status"].as_u64().unwrap()).unwrap();
        assert!(prose.page(code).unwrap().statuses.contains(&sent), "{code}");
        compared += 1;
    }
    assert_eq!(compared, prose.pages.iter().filter(|page| is_by(page, Source::Cosnap)).count());
}

#[test]
fn every_link_leads_somewhere() {
    let document = render(&prose()).unwrap();
    let headings = document.lines().filter_map(|line| line.strip_prefix("## "));
    let anchors: BTreeSet<_> = headings.map(|heading| heading.to_lowercase().replace(' ', "-")).collect();
    let links: Vec<_> = document.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 80, "the links were not found");
    for link in links {
        match link.strip_prefix('#') {
            Some(anchor) => assert!(anchors.contains(anchor), "{link}"),
            None => assert!(documents().join(link).exists(), "{link}"),
        }
    }
}

#[test]
fn a_place_of_the_template_that_nothing_fills_is_noticed() {
    let document = render(&prose()).unwrap();
    let prose_only = document.split("```").step_by(2).flat_map(str::lines).filter(|line| !line.contains('`'));
    for line in prose_only {
        assert!(!line.contains('{') && !line.contains('}'), "{line}");
    }
}

#[test]
fn a_code_without_a_page_and_a_page_without_a_code_are_refused() {
    let mut missing = prose();
    let removed = missing.pages.pop().unwrap();
    let error = render(&missing).unwrap_err();
    assert!(matches!(&error, DocumentError::Unexplained { subject: "code", name } if *name == removed.code), "{error}");
    let mut strange = prose();
    strange.pages[0].code = "NO_SUCH_CODE".into();
    let error = render(&strange).unwrap_err();
    assert!(matches!(&error, DocumentError::Unknown { subject: "code", name } if name == "NO_SUCH_CODE"), "{error}");
    let mut unexplained = prose();
    unexplained.categories.remove("auth");
    assert!(matches!(render(&unexplained), Err(DocumentError::Unexplained { subject: "category", .. })));
    let mut invented = prose();
    invented.user_actions.insert("despair".into(), (String::new(), String::new()));
    assert!(matches!(render(&invented), Err(DocumentError::Unknown { subject: "user action", .. })));
}
