-- What messages are sorted and threaded by (RFC 5256), and what SEARCH looks for in them.

-- Keys to compare, case and accents aside. lineage: digests of Message-IDs, 8 bytes each, from the first message of the
-- thread down to this one; its first is the THREADID (RFC 8474). sent_on: the day as Date writes it, whatever its zone.
-- NULL: accepted before these columns were there, and waiting in `unindexed`.
ALTER TABLE mail.body
    ADD COLUMN sort_subject  text,
    ADD COLUMN is_reply      boolean,
    ADD COLUMN sort_from     text,
    ADD COLUMN sort_to       text,
    ADD COLUMN sort_cc       text,
    ADD COLUMN from_name     text,
    ADD COLUMN to_name       text,
    ADD COLUMN lineage       bytea,
    ADD COLUMN sent_on       date;
CREATE INDEX body_without_order ON mail.body (id) WHERE lineage IS NULL;

-- All folded: without case and accents, blanks made one space.
-- header: a line `name: value` for each field, decoded; lines that begin with a space are of the parts within.
-- terms: the distinct words of `body`, those aside that others begin with; it answers most questions without `body`.
-- body: the texts of all parts, and the headers of messages within.
ALTER TABLE mail.words
    ADD COLUMN header  text NOT NULL DEFAULT '',
    ADD COLUMN terms   text NOT NULL DEFAULT '',
    ADD COLUMN body    text NOT NULL DEFAULT '';
-- header and terms stay in the row, up to a page's half, where a walk through a mailbox reads them at once.
ALTER TABLE mail.words
    ALTER COLUMN header SET STORAGE MAIN,
    ALTER COLUMN terms SET STORAGE MAIN,
    SET (toast_tuple_target = 4096);

-- Everything there is gets its words anew.
INSERT INTO mail.unindexed (body_id) SELECT body_id FROM mail.words ON CONFLICT DO NOTHING;
DELETE FROM mail.words;
