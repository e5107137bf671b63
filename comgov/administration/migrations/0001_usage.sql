-- Dossiers of a period are counted in the registers by walking this index alone.
CREATE INDEX register_entry_at ON comgov.register_entry (at) INCLUDE (institution_id, direction)
    WHERE direction IS NOT NULL;
