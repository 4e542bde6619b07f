use std::{borrow::Cow, collections::BTreeMap};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::Response,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::correlation::CorrelationId;

/// The specifications, in the order in which they are listed.
const FILES: [(&str, &str); 10] = [
    ("cosnap.json", include_str!("../../errors/cosnap.json")),
    ("legacy.json", include_str!("../../errors/legacy.json")),
    ("qwen-proxy.json", include_str!("../../errors/qwen-proxy.json")),
    ("oriel.json", include_str!("../../errors/oriel.json")),
    ("stellarflow.json", include_str!("../../errors/stellarflow.json")),
    ("news-filter.json", include_str!("../../errors/news-filter.json")),
    ("standards.json", include_str!("../../errors/standards.json")),
    ("frameworks.json", include_str!("../../errors/frameworks.json")),
    ("services.json", include_str!("../../errors/services.json")),
    ("gateway.json", include_str!("../../errors/gateway.json")),
];

/// Where a body says this, it says the correlation id of the request.
const CORRELATION_ID: &str = "{correlationId}";

/// Every error that can be asked for.
#[derive(Debug)]
pub(crate) struct Catalogue {
    cases: Vec<Case>,
}

#[derive(Debug)]
struct Case {
    format: String,
    name: String,
    title: String,
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

/// One line of the catalogue.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    format: String,
    case: String,
    title: String,
    status: u16,
    path: String,
}

/// What is wrong with the embedded errors.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// A file is not JSON, or not of the right shape.
    #[error("{file} cannot be read")]
    Syntax {
        /// The file.
        file: &'static str,
        /// What is wrong and where.
        source: serde_json::Error,
    },
    /// A status or a header cannot be sent.
    #[error("{file}: {case} cannot be sent")]
    Http {
        /// The file.
        file: &'static str,
        /// The case in it.
        case: String,
        /// What is wrong.
        source: axum::http::Error,
    },
}

#[derive(Deserialize)]
struct CatalogueFile<'a> {
    format: String,
    #[serde(borrow)]
    cases: Vec<FileCase<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileCase<'a> {
    case: String,
    title: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// A JSON body, sent as it is written in the file.
    #[serde(default, borrow)]
    body: Option<&'a RawValue>,
    /// Any other body.
    #[serde(default)]
    text: Option<String>,
}

impl Catalogue {
    pub(crate) fn load() -> Result<Self, CatalogueError> {
        let mut cases = Vec::new();
        for (file, text) in FILES {
            let content: CatalogueFile<'_> =
                serde_json::from_str(text).map_err(|source| CatalogueError::Syntax { file, source })?;
            for case in content.cases {
                let name = case.case.clone();
                let case = Case::new(&content.format, case);
                cases.push(case.map_err(|source| CatalogueError::Http { file, case: name, source })?);
            }
        }
        Ok(Self { cases })
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.cases.iter().map(Case::entry).collect()
    }

    pub(crate) fn answer(&self, format: &str, name: &str, correlation_id: &CorrelationId) -> Option<Response> {
        let case = self.cases.iter().find(|case| case.format == format && case.name == name)?;
        Some(case.answer(correlation_id))
    }
}

impl Case {
    fn new(format: &str, case: FileCase<'_>) -> Result<Self, axum::http::Error> {
        let mut headers = HeaderMap::new();
        if case.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in &case.headers {
            headers.insert(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
        }
        Ok(Self {
            format: format.to_owned(),
            name: case.case,
            title: case.title,
            status: StatusCode::from_u16(case.status)?,
            headers,
            body: case.body.map(|body| outdent(body.get())).or(case.text).unwrap_or_default(),
        })
    }

    fn entry(&self) -> Entry {
        Entry {
            format: self.format.clone(),
            case: self.name.clone(),
            title: self.title.clone(),
            status: self.status.as_u16(),
            path: format!("/api/demo/errors/{}/{}", self.format, self.name),
        }
    }

    fn answer(&self, correlation_id: &CorrelationId) -> Response {
        let mut body = Cow::Borrowed(self.body.as_str());
        if body.contains(CORRELATION_ID) {
            // An id may have quotes in it.
            let id = correlation_id.as_str().replace('\\', r"\\").replace('"', "\\\"");
            body = body.replace(CORRELATION_ID, &id).into();
        }
        let mut response = Response::new(Body::from(body.into_owned()));
        *response.status_mut() = self.status;
        response.headers_mut().clone_from(&self.headers);
        response
    }
}

/// Takes away the indentation that a body has from its place in the file. There are no line breaks inside JSON strings.
fn outdent(json: &str) -> String {
    let last = json.lines().next_back().unwrap_or_default();
    let (indentation, _) = last.split_at(last.len() - last.trim_start().len());
    let lines: Vec<&str> = json.lines().map(|line| line.strip_prefix(indentation).unwrap_or(line)).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_case_has_a_path_of_its_own() {
        let entries = Catalogue::load().unwrap().entries();
        let paths: HashSet<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths.len(), entries.len());
        assert!(entries.len() > 90);
    }

    #[test]
    fn a_body_is_sent_without_the_indentation_of_its_file() {
        assert_eq!(outdent("{\n      \"a\": [\n        1\n      ]\n    }"), "{\n  \"a\": [\n    1\n  ]\n}");
        assert_eq!(outdent("{}"), "{}");
    }
}
