-- Title:  Corrections that the service wrote to a file while no database answered.
-- Reads:  project.staging_lines: those of feedback.jsonl, checked by etl/feedback.py.
-- Writes: project.feedback_items, feedback.
-- Re-run: safe; a line that was loaded before is known by its hash.

CREATE TEMP TABLE corrections ON COMMIT DROP AS
SELECT
    entry.*,
    -- The word keeps the hashes of lines that earlier versions loaded.
    encode(sha256(convert_to('feedback ' || staged.line, 'UTF8')), 'hex') AS content_hash
FROM project.staging_lines AS staged
CROSS JOIN
    jsonb_to_record(staged.line::JSONB) AS entry (
        productid BIGINT,
        designation_hash TEXT,
        item_hash TEXT,
        designation TEXT,
        description TEXT,
        image_sha256 TEXT,
        prdtypecode BIGINT,
        predicted_code BIGINT,
        probability DOUBLE PRECISION,
        run_id TEXT,
        source TEXT,
        author TEXT,
        comment TEXT,
        created_at TIMESTAMPTZ
    )
WHERE staged.file = 'feedback.jsonl';

INSERT INTO project.feedback_items (
    item_hash, designation, description, image_sha256, created_at
)
SELECT
    item_hash,
    coalesce(designation, ''),
    coalesce(description, ''),
    coalesce(image_sha256, ''),
    created_at
FROM corrections
WHERE item_hash IS NOT NULL
ORDER BY created_at
ON CONFLICT (item_hash) DO NOTHING;

INSERT INTO project.feedback (
    productid,
    designation_hash,
    item_hash,
    prdtypecode,
    predicted_code,
    probability,
    run_id,
    source,
    author,
    comment,
    created_at,
    content_hash
)
SELECT
    productid,
    designation_hash,
    item_hash,
    prdtypecode,
    predicted_code,
    probability,
    coalesce(run_id, ''),
    coalesce(source, ''),
    author,
    comment,
    created_at,
    content_hash
FROM corrections
ORDER BY created_at
ON CONFLICT (content_hash) DO NOTHING;
