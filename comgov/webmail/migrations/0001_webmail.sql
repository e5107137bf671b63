-- What is being written in the browser: saved as one types, one row a message. Its id becomes the id of the message
-- in the mail tables, so that sending it again, after a double click or a power cut, sends nothing twice.
CREATE TABLE comgov.draft (
    id              uuid PRIMARY KEY,
    person_id       bigint NOT NULL REFERENCES comgov.person,
    sender_id       bigint NOT NULL REFERENCES comgov.account,
    to_text         text NOT NULL DEFAULT '',
    cc_text         text NOT NULL DEFAULT '',
    bcc_text        text NOT NULL DEFAULT '',
    subject         text NOT NULL DEFAULT '',
    text            text NOT NULL DEFAULT '',
    answers_how     text CHECK (answers_how IN ('reply', 'forward')),
    answers_mailbox bigint,
    answers_uid     bigint,
    in_reply_to     text NOT NULL DEFAULT '',
    thread          text NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL,
    saved_at        timestamptz NOT NULL,
    sent_at         timestamptz
);
COMMENT ON COLUMN comgov.draft.answers_how IS 'What this message does to the one in answers_mailbox, answers_uid.';
COMMENT ON COLUMN comgov.draft.thread IS 'Message-IDs for References (RFC 5322 §3.6.4), oldest first.';
CREATE INDEX draft_person ON comgov.draft (person_id, saved_at DESC, id) WHERE sent_at IS NULL;
CREATE INDEX draft_sent ON comgov.draft (sent_at) WHERE sent_at IS NOT NULL;

CREATE TABLE comgov.draft_file (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    draft_id     uuid NOT NULL REFERENCES comgov.draft ON DELETE CASCADE,
    filename     text NOT NULL,
    content_type text NOT NULL,
    sha256       bytea NOT NULL,
    size_bytes   bigint NOT NULL
);
CREATE INDEX draft_file_draft ON comgov.draft_file (draft_id, id);
CREATE INDEX draft_file_sha256 ON comgov.draft_file (sha256);
