//! A form's backend that checks what it is sent and refuses it in the words of one framework or another: what a page that shows
//! errors at their fields has to cope with.

use axum::{
    Json,
    extract::{Path, Request, rejection::PathRejection},
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{error::RequestError, request_body};

/// The longest name, in characters.
const LONGEST_NAME: usize = 40;
/// The most drafts that can be shared at once.
const MOST_DRAFTS: i64 = 8;

/// What the form sends. What is missing is refused like what is wrong: by the check, at its field.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SignUp {
    name: String,
    email: String,
    drafts: Option<i64>,
}

/// What is wrong with one field.
#[derive(Debug, PartialEq)]
struct Objection {
    field: &'static str,
    rule: &'static str,
    message: String,
    value: Value,
}

impl SignUp {
    fn objections(&self) -> Vec<Objection> {
        let mut objections = Vec::new();
        let mut object = |field, rule, message: String, value| objections.push(Objection { field, rule, message, value });
        let name = self.name.trim();
        if name.is_empty() {
            object("name", "required", "A name is needed.".into(), Value::Null);
        } else if name.chars().count() > LONGEST_NAME {
            object("name", "max", format!("A name has at most {LONGEST_NAME} characters."), json!(name));
        }
        let is_address = self.email.split_once('@').is_some_and(|(local, host)| !local.is_empty() && host.contains('.'));
        if !is_address {
            object("email", "email", "This is no e-mail address.".into(), json!(self.email));
        }
        if !self.drafts.is_some_and(|drafts| (1..=MOST_DRAFTS).contains(&drafts)) {
            object("drafts", "range", format!("Choose 1 to {MOST_DRAFTS} drafts."), json!(self.drafts));
        }
        objections
    }
}

/// How a refusal is written.
#[derive(Debug, Clone, Copy)]
enum Dialect {
    ProblemDetails,
    JsonApi,
    FastApi,
    Laravel,
    Spring,
}

impl Dialect {
    fn named(name: &str) -> Option<Self> {
        match name {
            "problem-details" => Some(Self::ProblemDetails),
            "json-api" => Some(Self::JsonApi),
            "fastapi" => Some(Self::FastApi),
            "laravel" => Some(Self::Laravel),
            "spring" => Some(Self::Spring),
            _ => None,
        }
    }

    fn refuse(self, objections: &[Objection]) -> Response {
        let each = |write: fn(&Objection) -> Value| objections.iter().map(write).collect::<Value>();
        let (status, media_type, body) = match self {
            Self::ProblemDetails => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "application/problem+json",
                json!({
                    "title": "The sign-up is not valid.",
                    "status": 422,
                    "errors": each(|Objection { field, message, .. }| json!({ "pointer": format!("#/{field}"), "detail": message })),
                }),
            ),
            Self::JsonApi => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "application/vnd.api+json",
                json!({
                    "errors": each(|Objection { field, message, .. }| json!({
                        "status": "422",
                        "title": "Invalid attribute",
                        "detail": message,
                        "source": { "pointer": format!("/data/attributes/{field}") },
                    })),
                }),
            ),
            Self::FastApi => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "application/json",
                json!({
                    "detail": each(|Objection { field, rule, message, value }| {
                        json!({ "type": rule, "loc": ["body", field], "msg": message, "input": value })
                    }),
                }),
            ),
            Self::Laravel => {
                let errors: Map<String, Value> =
                    objections.iter().map(|objection| (objection.field.into(), json!([objection.message]))).collect();
                let body = json!({ "message": "The given data was invalid.", "errors": errors });
                (StatusCode::UNPROCESSABLE_ENTITY, "application/json", body)
            }
            Self::Spring => (
                StatusCode::BAD_REQUEST,
                "application/json",
                json!({
                    "timestamp": "2025-08-21T10:30:00.123+00:00",
                    "status": 400,
                    "error": "Bad Request",
                    "message": format!("Validation failed for object='signUp'. Error count: {}", objections.len()),
                    "errors": each(|Objection { field, rule, message, value }| json!({
                        "objectName": "signUp",
                        "field": field,
                        "code": rule,
                        "defaultMessage": message,
                        "rejectedValue": value,
                    })),
                    "path": "/sign-ups",
                }),
            ),
        };
        let mut response = (status, Json(body)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        response
    }
}

/// `POST /api/demo/sign-ups/{dialect}`. Nothing is kept.
pub(crate) async fn sign_up(path: Result<Path<String>, PathRejection>, request: Request) -> Result<Response, RequestError> {
    let Path(name) = path.map_err(|_| RequestError::NotFound)?;
    let dialect = Dialect::named(&name).ok_or(RequestError::NotFound)?;
    let sign_up: SignUp = request_body::json(request).await?;
    let objections = sign_up.objections();
    if !objections.is_empty() {
        return Ok(dialect.refuse(&objections));
    }
    Ok((StatusCode::CREATED, Json(json!({ "success": true, "data": { "name": sign_up.name.trim() } }))).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_is_checked_by_itself() {
        let fields = |sign_up: SignUp| sign_up.objections().iter().map(|objection| objection.field).collect::<Vec<_>>();
        let good = || SignUp { name: "Ada".into(), email: "ada@example.com".into(), drafts: Some(8) };
        assert_eq!(fields(good()), [""; 0]);
        assert_eq!(fields(SignUp { name: " ".into(), ..good() }), ["name"]);
        assert_eq!(fields(SignUp { name: "a".repeat(41), ..good() }), ["name"]);
        assert_eq!(fields(SignUp { email: "ada@example".into(), ..good() }), ["email"]);
        assert_eq!(fields(SignUp { drafts: Some(9), ..good() }), ["drafts"]);
        assert_eq!(fields(SignUp::default()), ["name", "email", "drafts"]);
    }
}
