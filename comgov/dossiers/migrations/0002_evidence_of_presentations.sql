-- The receipt that refuses a presented container, of which there are few among many.
CREATE INDEX evidence_presentation ON comgov.evidence (presentation_id) WHERE presentation_id IS NOT NULL;
