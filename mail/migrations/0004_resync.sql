-- The latest MODSEQ of an expunged message that was forgotten since: whoever knows the mailbox only up to an earlier one
-- cannot be told what is gone, and is told what is there instead (RFC 7162 §3.2.5.2).
ALTER TABLE mail.mailbox ADD COLUMN forgotten_modseq bigint NOT NULL DEFAULT 0;
