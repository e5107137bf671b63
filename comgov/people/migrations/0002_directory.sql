-- What a name or an address is found by: small letters without accents, cut into words.
CREATE FUNCTION comgov.plain(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN lower(regexp_replace(normalize($1, NFKD), '[\u0300-\u036f]', '', 'g'));

CREATE FUNCTION comgov.words(text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN array_remove(regexp_split_to_array(comgov.plain($1), '[][\s!-/:-@\\^_`{-~’«»]+'), '');

-- Everything that has a word beginning like each word of the text; NULL for a text without any. No word holds what
-- would need an escape.
CREATE FUNCTION comgov.beginnings(text) RETURNS tsquery LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (SELECT string_agg('''' || word || ''':*', ' & ')::tsquery FROM unnest(comgov.words($1)) AS word);

ALTER TABLE comgov.account ADD words tsvector NOT NULL
    GENERATED ALWAYS AS (array_to_tsvector(comgov.words(name || ' ' || address))) STORED;

-- People change seldom and are looked up often: entries go straight into the index.
CREATE INDEX account_words ON comgov.account USING gin (words) WITH (fastupdate = off);
CREATE INDEX account_listed ON comgov.account (institution_id, (kind = 'person'), (comgov.plain(name)) COLLATE "C", id)
    WHERE disabled_at IS NULL;
