-- Who did what to which thing, and from where. Written once, then linked once into the chain (number, digest), by
-- `journal.link`; never changed, never deleted.
CREATE TABLE comgov.journal (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at             timestamptz NOT NULL DEFAULT now(),
    actor_id       bigint NOT NULL,
    actor          text NOT NULL,
    institution_id bigint NOT NULL,
    ip             text NOT NULL,
    verb           text NOT NULL,
    kind           text NOT NULL,
    thing          text NOT NULL,
    details        jsonb NOT NULL,
    number         bigint UNIQUE,
    digest         bytea CHECK (octet_length(digest) = 32),
    CHECK ((number IS NULL) = (digest IS NULL))
);

CREATE INDEX journal_waiting ON comgov.journal (id) WHERE number IS NULL;
CREATE INDEX journal_thing ON comgov.journal (kind, thing, id);
CREATE INDEX journal_institution ON comgov.journal (institution_id, id);

CREATE FUNCTION comgov.journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.number IS NULL AND NEW.number IS NOT NULL
       AND to_jsonb(OLD) - '{number,digest}'::text[] = to_jsonb(NEW) - '{number,digest}'::text[] THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the journal is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER journal_rows BEFORE UPDATE OR DELETE ON comgov.journal
    FOR EACH ROW EXECUTE FUNCTION comgov.journal_is_append_only();
CREATE TRIGGER journal_table BEFORE TRUNCATE ON comgov.journal
    FOR EACH STATEMENT EXECUTE FUNCTION comgov.journal_is_append_only();
