-- Whoever has set pieces aside looks after those that have stood for a while: a few rows of a long table.

CREATE INDEX reservations_held ON reservations (created_at_us) WHERE state = 'reserved';
