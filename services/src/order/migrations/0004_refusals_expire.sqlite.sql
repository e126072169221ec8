-- An attempt that came to nothing is remembered as long as its token; an order for ever.

ALTER TABLE orders ADD COLUMN expires_us INTEGER;

UPDATE orders SET expires_us = decided_at_us + 86400000000 WHERE state = 'refused';

CREATE INDEX orders_expiry ON orders (expires_us) WHERE expires_us IS NOT NULL;
