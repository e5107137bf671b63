-- The State, its ministries, their services: a tree of institutions, each with a mail domain of its own.
CREATE TABLE comgov.institution (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code        text NOT NULL UNIQUE CHECK (code ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    domain      text NOT NULL UNIQUE CHECK (domain = lower(domain)),
    name_fr     text NOT NULL,
    name_en     text NOT NULL,
    kind        text NOT NULL,
    province    text NOT NULL,
    parent_id   bigint REFERENCES comgov.institution,
    state       text NOT NULL,
    quota_bytes bigint NOT NULL CHECK (quota_bytes >= 0),
    created_at  timestamptz NOT NULL DEFAULT now(),
    CHECK (parent_id <> id)
);

CREATE INDEX institution_parent ON comgov.institution (parent_id);
