-- Attachments of large messages lie decoded in the object store, each once by its content, whoever sent it in whichever
-- message, if their base64 encodes again to the very bytes that came.

-- One array for each, in the order of their places: [the blob's key in hexadecimal, where its encoded lines begin in what
-- follows the header, its size decoded, characters in a line]. Lines end in CRLF, save the last one, which may be shorter.
-- All that is in none of them, joined, is in `inline` or under `blob_key`. NULL: none lies apart.
ALTER TABLE mail.body ADD COLUMN layout jsonb;
-- For the sweep of blobs, which asks by key.
CREATE INDEX body_layout ON mail.body USING gin (jsonb_path_query_array(layout, '$[*][0]')) WHERE layout IS NOT NULL;
