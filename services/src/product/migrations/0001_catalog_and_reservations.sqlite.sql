-- The catalog with its stock, and what became of every token that asked for some of it.

CREATE TABLE products (
    id            INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice, even after a removal
    name          TEXT    NOT NULL,
    search        TEXT    NOT NULL, -- the name in lower case
    price_minor   INTEGER NOT NULL CHECK (price_minor >= 0),
    initial       INTEGER NOT NULL CHECK (initial >= 0),  -- all that ever came in
    quantity      INTEGER NOT NULL CHECK (quantity >= 0), -- what may still be bought
    reserved      INTEGER NOT NULL CHECK (reserved >= 0), -- promised to orders that are not settled yet
    sold          INTEGER NOT NULL CHECK (sold >= 0),
    created_at_us INTEGER NOT NULL,
    updated_at_us INTEGER NOT NULL,
    removed_at_us INTEGER, -- taken out of the catalog; the row stays, because reservations refer to it
    CHECK (initial = quantity + reserved + sold)
) STRICT;

-- A name is unique among the products on sale; it is free again after a removal.
CREATE UNIQUE INDEX products_name ON products (name) WHERE removed_at_us IS NULL;

CREATE TABLE reservations (
    token         TEXT    PRIMARY KEY,
    body_hash     BLOB    CHECK (length(body_hash) = 32), -- NULL: released before it was ever seen
    state         TEXT    NOT NULL
                  CHECK (state IN ('reserved', 'settled', 'returned', 'released', 'refused_unknown', 'refused_stock')),
    product_id    INTEGER REFERENCES products (id),
    quantity      INTEGER NOT NULL CHECK (quantity >= 0),
    price_minor   INTEGER, -- the price of one when it was reserved
    available     INTEGER, -- what there was when it was refused for lack of stock
    created_at_us INTEGER NOT NULL,
    updated_at_us INTEGER NOT NULL,
    CHECK (state NOT IN ('reserved', 'settled', 'returned') OR (product_id IS NOT NULL AND price_minor IS NOT NULL)),
    CHECK (state <> 'refused_stock' OR available IS NOT NULL),
    CHECK (state = 'released' OR body_hash IS NOT NULL)
) STRICT, WITHOUT ROWID;
