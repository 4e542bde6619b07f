-- Files that came with actions or as requests of their own. The version counts how often it was saved.
CREATE TABLE files (
    user_id TEXT NOT NULL REFERENCES users (user_id),
    file_id TEXT NOT NULL,
    name TEXT,
    type TEXT NOT NULL,
    caption TEXT,
    content BLOB NOT NULL,
    sha256 TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    saved_at TEXT NOT NULL,
    PRIMARY KEY (user_id, file_id)
) STRICT;
