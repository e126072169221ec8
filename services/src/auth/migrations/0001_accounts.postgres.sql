-- Who may sign in, and what they are signed in with.

CREATE TABLE organizations (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- the first one is the home of this network's own people
    name       TEXT COLLATE "C" NOT NULL,
    slug       TEXT COLLATE "C" NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,                  -- microseconds since 1970, as all times here
    updated_at BIGINT NOT NULL
);

CREATE TABLE accounts (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id BIGINT NOT NULL REFERENCES organizations (id),
    email           TEXT COLLATE "C" NOT NULL,
    email_key       TEXT COLLATE "C" NOT NULL UNIQUE, -- the address in lower case
    search          TEXT COLLATE "C" NOT NULL,        -- name and address in lower case
    hashed_password TEXT    NOT NULL,        -- Argon2id, as a PHC string
    full_name       TEXT COLLATE "C" NOT NULL,
    roles           TEXT    NOT NULL,        -- their names, in order, a space between two
    is_active       BIGINT NOT NULL,
    is_superuser    BIGINT NOT NULL,        -- an admin of the first organization
    tokens_from_s   BIGINT NOT NULL,        -- tokens that were issued before this second, since 1970, are revoked
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);

CREATE INDEX accounts_of_organization ON accounts (organization_id, id);
CREATE INDEX accounts_active ON accounts (organization_id) WHERE is_active = 1;

CREATE TABLE sessions (
    id         TEXT    PRIMARY KEY,
    account_id BIGINT NOT NULL REFERENCES accounts (id),
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL, -- when tokens were last given
    expires_at BIGINT NOT NULL
);

CREATE INDEX sessions_of_account ON sessions (account_id);
CREATE INDEX sessions_age ON sessions (expires_at);

-- Those of a session stay until it ends, so that one which comes a second time is noticed.
CREATE TABLE refresh_tokens (
    token_hash BYTEA    PRIMARY KEY CHECK (length(token_hash) = 32),
    session_id TEXT    NOT NULL,
    jti        TEXT    NOT NULL, -- the access token that was given with it
    issued_at  BIGINT NOT NULL,
    used_at    BIGINT,
    used_key   BYTEA              -- the hash of the idempotency token of that use
);

CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session_id);

-- One-time tickets for whoever can't send a header.
CREATE TABLE tickets (
    ticket_hash BYTEA    PRIMARY KEY CHECK (length(ticket_hash) = 32),
    account_id  BIGINT NOT NULL,
    session_id  TEXT    NOT NULL,
    expires_at  BIGINT NOT NULL
);

CREATE INDEX tickets_age ON tickets (expires_at);

-- Attempts to sign in that didn't succeed, by address, whether there is an account or not.
CREATE TABLE attempts (
    email_hash BYTEA    PRIMARY KEY CHECK (length(email_hash) = 32),
    failures   BIGINT NOT NULL,
    last_at    BIGINT NOT NULL,
    free_at    BIGINT NOT NULL -- none is looked at before
);

CREATE INDEX attempts_age ON attempts (last_at);

-- The public halves of signing keys. The private ones are files of whoever signs with them.
CREATE TABLE signing_keys (
    kid        TEXT    PRIMARY KEY,
    x          TEXT    NOT NULL,
    y          TEXT    NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT           -- it signs nothing from then on
);

-- The codes by which the first account can be made, while there is none.
CREATE TABLE setup_codes (
    code_hash  BYTEA    PRIMARY KEY CHECK (length(code_hash) = 32),
    created_at BIGINT NOT NULL
);

-- What those who have signed in have done.
CREATE TABLE audit (
    seq          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           TEXT    NOT NULL UNIQUE, -- as whoever recorded it has named it
    at           BIGINT NOT NULL,
    subject      TEXT    NOT NULL,
    organization TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    method       TEXT    NOT NULL,
    path         TEXT    NOT NULL,
    object       TEXT    NOT NULL,
    address      TEXT    NOT NULL,
    request_id   TEXT    NOT NULL,
    status       BIGINT NOT NULL,
    outcome      TEXT    NOT NULL
);

CREATE INDEX audit_of_organization ON audit (organization, seq);
CREATE INDEX audit_of_subject ON audit (subject, seq);
CREATE INDEX audit_age ON audit (at);
