-- One text for SQLite and PostgreSQL. Times are milliseconds since the Unix
-- epoch, JSON is text: sqlx's Any driver reads nothing richer on both.

-- Append-only. The key is the mutual exclusion between ticks and commands.
CREATE TABLE rollout_journal (
    rollout TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (rollout, seq)
);

-- Cache of the fold up to `seq`; may be deleted at any time.
CREATE TABLE rollout_snapshot (
    rollout TEXT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL
);
