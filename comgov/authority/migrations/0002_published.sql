-- Counts revocation lists as they come into force, so that a process knows whether those it holds are still the last.
ALTER TABLE comgov.keyring ADD COLUMN published bigint NOT NULL DEFAULT 0;
