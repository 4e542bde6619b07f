-- What a user prefers of error handling, as the last PUT had it.
CREATE TABLE error_preferences (
    user_id TEXT PRIMARY KEY,
    document TEXT NOT NULL CHECK (json_valid(document)),
    updated_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Operations that were queued once more. The origin is the request that failed first: however often an operation fails and
-- under whatever ids, its retries are counted together.
CREATE TABLE retried_operations (
    user_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    origin_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    modified_params TEXT CHECK (json_valid(modified_params)),
    queued_at TEXT NOT NULL,
    estimated_completion TEXT NOT NULL,
    PRIMARY KEY (user_id, request_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX retries_of_an_operation ON retried_operations (user_id, origin_id);

-- What was answered under an idempotency key, written in the transaction of its effect.
CREATE TABLE keyed_answers (
    user_id TEXT NOT NULL,
    path TEXT NOT NULL,
    key TEXT NOT NULL,
    request TEXT NOT NULL CHECK (json_valid(request)),
    answer TEXT NOT NULL CHECK (json_valid(answer)),
    answered_at TEXT NOT NULL,
    PRIMARY KEY (user_id, path, key)
) STRICT, WITHOUT ROWID;
