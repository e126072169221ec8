-- What every service keeps besides its own tables: the feed of its changes, how far consumers have come with it, how far it has
-- itself come with the feeds of others, and the stored replies of idempotency tokens.

CREATE TABLE events (
    id        INTEGER PRIMARY KEY AUTOINCREMENT, -- ascends in the order of the commits
    event_key TEXT    NOT NULL,                  -- events of one key are told in order
    body      BLOB    NOT NULL,                  -- the encoded change
    at_us     INTEGER NOT NULL
) STRICT;

CREATE TABLE deliveries (
    consumer   TEXT    PRIMARY KEY,
    through_id INTEGER NOT NULL -- the last event that it knows, and all before it
) STRICT, WITHOUT ROWID;

CREATE TABLE followed (
    producer   TEXT    PRIMARY KEY,
    through_id INTEGER NOT NULL -- the last event of its feed that was applied here, and all before it
) STRICT, WITHOUT ROWID;

CREATE TABLE replies (
    token_key     TEXT    PRIMARY KEY, -- principal, method and token
    body_hash     BLOB    NOT NULL CHECK (length(body_hash) = 32),
    reply         BLOB    NOT NULL,
    created_at_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX replies_age ON replies (created_at_us);
