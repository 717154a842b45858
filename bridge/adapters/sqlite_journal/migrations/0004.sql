-- A reply goes to one queue, and to nobody else; its routing key only says what it is.
ALTER TABLE events ADD COLUMN reply_to TEXT;
ALTER TABLE events ADD COLUMN correlation_id TEXT;
