-- Mail: what a mailbox holds, the bodies it shares with others, what waits for another server, and counters.

CREATE SCHEMA IF NOT EXISTS mail;

CREATE SEQUENCE mail.uidvalidity AS int;

-- A mailbox of an account (a person or a post; the host's ids). uidnext, modseq and the counters change only
-- under this row's lock; several rows are locked in the order of their ids.
CREATE TABLE mail.mailbox (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id   bigint NOT NULL,
    name         text NOT NULL,
    uidvalidity  bigint NOT NULL DEFAULT nextval('mail.uidvalidity'),
    uidnext      bigint NOT NULL DEFAULT 1,
    modseq       bigint NOT NULL DEFAULT 1,
    special_use  text CHECK (special_use IN ('Inbox', 'Drafts', 'Sent', 'Trash', 'Junk', 'Archive')),
    subscribed   boolean NOT NULL DEFAULT true,
    messages     int NOT NULL DEFAULT 0 CHECK (messages >= 0),
    unseen       int NOT NULL DEFAULT 0 CHECK (unseen >= 0),
    size_bytes   bigint NOT NULL DEFAULT 0 CHECK (size_bytes >= 0),
    created_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, name)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX mailbox_special_use ON mail.mailbox (account_id, special_use) WHERE special_use IS NOT NULL;

-- A message as it came, once, whoever received it. Its bytes are trace || header || rest: trace is what this server
-- stamped (CRLF lines), header ends with the empty line, rest lies in `inline` or in the object store under `blob_key`.
-- header || rest are the bytes that were received; sha256 and size_bytes are theirs. Offsets in `parts` count from
-- the first byte of header. `envelope` and `bodystructure` are IMAP's own (RFC 9051), ready to send.
CREATE TABLE mail.body (
    id             uuid PRIMARY KEY,
    sha256         bytea NOT NULL,
    size_bytes     bigint NOT NULL,
    trace          bytea NOT NULL,
    header         bytea NOT NULL,
    inline         bytea,
    is_compressed  boolean NOT NULL DEFAULT false,
    blob_key       bytea,
    message_id     text NOT NULL DEFAULT '',
    subject        text NOT NULL DEFAULT '',
    from_text      text NOT NULL DEFAULT '',
    to_text        text NOT NULL DEFAULT '',
    preview        text NOT NULL DEFAULT '',
    attachments    int NOT NULL DEFAULT 0,
    envelope       bytea NOT NULL,
    bodystructure  bytea NOT NULL,
    parts          jsonb NOT NULL,
    sent_at        timestamptz,
    accepted_at    timestamptz NOT NULL,
    sender         text NOT NULL DEFAULT '',
    submitter      text NOT NULL DEFAULT '',
    on_behalf      boolean NOT NULL DEFAULT false,
    CHECK ((inline IS NULL) <> (blob_key IS NULL))
);
ALTER TABLE mail.body ALTER COLUMN inline SET STORAGE EXTERNAL;
ALTER TABLE mail.body ALTER COLUMN sha256 SET STORAGE PLAIN;
CREATE INDEX body_blob_key ON mail.body (blob_key) WHERE blob_key IS NOT NULL;
COMMENT ON COLUMN mail.body.sender IS 'Envelope sender, empty for <>.';
COMMENT ON COLUMN mail.body.submitter IS 'Address of the person who submitted it here; empty for mail from elsewhere.';
COMMENT ON COLUMN mail.body.on_behalf IS 'From names another than the submitter: "sent by X for Y".';

-- flags: 1 \Seen, 2 \Answered, 4 \Flagged, 8 \Deleted, 16 \Draft. trace: Return-Path of this delivery, before the body's.
CREATE TABLE mail.message (
    mailbox_id     bigint NOT NULL REFERENCES mail.mailbox (id) ON DELETE CASCADE,
    uid            bigint NOT NULL,
    body_id        uuid NOT NULL REFERENCES mail.body (id),
    internal_date  timestamptz NOT NULL,
    flags          smallint NOT NULL DEFAULT 0,
    keywords       text[] NOT NULL DEFAULT '{}',
    modseq         bigint NOT NULL,
    size_bytes     bigint NOT NULL,
    trace          bytea NOT NULL DEFAULT '',
    PRIMARY KEY (mailbox_id, uid)
);
CREATE INDEX message_body ON mail.message (body_id);
CREATE INDEX message_modseq ON mail.message (mailbox_id, modseq);
CREATE INDEX message_unseen ON mail.message (mailbox_id, uid) WHERE flags & 1 = 0;

CREATE TABLE mail.expunged (
    mailbox_id     bigint NOT NULL REFERENCES mail.mailbox (id) ON DELETE CASCADE,
    uid            bigint NOT NULL,
    body_id        uuid NOT NULL REFERENCES mail.body (id),
    internal_date  timestamptz NOT NULL,
    flags          smallint NOT NULL,
    keywords       text[] NOT NULL,
    modseq         bigint NOT NULL,
    size_bytes     bigint NOT NULL,
    trace          bytea NOT NULL,
    gone_at        timestamptz NOT NULL,
    PRIMARY KEY (mailbox_id, uid)
);
CREATE INDEX expunged_modseq ON mail.expunged (mailbox_id, modseq);
CREATE INDEX expunged_body ON mail.expunged (body_id);
CREATE INDEX expunged_gone ON mail.expunged (gone_at);

-- Words of a body, without case and accents, for search. A body is in `unindexed` from its acceptance until its words are here.
CREATE TABLE mail.words (
    body_id  uuid PRIMARY KEY REFERENCES mail.body (id) ON DELETE CASCADE,
    words    tsvector NOT NULL
);
CREATE INDEX words_words ON mail.words USING gin (words);
CREATE TABLE mail.unindexed (body_id uuid PRIMARY KEY REFERENCES mail.body (id) ON DELETE CASCADE);

-- One recipient elsewhere. `NOTIFY mail_queue` once per batch of insertions.
CREATE TABLE mail.queue (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    body_id          uuid NOT NULL REFERENCES mail.body (id),
    sender           text NOT NULL,
    recipient        text NOT NULL,
    site             text NOT NULL,
    size_bytes       bigint NOT NULL,
    smtputf8         boolean NOT NULL DEFAULT false,
    is_8bit          boolean NOT NULL DEFAULT false,
    attempts         int NOT NULL DEFAULT 0,
    accepted_at      timestamptz NOT NULL,
    next_attempt_at  timestamptz NOT NULL,
    lease_until      timestamptz,
    last_reply       text NOT NULL DEFAULT ''
);
CREATE INDEX queue_due ON mail.queue (next_attempt_at);
CREATE INDEX queue_body ON mail.queue (body_id);
COMMENT ON COLUMN mail.queue.site IS 'The recipient''s domain, as A-labels in lower case.';

-- Insert-only counters: copies and bytes by local domain and minute. in: from another domain into this one's
-- mailboxes; out: from this domain to another (here or elsewhere); internal: within the domain.
CREATE TABLE mail.traffic (
    minute      timestamptz NOT NULL,
    domain      text NOT NULL,
    direction   text NOT NULL CHECK (direction IN ('in', 'out', 'internal')),
    messages    bigint NOT NULL,
    size_bytes  bigint NOT NULL
);
CREATE INDEX traffic_minute ON mail.traffic (minute, domain);
