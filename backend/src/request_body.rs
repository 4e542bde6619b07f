use axum::extract::Request;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use steadfast::wire::LARGEST_BATCH;

use crate::error::RequestError;

/// The largest body with files in it, in bytes.
pub(crate) const LARGEST_UPLOAD: usize = 64 << 20;
/// What is read beyond the limit and thrown away, before the client is told.
const PATIENCE: usize = LARGEST_UPLOAD + 8 * LARGEST_BATCH;

/// [`read`], then [`parse`].
pub(crate) async fn json<T: DeserializeOwned>(request: Request) -> Result<T, RequestError> {
    parse(&read(request).await?)
}

/// Reads the body as JSON, or says what is wrong with it and where.
///
/// All that is taken here are objects. A list would do for serde, and be a document without anything in it.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, RequestError> {
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(RequestError::Invalid { field: ".".to_owned(), message: "must be an object".to_owned() });
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = error.path().to_string();
        let source = error.into_inner();
        match source.classify() {
            Category::Data => RequestError::Invalid { field, message: source.to_string() },
            Category::Syntax | Category::Eof | Category::Io => RequestError::Syntax { source },
        }
    })?;
    deserializer.end().map_err(|source| RequestError::Syntax { source })?;
    Ok(value)
}

/// The body of a request without files: see [`read_at_most`].
pub(crate) async fn read(request: Request) -> Result<Vec<u8>, RequestError> {
    read_at_most(request, LARGEST_BATCH).await
}

/// Reads the body to its end even when it is too large or not wanted any more: a client that is still sending when the
/// connection closes loses the answer that would tell it why.
pub(crate) async fn read_at_most(request: Request, limit: usize) -> Result<Vec<u8>, RequestError> {
    let mut chunks = request.into_body().into_data_stream();
    let mut body = Vec::new();
    let mut length = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| RequestError::BodyInterrupted)?;
        length += chunk.len();
        if length <= limit {
            body.extend_from_slice(&chunk);
        } else if length > PATIENCE {
            break;
        }
    }
    if length > limit { Err(RequestError::BodyTooLarge { limit }) } else { Ok(body) }
}
