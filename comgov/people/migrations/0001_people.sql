-- An account owns a mailbox. People and posts are accounts, numbered by one sequence, so that whatever belongs to an
-- account never asks which of the two it is.
CREATE TABLE comgov.account (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind           text NOT NULL CHECK (kind IN ('person', 'post')),
    institution_id bigint NOT NULL REFERENCES comgov.institution,
    address        text NOT NULL UNIQUE,
    name           text NOT NULL,
    quota_bytes    bigint NOT NULL CHECK (quota_bytes >= 0),
    disabled_at    timestamptz,
    created_at     timestamptz NOT NULL,
    UNIQUE (id, kind)
);

CREATE INDEX account_institution ON comgov.account (institution_id, kind, address);

CREATE TABLE comgov.person (
    id            bigint PRIMARY KEY,
    kind          text NOT NULL DEFAULT 'person' CHECK (kind = 'person'),
    password_hash text,
    language      text NOT NULL,
    roles         text[] NOT NULL,
    FOREIGN KEY (id, kind) REFERENCES comgov.account (id, kind)
);

CREATE TABLE comgov.post (
    id   bigint PRIMARY KEY,
    kind text NOT NULL DEFAULT 'post' CHECK (kind = 'post'),
    FOREIGN KEY (id, kind) REFERENCES comgov.account (id, kind)
);

-- Who held which post, from when, until when (NULL: still), and what it let them do. Kept for ever.
CREATE TABLE comgov.holding (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    post_id    bigint NOT NULL REFERENCES comgov.post,
    person_id  bigint NOT NULL REFERENCES comgov.person,
    rights     text NOT NULL CHECK (rights IN ('viewer', 'editor', 'sender', 'manager')),
    held_from  timestamptz NOT NULL,
    held_until timestamptz,
    CHECK (held_until > held_from)
);

CREATE INDEX holding_post ON comgov.holding (post_id, held_from);
CREATE INDEX holding_person ON comgov.holding (person_id);

CREATE TABLE comgov.mailing_list (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    institution_id bigint NOT NULL REFERENCES comgov.institution,
    address        text NOT NULL UNIQUE,
    name           text NOT NULL,
    posting        text NOT NULL CHECK (posting IN ('members', 'institution', 'anyone')),
    owner_id       bigint NOT NULL REFERENCES comgov.account,
    disabled_at    timestamptz,
    created_at     timestamptz NOT NULL
);

CREATE INDEX mailing_list_institution ON comgov.mailing_list (institution_id, address);

CREATE TABLE comgov.list_member (
    list_id    bigint NOT NULL REFERENCES comgov.mailing_list,
    account_id bigint NOT NULL REFERENCES comgov.account,
    PRIMARY KEY (list_id, account_id)
);

CREATE INDEX list_member_account ON comgov.list_member (account_id);

-- Every address of every institution, in lower case: one index answers what an address leads to, and no two things
-- share one.
CREATE TABLE comgov.address (
    address    text PRIMARY KEY CHECK (address = lower(address)),
    account_id bigint UNIQUE REFERENCES comgov.account,
    list_id    bigint UNIQUE REFERENCES comgov.mailing_list,
    CHECK (num_nonnulls(account_id, list_id) = 1)
);

-- Who is signed in. The token itself is never kept: token_sha256 is its digest.
CREATE TABLE comgov.session (
    token_sha256 bytea PRIMARY KEY CHECK (octet_length(token_sha256) = 32),
    id           bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    person_id    bigint NOT NULL REFERENCES comgov.person,
    created_at   timestamptz NOT NULL,
    seen_at      timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    ip           text NOT NULL,
    agent        text NOT NULL
);

CREATE INDEX session_person ON comgov.session (person_id);
CREATE INDEX session_expiry ON comgov.session (expires_at);

-- Failed sign-ins that still count, one bucket per key (an address, a client, both together). The level leaks with
-- time. Unlogged: a crash of the server forgives, and a busy attack costs no log.
CREATE UNLOGGED TABLE comgov.sign_in_failures (
    key     bytea PRIMARY KEY,
    level   double precision NOT NULL,
    at      timestamptz NOT NULL
);

CREATE INDEX sign_in_failures_at ON comgov.sign_in_failures (at);
