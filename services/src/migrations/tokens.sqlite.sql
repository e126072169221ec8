-- What is remembered of idempotency tokens, each for its time, and how many tokens of each holder. The stored replies move here.

CREATE TABLE tokens (
    token_key  TEXT    PRIMARY KEY, -- principal, method and token
    holder     TEXT    NOT NULL,    -- the principal
    body_hash  BLOB    CHECK (length(body_hash) = 32),
    reply      BLOB,                -- NULL: a tombstone; nothing was done under the token, and nothing will be
    expires_us INTEGER NOT NULL,
    CHECK ((body_hash IS NULL) = (reply IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX tokens_expiry ON tokens (expires_us);

CREATE TABLE token_holders (
    holder TEXT    PRIMARY KEY, -- empty: all together
    kept   INTEGER NOT NULL CHECK (kept >= 0)
) STRICT, WITHOUT ROWID;

-- A key begins with the principal's length and a colon, then the principal. Replies were kept for a day.
INSERT INTO tokens (token_key, holder, body_hash, reply, expires_us)
    SELECT token_key,
        substr(token_key, instr(token_key, ':') + 1, CAST(substr(token_key, 1, instr(token_key, ':') - 1) AS INTEGER)),
        body_hash, reply, created_at_us + 86400000000
    FROM replies;

INSERT INTO token_holders (holder, kept) SELECT holder, count(*) FROM tokens GROUP BY holder;
INSERT INTO token_holders (holder, kept) SELECT '', count(*) FROM tokens;

DROP TABLE replies;
