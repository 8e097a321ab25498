-- Title:  The schema "project" and the three functions that every load uses.
-- Reads:  nothing.
-- Writes: schema project, functions to_id, to_code, raw_row.
-- Re-run: safe; existing objects are kept or replaced by themselves.

-- Two loads at once would see each other's half: the second one waits for the first.
DO $$ BEGIN PERFORM pg_advisory_xact_lock(hashtext('project.load')); END $$;
SET LOCAL client_min_messages = warning;

CREATE SCHEMA IF NOT EXISTS project;
COMMENT ON SCHEMA project IS 'Everything of the product classification platform.';

CREATE OR REPLACE FUNCTION project.to_id(value TEXT) RETURNS BIGINT
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN value ~ '^[0-9]{1,18}$' THEN value::BIGINT END
$$;
COMMENT ON FUNCTION project.to_id(TEXT) IS 'A row index, productid or imageid; NULL when it is no number.';

CREATE OR REPLACE FUNCTION project.to_code(value TEXT) RETURNS BIGINT
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN value ~ '^-?[0-9]{1,18}$' THEN value::BIGINT END
$$;
COMMENT ON FUNCTION project.to_code(TEXT) IS 'A prdtypecode; NULL when it is no number.';

CREATE OR REPLACE FUNCTION project.raw_row(VARIADIC fields TEXT[]) RETURNS TEXT
LANGUAGE sql IMMUTABLE AS $$
    SELECT string_agg('"' || replace(coalesce(field, ''), '"', '""') || '"', ',' ORDER BY place)
    FROM unnest(fields) WITH ORDINALITY AS listed (field, place)
$$;
COMMENT ON FUNCTION project.raw_row(TEXT[]) IS 'Fields as one row of CSV, all quoted.';
