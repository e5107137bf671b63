-- One append-only Merkle log for each institution. `size` and `peaks` are all that appending reads: the roots of the
-- largest complete subtrees, 32 bytes each. The row's lock is what makes indexes and numbers gapless.
CREATE TABLE comgov.register (
    institution_id bigint PRIMARY KEY REFERENCES comgov.institution,
    origin         text NOT NULL UNIQUE,
    size           bigint NOT NULL DEFAULT 0 CHECK (size >= 0),
    peaks          bytea NOT NULL DEFAULT '',
    CHECK (octet_length(peaks) = 32 * bit_count(size::bit(64)))
);

-- body: the bytes that are hashed. hashes: the nodes of the tree that this entry completed, level 0 first; the node
-- (level, i) stands in entry ((i + 1) << level) - 1, so that any proof reads O(log n) rows by their key.
-- direction, year, number: its place in the register of departures (D) or arrivals (A), if it has one.
CREATE TABLE comgov.register_entry (
    institution_id bigint NOT NULL REFERENCES comgov.register,
    index          bigint NOT NULL CHECK (index >= 0),
    at             timestamptz NOT NULL,
    body           bytea NOT NULL,
    hashes         bytea NOT NULL CHECK (octet_length(hashes) % 32 = 0),
    direction      text CHECK (direction IN ('D', 'A')),
    year           smallint,
    number         int CHECK (number > 0),
    PRIMARY KEY (institution_id, index),
    CHECK (num_nonnulls(direction, year, number) IN (0, 3))
);

CREATE UNIQUE INDEX register_entry_number ON comgov.register_entry (institution_id, direction, year, number)
    WHERE number IS NOT NULL;

-- Every certificate that signed or cosigned a checkpoint, with its authority's (DER): keys change, checkpoints stay.
CREATE TABLE comgov.register_key (
    institution_id bigint NOT NULL REFERENCES comgov.register,
    certificate    bytea NOT NULL,
    authority      bytea NOT NULL,
    PRIMARY KEY (institution_id, certificate)
);

-- What the institution signed about its register. line: key id and signature, as checkpoint.py writes them.
CREATE TABLE comgov.checkpoint (
    institution_id bigint NOT NULL REFERENCES comgov.register,
    size           bigint NOT NULL CHECK (size > 0),
    root           bytea NOT NULL CHECK (octet_length(root) = 32),
    line           bytea NOT NULL,
    at             timestamptz NOT NULL,
    PRIMARY KEY (institution_id, size)
);

-- What a witness signed about the register of another institution.
CREATE TABLE comgov.cosignature (
    institution_id bigint NOT NULL,
    size           bigint NOT NULL,
    witness_id     bigint NOT NULL REFERENCES comgov.register,
    line           bytea NOT NULL,
    PRIMARY KEY (institution_id, size, witness_id),
    FOREIGN KEY (institution_id, size) REFERENCES comgov.checkpoint,
    CHECK (witness_id <> institution_id)
);

-- The largest tree that a witness has seen of a register: what it demands consistency with.
CREATE TABLE comgov.witnessed (
    witness_id     bigint NOT NULL REFERENCES comgov.register,
    institution_id bigint NOT NULL REFERENCES comgov.register,
    size           bigint NOT NULL CHECK (size > 0),
    root           bytea NOT NULL CHECK (octet_length(root) = 32),
    PRIMARY KEY (witness_id, institution_id)
);

CREATE FUNCTION comgov.register_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a register is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER register_entry_rows BEFORE UPDATE OR DELETE ON comgov.register_entry
    FOR EACH ROW EXECUTE FUNCTION comgov.register_is_append_only();
CREATE TRIGGER register_entry_table BEFORE TRUNCATE ON comgov.register_entry
    FOR EACH STATEMENT EXECUTE FUNCTION comgov.register_is_append_only();
CREATE TRIGGER checkpoint_rows BEFORE UPDATE OR DELETE ON comgov.checkpoint
    FOR EACH ROW EXECUTE FUNCTION comgov.register_is_append_only();
