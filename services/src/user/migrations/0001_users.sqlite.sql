-- The shop's customers, and the count of what each has bought.

CREATE TABLE users (
    id            INTEGER PRIMARY KEY,
    name          TEXT    NOT NULL,
    email         TEXT    NOT NULL,
    email_key     TEXT    NOT NULL UNIQUE,            -- the address in lower case
    search        TEXT    NOT NULL,                   -- name and address in lower case
    orders        INTEGER NOT NULL,                   -- those that weren't cancelled
    spent_minor   INTEGER NOT NULL,
    created_at_us INTEGER NOT NULL,
    updated_at_us INTEGER NOT NULL
) STRICT;

-- The highest number that was ever given. One row.
CREATE TABLE highest_user (id INTEGER NOT NULL) STRICT;
INSERT INTO highest_user (id) VALUES (0);
