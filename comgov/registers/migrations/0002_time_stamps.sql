-- The time-stamp over a checkpoint as it was signed and cosigned, by the authority of another institution (RFC 3161
-- token, DER). It closes the checkpoint: nobody cosigns it any more, so that the token is over all of its lines.
CREATE TABLE comgov.checkpoint_time_stamp (
    institution_id bigint NOT NULL,
    size           bigint NOT NULL,
    stamper_id     bigint NOT NULL REFERENCES comgov.institution,
    token          bytea NOT NULL,
    PRIMARY KEY (institution_id, size),
    FOREIGN KEY (institution_id, size) REFERENCES comgov.checkpoint,
    CHECK (stamper_id <> institution_id)
);

CREATE TRIGGER checkpoint_time_stamp_rows BEFORE UPDATE OR DELETE ON comgov.checkpoint_time_stamp
    FOR EACH ROW EXECUTE FUNCTION comgov.register_is_append_only();
