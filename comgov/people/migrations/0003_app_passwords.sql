-- A password for one device's mail program and nothing else: made here, shown once, of which only the digest is kept.
-- A revoked one stays for a day, so that the form that made it cannot make it again.
CREATE TABLE comgov.app_password (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_id   bigint NOT NULL REFERENCES comgov.person,
    name        text NOT NULL,
    sha256      bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32),
    created_at  timestamptz NOT NULL,
    revoked_at  timestamptz,
    used_at     timestamptz,
    used_ip     text NOT NULL DEFAULT '',
    used_for    text NOT NULL DEFAULT ''
);
COMMENT ON COLUMN comgov.app_password.name IS 'Of the device, as its owner calls it.';
COMMENT ON COLUMN comgov.app_password.used_at IS 'Last use, to the hour; used_ip and used_for (IMAP, SMTP) are of that use.';

CREATE INDEX app_password_person ON comgov.app_password (person_id);
CREATE INDEX app_password_revoked ON comgov.app_password (revoked_at) WHERE revoked_at IS NOT NULL;
