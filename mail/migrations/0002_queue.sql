-- What the courier needs to know of a recipient elsewhere: who is delivering it, and how it went so far.

ALTER TABLE mail.queue
    ADD COLUMN lease            uuid,
    ADD COLUMN last_attempt_at  timestamptz,
    ADD COLUMN last_status      text NOT NULL DEFAULT '',
    ADD COLUMN warned_at        timestamptz,
    ADD COLUMN is_large         boolean NOT NULL GENERATED ALWAYS AS (size_bytes > 262144) STORED;
COMMENT ON COLUMN mail.queue.lease IS 'The worker that delivers it until lease_until; whoever comes after that may take it.';
COMMENT ON COLUMN mail.queue.attempts IS 'Attempts begun: counted when claimed, so that one that kills its worker is counted too.';
COMMENT ON COLUMN mail.queue.warned_at IS 'When its sender was told that it is late.';
COMMENT ON COLUMN mail.queue.is_large IS 'Waits behind small mail of its site.';

CREATE INDEX queue_site ON mail.queue (site, is_large, next_attempt_at, body_id);
