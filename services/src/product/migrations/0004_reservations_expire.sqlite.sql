-- What became of a token is remembered until nobody can ask for it any more.

ALTER TABLE reservations ADD COLUMN wanted TEXT;        -- the product's name as it was asked for; NULL before this column
ALTER TABLE reservations ADD COLUMN expires_us INTEGER; -- NULL: the pieces may still move

-- What is settled stays: an order may still be cancelled.
UPDATE reservations SET expires_us = updated_at_us + 86400000000 WHERE state NOT IN ('reserved', 'settled');

CREATE INDEX reservations_expiry ON reservations (expires_us) WHERE expires_us IS NOT NULL;
