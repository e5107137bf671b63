-- What IMAP needs to know of a message besides its leaves: where every part of it lies.

-- By part number (RFC 9051, section-part): [where its own header begins, where its body begins, where it ends, and of a
-- message within where the text after its header begins, else 0]. Offsets count from the first byte of `header`.
-- NULL: a message of one part; of one accepted before this column was there it is found anew when asked.
ALTER TABLE mail.body ADD COLUMN sections jsonb;

-- The first UID that no session was told of as \Recent (RFC 3501 §2.3.2).
ALTER TABLE mail.mailbox ADD COLUMN recent_uid bigint NOT NULL DEFAULT 1;
