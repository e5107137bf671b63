-- How the key that encrypts all private keys follows from the passphrase; one row.
CREATE TABLE comgov.keyring (
    is_only   boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    salt      bytea NOT NULL CHECK (octet_length(salt) = 16),
    cost      int NOT NULL,
    proof     bytea NOT NULL,
    made_at   timestamptz NOT NULL
);

-- Every certificate ever issued. Without an institution it is the platform's own; without an issuer it is the root.
CREATE TABLE comgov.certificate (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    institution_id bigint REFERENCES comgov.institution,
    purpose        text NOT NULL,
    name           text NOT NULL,
    serial_number  text NOT NULL UNIQUE CHECK (serial_number ~ '^[0-9a-f]{1,40}$'),
    issuer_id      bigint REFERENCES comgov.certificate,
    der            bytea NOT NULL,
    key            bytea,
    not_before     timestamptz NOT NULL,
    not_after      timestamptz NOT NULL,
    revoked_at     timestamptz,
    reason         text,
    CHECK ((revoked_at IS NULL) = (reason IS NULL)),
    CHECK ((issuer_id IS NULL) = (purpose = 'root'))
);

CREATE UNIQUE INDEX certificate_one_root ON comgov.certificate (purpose) WHERE purpose = 'root';
CREATE INDEX certificate_current ON comgov.certificate (coalesce(institution_id, 0), purpose, not_before DESC);
CREATE INDEX certificate_revoked ON comgov.certificate (issuer_id) WHERE revoked_at IS NOT NULL;

-- Every revocation list ever signed; the last one of each issuer is in force.
CREATE TABLE comgov.crl (
    issuer_id   bigint NOT NULL REFERENCES comgov.certificate,
    number      bigint NOT NULL CHECK (number > 0),
    der         bytea NOT NULL,
    this_update timestamptz NOT NULL,
    PRIMARY KEY (issuer_id, number)
);
