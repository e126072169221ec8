-- The log of every attempt to buy, and the orders that came of them: one row, from intent to decision.

CREATE TABLE orders (
    id                BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- the order in which attempts came
    token_key         TEXT    UNIQUE,                    -- principal, method and token; NULL once it is free again
    body_hash         BYTEA   NOT NULL CHECK (length(body_hash) = 32),
    reservation       TEXT    NOT NULL UNIQUE,           -- the token under which stock is reserved for it
    product           TEXT    NOT NULL,
    quantity          BIGINT  NOT NULL CHECK (quantity > 0),
    state             TEXT    NOT NULL CHECK (state IN ('pending', 'confirmed', 'refused')),
    owner             TEXT    NOT NULL, -- the instance that works on it
    lease_until_us    BIGINT  NOT NULL, -- until when nobody else may
    decided_seq       BIGINT  UNIQUE CHECK (decided_seq > 0), -- the order in which attempts were decided
    order_num         BIGINT  UNIQUE CHECK (order_num > 0),   -- without gaps
    price_minor       BIGINT  CHECK (price_minor >= 0),
    total_minor       BIGINT  CHECK (total_minor = price_minor * quantity),
    status            TEXT,
    settled           BIGINT  NOT NULL DEFAULT 0 CHECK (settled IN (0, 1)), -- product knows the decision
    refusal_code      TEXT,
    refusal_message   TEXT,
    refusal_available BIGINT,
    created_at_us     BIGINT  NOT NULL,
    decided_at_us     BIGINT,
    CHECK ((state = 'pending') = (decided_seq IS NULL)),
    CHECK ((state = 'pending') = (decided_at_us IS NULL)),
    CHECK ((state = 'confirmed') = (order_num IS NOT NULL)),
    CHECK ((state = 'confirmed') = (total_minor IS NOT NULL)),
    CHECK ((state = 'confirmed') = (status IS NOT NULL)),
    CHECK ((state = 'refused') = (refusal_code IS NOT NULL)),
    CHECK (settled = 0 OR state <> 'pending'),
    CHECK (token_key IS NOT NULL OR state = 'refused')
);

-- Recovery looks at few rows of a long table.
CREATE INDEX orders_pending ON orders (id) WHERE state = 'pending';
CREATE INDEX orders_unsettled ON orders (decided_seq) WHERE state <> 'pending' AND settled = 0;
