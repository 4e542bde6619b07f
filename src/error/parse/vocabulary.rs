//! The names that backends give to the same few things, and what a value has to look like to be one of them.

use crate::json::Value;

/// Machine-readable codes, by the names that mean nothing else.
pub(super) const CODE: [&str; 17] = [
    "sub_code",
    "code",
    "errorCode",
    "error_code",
    "errcode",
    "err_code",
    "errorcode",
    "Code",
    "ErrorCode",
    "ERROR_CODE",
    "errorKey",
    "error_key",
    "scimType",
    "exceptionType",
    "ECODE",
    "errorIdentifier",
    "ErrorNumber",
];

/// Names that may hold a code, and may hold something else.
pub(super) const LIKE_CODE: [&str; 12] =
    ["type", "__type", "errorType", "error_type", "error", "name", "reason", "status", "key", "slug", "id", "Type"];

/// Numbers that are a code where nothing says it in a word.
pub(super) const NUMERIC_CODE: [&str; 3] = ["errorId", "errno", "cod"];

/// What went wrong, in words.
pub(super) const MESSAGE: [&str; 30] = [
    "sub_msg",
    "message",
    "Message",
    "error_description",
    "errorDescription",
    "detail",
    "msg",
    "errmsg",
    "err_msg",
    "errMsg",
    "error_message",
    "errorMessage",
    "ErrorMessage",
    "description",
    "Description",
    "diagnostics",
    "faultstring",
    "faultString",
    "Detail",
    "longMessage",
    "statusMessage",
    "status_message",
    "summary",
    "errorSummary",
    "explanation",
    "errorMessages",
    "error_messages",
    "error_msg",
    "hydra:description",
    "hydra:title",
];

/// The server's id of the request.
pub(super) const REQUEST_ID: [&str; 22] = [
    "requestId",
    "request_id",
    "RequestId",
    "requestID",
    "RequestID",
    "request-id",
    "reqId",
    "req_id",
    "traceId",
    "trace_id",
    "traceID",
    "TraceId",
    "debug_id",
    "debugId",
    "fbtrace_id",
    "logref",
    "activityId",
    "transactionId",
    "transaction_id",
    "client-request-id",
    "x-request-id",
    "trackingId",
];

/// The id that follows the call through all services.
pub(super) const CORRELATION_ID: [&str; 4] = ["correlationId", "correlation_id", "CorrelationId", "correlation-id"];

/// The server's id of this error.
pub(super) const ERROR_ID: [&str; 6] = ["error_id", "errorId", "eventId", "event_id", "incidentId", "errorID"];

/// Documentation.
pub(super) const HELP: [&str; 24] = [
    "documentation_url",
    "documentationUrl",
    "documentation",
    "documentationURL",
    "doc_url",
    "docs_url",
    "docUrl",
    "docsUrl",
    "docs",
    "helpLink",
    "helpUrl",
    "help_url",
    "help_link",
    "help",
    "more_info",
    "moreInfo",
    "more_info_url",
    "info_url",
    "infoUrl",
    "error_uri",
    "developerUrl",
    "link",
    "url",
    "href",
];

/// Seconds to wait.
pub(super) const RETRY_AFTER_SECONDS: [&str; 12] = [
    "retryAfter",
    "retry_after",
    "retryAfterSeconds",
    "retry_after_seconds",
    "retryAfterSec",
    "retry_in",
    "retryIn",
    "retry-after",
    "backoff",
    "retry_in_seconds",
    "retryInSeconds",
    "retryAfterInSeconds",
];

/// Milliseconds to wait.
pub(super) const RETRY_AFTER_MILLISECONDS: [&str; 6] =
    ["retry_after_ms", "retryAfterMs", "retry-after-ms", "retryAfterMillis", "retryAfterMilliseconds", "retry_after_millis"];

/// Whether another try may help.
pub(super) const RETRYABLE: [&str; 12] = [
    "retryable",
    "isRetryable",
    "is_retryable",
    "recoverable",
    "transient",
    "is_transient",
    "isTransient",
    "shouldRetry",
    "should_retry",
    "retry",
    "temporary",
    "canRetry",
];

/// Which field an entry of a list is about.
pub(super) const FIELD: [&str; 32] = [
    "field",
    "path",
    "param",
    "parameter",
    "pointer",
    "loc",
    "property",
    "propertyPath",
    "propertyName",
    "property_name",
    "fieldName",
    "field_name",
    "field_path",
    "attribute",
    "attributePath",
    "element",
    "instancePath",
    "dataPath",
    "parameterName",
    "argument",
    "key",
    "target",
    "in",
    "memberNames",
    "fields",
    "expression",
    "location",
    "ErrorRelatedTo",
    "attr",
    "members",
    "PropertyName",
    "Field",
];

/// What is wrong with it.
pub(super) const FIELD_MESSAGE: [&str; 16] = [
    "message",
    "msg",
    "detail",
    "description",
    "reason",
    "error",
    "errorMessage",
    "error_message",
    "defaultMessage",
    "messages",
    "errors",
    "text",
    "Message",
    "Detail",
    "title",
    "ErrorMessage",
];

/// The rule it broke.
pub(super) const FIELD_CODE: [&str; 13] = [
    "code",
    "constraint",
    "errorCode",
    "error_code",
    "type",
    "keyword",
    "rule",
    "tag",
    "kind",
    "issue",
    "ErrorCode",
    "error",
    "reason",
];

/// The value that was rejected.
pub(super) const VALUE: [&str; 8] =
    ["value", "rejectedValue", "input", "rejected_value", "attemptedValue", "invalidValue", "provided_value", "providedValue"];

/// The values that would do.
pub(super) const ALLOWED: [&str; 6] = ["allowed", "allowedValues", "allowed_values", "enum", "validValues", "valid_values"];

/// What holds the errors of fields.
pub(super) const FIELD_ERRORS: [&str; 34] = [
    "errors",
    "fieldErrors",
    "field_errors",
    "fields",
    "validation_errors",
    "validationErrors",
    "invalid-params",
    "invalid_params",
    "invalidParams",
    "invalidParameters",
    "violations",
    "fieldViolations",
    "parameterViolations",
    "error_details",
    "errorDetails",
    "details",
    "data",
    "issues",
    "subErrors",
    "ModelState",
    "modelState",
    "messages",
    "validation",
    "causes",
    "params",
    "detail",
    "invalidFields",
    "invalid_fields",
    "Errors",
    "message",
    "inner",
    "extra",
    "validation_messages",
    "issue",
];

/// What holds an error inside another object.
pub(super) const ENVELOPE: [&str; 25] = [
    "error",
    "Error",
    "fault",
    "Fault",
    "errors",
    "Errors",
    "err",
    "errorResponse",
    "ErrorResponse",
    "exception",
    "meta",
    "errorDetail",
    "apiError",
    "response",
    "Response",
    "issue",
    "result",
    "odata.error",
    "detail",
    "messages",
    "Messages",
    "status",
    "data",
    "responseStatus",
    "ResponseStatus",
];

/// Names of marks that are no code, though they stand where one may.
fn is_no_code(text: &str) -> bool {
    matches!(
        text.to_ascii_lowercase().as_str(),
        "error"
            | "errors"
            | "fail"
            | "failed"
            | "failure"
            | "client"
            | "server"
            | "sender"
            | "receiver"
            | "object"
            | "about:blank"
            | "exception"
            | "httperror"
            | "httpexception"
            | "apierror"
            | "api_error_response"
            | "list"
            | "field"
            | "unknown"
            | "false"
            | "true"
            | "none"
            | "null"
            | "err"
            | "problem"
            | "fault"
            | "html"
            | "json"
    )
}

/// Whether a text is a code rather than words: one word that a machine would write.
pub(super) fn is_code(text: &str) -> bool {
    (2..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b':' | b'/' | b'#' | b'\\'))
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !text.contains("://")
        && !text.ends_with(['.', ':'])
        && !is_no_code(text)
        && !is_reason_phrase(text)
}

/// Whether a text is the reason phrase of an HTTP status (RFC 9110 §15), which says no more than the status does.
pub(super) fn is_reason_phrase(text: &str) -> bool {
    const PHRASES: [&str; 44] = [
        "bad request",
        "unauthorized",
        "payment required",
        "forbidden",
        "not found",
        "method not allowed",
        "not acceptable",
        "proxy authentication required",
        "request timeout",
        "request time-out",
        "conflict",
        "gone",
        "length required",
        "precondition failed",
        "payload too large",
        "request entity too large",
        "content too large",
        "uri too long",
        "unsupported media type",
        "range not satisfiable",
        "expectation failed",
        "misdirected request",
        "unprocessable entity",
        "unprocessable content",
        "locked",
        "failed dependency",
        "too early",
        "upgrade required",
        "precondition required",
        "too many requests",
        "request header fields too large",
        "unavailable for legal reasons",
        "internal server error",
        "not implemented",
        "bad gateway",
        "service unavailable",
        "gateway timeout",
        "gateway time-out",
        "http version not supported",
        "variant also negotiates",
        "insufficient storage",
        "loop detected",
        "not extended",
        "network authentication required",
    ];
    // A machine's code would not be capitalised like a title: `not_found` and `conflict` are codes, `Conflict` is a phrase.
    text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
        && PHRASES.contains(&text.to_ascii_lowercase().as_str())
}

/// Words: what is not a code, and not empty.
pub(super) fn words(value: Value<'_>) -> Option<String> {
    value.as_str().map(|text| text.trim().to_string()).filter(|text| !text.is_empty())
}

/// A link that may be followed: `http` or `https`.
pub(super) fn link(value: Value<'_>) -> Option<String> {
    value.as_str().filter(|text| is_link(text)).map(Into::into)
}

/// Documentation in a member that means it: a link that may be followed, or one within the API. Never a `javascript:`.
pub(super) fn help(object: Value<'_>, name: &str) -> Option<String> {
    object.text(name).filter(|text| is_link(text) || text.starts_with('/') && !text.starts_with("//"))
}

pub(super) fn is_link(text: &str) -> bool {
    (text.starts_with("https://") || text.starts_with("http://")) && !text.contains(char::is_whitespace)
}
