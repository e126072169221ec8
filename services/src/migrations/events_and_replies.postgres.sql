-- What every service keeps besides its own tables: the feed of its changes, how far consumers have come with it, how far it has
-- itself come with the feeds of others, and the stored replies of idempotency tokens.

CREATE TABLE events (
    id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- ascends in the order of the commits, since writers exclude each other
    event_key TEXT   NOT NULL,                                 -- events of one key are told in order
    body      BYTEA  NOT NULL,                                 -- the encoded change
    at_us     BIGINT NOT NULL
);

CREATE TABLE deliveries (
    consumer   TEXT   PRIMARY KEY,
    through_id BIGINT NOT NULL -- the last event that it knows, and all before it
);

CREATE TABLE followed (
    producer   TEXT   PRIMARY KEY,
    through_id BIGINT NOT NULL -- the last event of its feed that was applied here, and all before it
);

CREATE TABLE replies (
    token_key     TEXT   PRIMARY KEY, -- principal, method and token
    body_hash     BYTEA  NOT NULL CHECK (length(body_hash) = 32),
    reply         BYTEA  NOT NULL,
    created_at_us BIGINT NOT NULL
);

CREATE INDEX replies_age ON replies (created_at_us);
