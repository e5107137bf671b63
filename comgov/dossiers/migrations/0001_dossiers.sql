-- A dossier at its sender: a draft that changes, then what was sealed, which never does. bordereau, asic_manifest and
-- signature are the small files of the container; with the pieces they give its bytes again, always the same.
CREATE TABLE comgov.dossier (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id      uuid NOT NULL UNIQUE,
    institution_id  bigint NOT NULL REFERENCES comgov.institution,
    author_id       bigint NOT NULL,
    author          text NOT NULL,
    state           text NOT NULL CHECK (state IN ('draft', 'sealed')),
    designation     text NOT NULL,
    observations    text NOT NULL,
    order_number    text NOT NULL,
    mention         text NOT NULL,
    classification  text NOT NULL,
    priority        text NOT NULL,
    deadline        date,
    in_reply_to     uuid,
    created_at      timestamptz NOT NULL,
    changed_at      timestamptz NOT NULL,
    number          text NOT NULL DEFAULT '',
    sealed_at       timestamptz,
    sealed_by       text NOT NULL DEFAULT '',
    bordereau       bytea,
    asic_manifest   bytea,
    signature       bytea,
    manifest        bytea NOT NULL DEFAULT '',
    container       bytea NOT NULL DEFAULT '',
    container_bytes bigint NOT NULL DEFAULT 0,
    CHECK ((state = 'sealed') = (num_nonnulls(sealed_at, bordereau, asic_manifest, signature) = 4)),
    CHECK ((state = 'sealed') = (octet_length(manifest) = 32))
);

CREATE INDEX dossier_list ON comgov.dossier (institution_id, state, changed_at DESC, message_id DESC);
CREATE INDEX dossier_container ON comgov.dossier (container) WHERE container <> '';

CREATE TABLE comgov.recipient (
    dossier_id     bigint NOT NULL REFERENCES comgov.dossier ON DELETE CASCADE,
    institution_id bigint NOT NULL REFERENCES comgov.institution,
    PRIMARY KEY (dossier_id, institution_id)
);

CREATE TABLE comgov.piece (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dossier_id bigint NOT NULL REFERENCES comgov.dossier ON DELETE CASCADE,
    position   int NOT NULL CHECK (position > 0),
    name       text NOT NULL,
    media_type text NOT NULL,
    size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
    crc32      bigint NOT NULL,
    sha256     bytea NOT NULL CHECK (octet_length(sha256) = 32)
);

CREATE UNIQUE INDEX piece_name ON comgov.piece (dossier_id, lower(name));
CREATE INDEX piece_blob ON comgov.piece (sha256);
CREATE UNIQUE INDEX piece_position ON comgov.piece (dossier_id, position);

-- A sealed dossier on its way to, or at, one recipient: what both sides read. evidence: the digest of the last one,
-- empty before the first. What is listed stands beside the bordereau that says it.
CREATE TABLE comgov.delivery (
    message_id      uuid NOT NULL,
    recipient_id    bigint NOT NULL REFERENCES comgov.institution,
    sender_id       bigint REFERENCES comgov.institution,
    sender_code     text NOT NULL,
    sender_name     text NOT NULL,
    number          text NOT NULL,
    state           text NOT NULL,
    designation     text NOT NULL,
    classification  text NOT NULL,
    priority        text NOT NULL,
    deadline        date,
    manifest        bytea NOT NULL CHECK (octet_length(manifest) = 32),
    bordereau       bytea NOT NULL,
    evidence        bytea NOT NULL DEFAULT '' CHECK (octet_length(evidence) IN (0, 32)),
    sealed_at       timestamptz NOT NULL,
    container       bytea NOT NULL DEFAULT '',
    container_bytes bigint NOT NULL DEFAULT 0,
    received_at     timestamptz,
    warned_at       timestamptz,
    arrival         text NOT NULL DEFAULT '',
    PRIMARY KEY (message_id, recipient_id)
);

CREATE INDEX delivery_on_the_way ON comgov.delivery (sealed_at) WHERE state IN ('sealed', 'transmitted');
CREATE INDEX delivery_arrivals ON comgov.delivery (recipient_id, received_at DESC, message_id DESC)
    WHERE received_at IS NOT NULL;
CREATE INDEX delivery_to_register ON comgov.delivery (recipient_id) WHERE state IN ('received', 'opened');
CREATE INDEX delivery_container ON comgov.delivery (container) WHERE container <> '';

-- A container that somebody brought by other means: what was found. Same bytes again: the same row, the same evidence,
-- unless the question was left open.
CREATE TABLE comgov.presentation (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    institution_id  bigint NOT NULL REFERENCES comgov.institution,
    container       bytea NOT NULL CHECK (octet_length(container) = 32),
    container_bytes bigint NOT NULL,
    name            text NOT NULL,
    presented_by    text NOT NULL,
    presented_at    timestamptz NOT NULL,
    outcome         text NOT NULL,
    report          jsonb NOT NULL,
    message_id      uuid
);

CREATE UNIQUE INDEX presentation_container ON comgov.presentation (institution_id, container)
    WHERE outcome <> 'undecided';

CREATE INDEX presentation_blob ON comgov.presentation (container);

-- Receipts, in chains: each names the digest of the one before. recipient_id is null for SEALED, which speaks of all
-- recipients; presentation_id is set when the receipt refuses a container that was presented.
CREATE TABLE comgov.evidence (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id      uuid,
    recipient_id    bigint REFERENCES comgov.institution,
    presentation_id bigint REFERENCES comgov.presentation,
    kind            text NOT NULL,
    institution_id  bigint NOT NULL REFERENCES comgov.institution,
    digest          bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
    body            bytea NOT NULL,
    signature       bytea NOT NULL,
    index           bigint NOT NULL,
    at              timestamptz NOT NULL,
    UNIQUE NULLS NOT DISTINCT (message_id, recipient_id, presentation_id, kind),
    UNIQUE (institution_id, index)
);

-- One end for each message at each recipient.
CREATE UNIQUE INDEX evidence_terminal ON comgov.evidence (message_id, recipient_id)
    WHERE presentation_id IS NULL
      AND kind IN ('SubmissionRejection', 'ContentConsignmentFailure', 'REGISTERED');

CREATE FUNCTION comgov.evidence_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'evidence is never changed' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER evidence_rows BEFORE UPDATE OR DELETE ON comgov.evidence
    FOR EACH ROW EXECUTE FUNCTION comgov.evidence_is_kept();
