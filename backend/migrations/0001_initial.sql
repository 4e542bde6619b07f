CREATE TABLE users (
    user_id TEXT PRIMARY KEY,
    last_sync_at TEXT NOT NULL
) STRICT;

-- The dedupe row of each action, written in the transaction of its effect. The position is the order of application.
CREATE TABLE applied_actions (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT NOT NULL REFERENCES users (user_id),
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    key TEXT,
    applied_at TEXT NOT NULL,
    UNIQUE (user_id, id)
) STRICT;

CREATE INDEX applied_actions_in_order ON applied_actions (user_id, position);

-- What was answered `rejected` or `conflict` and has not been applied since.
CREATE TABLE unsettled_actions (
    user_id TEXT NOT NULL REFERENCES users (user_id),
    id TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('rejected', 'conflict')),
    conflict_type TEXT CHECK ((conflict_type IS NOT NULL) = (outcome = 'conflict')),
    resolution TEXT CHECK ((resolution IS NOT NULL) = (outcome = 'conflict')),
    answered_at TEXT NOT NULL,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;

-- A deleted draft keeps its row: were its versions to start again from 1, a client that still holds
-- version 1 of the deleted draft would overwrite the new one unnoticed.
CREATE TABLE drafts (
    user_id TEXT NOT NULL REFERENCES users (user_id),
    draft_id TEXT NOT NULL,
    title TEXT NOT NULL,
    content TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    updated_at TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1)),
    PRIMARY KEY (user_id, draft_id)
) STRICT;

CREATE TABLE bookmarks (
    user_id TEXT NOT NULL REFERENCES users (user_id),
    effect_id TEXT NOT NULL,
    tags TEXT NOT NULL CHECK (json_valid(tags)),
    created_at TEXT NOT NULL,
    PRIMARY KEY (user_id, effect_id)
) STRICT;
