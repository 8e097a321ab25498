-- Title:  Full-text search on titles, after the load and outside its clock.
-- Reads:  project.items, pg_available_extensions.
-- Writes: indexes items_designation_words and, where pg_trgm is to be had, items_designation_trgm.
-- Re-run: safe; existing indexes are kept.

SET client_min_messages = warning;

-- A tsvector holds at most 1 MB: only the beginning of a monstrous title is searched.
CREATE INDEX IF NOT EXISTS items_designation_words ON project.items
USING gin (to_tsvector('simple', left(designation, 50000)));
COMMENT ON INDEX project.items_designation_words IS
'For WHERE to_tsvector(''simple'', left(designation, 50000)) @@ plainto_tsquery(''simple'', ...).';

DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm') THEN
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
        CREATE INDEX IF NOT EXISTS items_designation_trgm ON project.items
        USING gin (designation gin_trgm_ops);
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'pg_trgm may not be created here: no index for similar titles';
END $$;
