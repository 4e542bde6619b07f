//! The wire formats, a file each, most specific first: the first that recognises a body reads it.

mod aspnet;
mod aws;
mod cosnap;
mod django_rest;
mod elasticsearch;
mod fallback;
mod fastapi;
mod google;
mod graphql;
mod grpc_web;
mod json_api;
mod kubernetes;
mod laravel;
mod legacy;
mod markup_pages;
mod news_filter;
mod oauth;
mod odata;
mod oriel;
mod postgrest;
mod problem_details;
mod qwen_proxy;
mod rails;
mod salesforce;
mod slack;
mod spring;
mod status_code;
mod stellar_flow;
mod stripe;
mod trpc;

use super::vocabulary::{help, is_link, link};
use super::{Evidence, FormatDefinition, LONGEST_MESSAGE, Reading, ResponseParts, fields, generic, markup, percent_decoded};
use crate::error::Confidence;
use crate::json::Value;
pub(super) use grpc_web::failed as grpc_web_failed;

/// The mark by which a format knows a body, and how sure that mark is.
pub(super) type Mark = Option<(&'static str, Confidence)>;

/// The names of gRPC's codes (google/rpc/code.proto), by their number.
const GRPC_CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// What an error says, by the usual names, beyond the members that its format has: others write errors of the same shape, and
/// say more in them. One that has no other members says nothing more.
fn beyond(evidence: &Evidence<'_>, error: Value<'_>, members: &[&str]) -> Reading {
    let has_others = error.members().any(|(found, _)| !members.iter().any(|name| found.is(name)));
    if has_others { evidence.generic() } else { Reading::default() }
}

/// Most specific first.
pub(super) const FORMATS: [FormatDefinition; 34] = [
    grpc_web::FORMAT,
    problem_details::FORMAT,
    json_api::FORMAT,
    graphql::FORMAT,
    qwen_proxy::FORMAT,
    oriel::FORMAT,
    cosnap::FORMAT,
    google::FORMAT,
    news_filter::FORMAT,
    stellar_flow::FORMAT,
    oauth::FORMAT,
    kubernetes::FORMAT,
    elasticsearch::FORMAT,
    trpc::FORMAT,
    odata::FORMAT,
    stripe::FORMAT,
    aws::FORMAT,
    slack::FORMAT,
    salesforce::FORMAT,
    fastapi::FORMAT,
    postgrest::FORMAT,
    spring::FORMAT,
    aspnet::FORMAT,
    laravel::FORMAT,
    rails::FORMAT,
    status_code::FORMAT,
    django_rest::FORMAT,
    legacy::FORMAT,
    fallback::UNKNOWN_JSON,
    fallback::EMPTY,
    markup_pages::HTML,
    markup_pages::XML,
    fallback::MALFORMED_JSON,
    fallback::TEXT,
];
