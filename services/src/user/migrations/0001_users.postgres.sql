-- The shop's customers, and the count of what each has bought.

CREATE TABLE users (
    id            BIGINT PRIMARY KEY,
    name          TEXT   COLLATE "C" NOT NULL,        -- sorted as SQLite sorts it
    email         TEXT   NOT NULL,
    email_key     TEXT   COLLATE "C" NOT NULL UNIQUE, -- the address in lower case
    search        TEXT   COLLATE "C" NOT NULL,        -- name and address in lower case
    orders        BIGINT NOT NULL,                    -- those that weren't cancelled
    spent_minor   BIGINT NOT NULL,
    created_at_us BIGINT NOT NULL,
    updated_at_us BIGINT NOT NULL
);

-- The highest number that was ever given. One row.
CREATE TABLE highest_user (id BIGINT NOT NULL);
INSERT INTO highest_user (id) VALUES (0);
