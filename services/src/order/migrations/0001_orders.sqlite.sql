-- The log of every attempt to buy, and the orders that came of them: one row, from intent to decision.

CREATE TABLE orders (
    id                INTEGER PRIMARY KEY AUTOINCREMENT, -- the order in which attempts came
    token_key         TEXT    UNIQUE,                    -- principal, method and token; NULL once it is free again
    body_hash         BLOB    NOT NULL CHECK (length(body_hash) = 32),
    reservation       TEXT    NOT NULL UNIQUE,           -- the token under which stock is reserved for it
    product           TEXT    NOT NULL,
    quantity          INTEGER NOT NULL CHECK (quantity > 0),
    state             TEXT    NOT NULL CHECK (state IN ('pending', 'confirmed', 'refused')),
    owner             TEXT    NOT NULL, -- the instance that works on it
    lease_until_us    INTEGER NOT NULL, -- until when nobody else may
    decided_seq       INTEGER UNIQUE CHECK (decided_seq > 0), -- the order in which attempts were decided
    order_num         INTEGER UNIQUE CHECK (order_num > 0),   -- without gaps
    price_minor       INTEGER CHECK (price_minor >= 0),
    total_minor       INTEGER CHECK (total_minor = price_minor * quantity),
    status            TEXT CHECK (status IN ('Processing', 'Shipped', 'Delivered', 'Cancelled')),
    status_at_us      INTEGER, -- since when
    customer          INTEGER CHECK (customer > 0), -- the user who buys, if one does
    refusal_code      TEXT,
    refusal_message   TEXT,
    refusal_available INTEGER,
    created_at_us     INTEGER NOT NULL,
    decided_at_us     INTEGER,
    CHECK ((state = 'pending') = (decided_seq IS NULL)),
    CHECK ((state = 'pending') = (decided_at_us IS NULL)),
    CHECK ((state = 'confirmed') = (order_num IS NOT NULL)),
    CHECK ((state = 'confirmed') = (total_minor IS NOT NULL)),
    CHECK ((state = 'confirmed') = (status IS NOT NULL)),
    CHECK ((state = 'refused') = (refusal_code IS NOT NULL)),
    CHECK (token_key IS NOT NULL OR state = 'refused')
) STRICT;

-- Recovery looks at few rows of a long table, and so does whoever asks for one user's orders.
CREATE INDEX orders_pending ON orders (id) WHERE state = 'pending';
CREATE INDEX orders_customer ON orders (customer, order_num) WHERE customer IS NOT NULL;
