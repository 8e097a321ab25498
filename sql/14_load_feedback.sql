-- Title:  Corrections that the service wrote to a file while no database answered.
-- Reads:  project.staging_lines: those of feedback.jsonl, checked by etl/lines.py.
-- Writes: project.feedback_items, feedback.
-- Re-run: safe; a line that was loaded before is known by its hash.

INSERT INTO project.feedback_items (
    item_hash,
    designation,
    description,
    image_sha256,
    created_at
)
SELECT
    entry.item_hash,
    coalesce(entry.designation, '') AS designation,
    coalesce(entry.description, '') AS description,
    coalesce(entry.image_sha256, '') AS image_sha256,
    entry.created_at
FROM project.staging_lines AS staged
CROSS JOIN
    jsonb_to_record(staged.line::JSONB) AS entry (
        item_hash TEXT,
        designation TEXT,
        description TEXT,
        image_sha256 TEXT,
        created_at TIMESTAMPTZ
    )
WHERE staged.file = 'feedback.jsonl' AND entry.item_hash IS NOT NULL
ORDER BY entry.created_at
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
    entry.productid,
    entry.designation_hash,
    entry.item_hash,
    entry.prdtypecode,
    entry.predicted_code,
    entry.probability,
    coalesce(entry.run_id, '') AS run_id,
    coalesce(entry.source, '') AS source,
    entry.author,
    entry.comment,
    entry.created_at,
    -- The word keeps the hashes of lines that earlier versions loaded.
    encode(sha256(convert_to('feedback ' || staged.line, 'UTF8')), 'hex') AS content_hash
FROM project.staging_lines AS staged
CROSS JOIN
    jsonb_to_record(staged.line::JSONB) AS entry (
        productid BIGINT,
        designation_hash TEXT,
        item_hash TEXT,
        prdtypecode BIGINT,
        predicted_code BIGINT,
        probability DOUBLE PRECISION,
        run_id TEXT,
        source TEXT,
        author TEXT,
        comment TEXT,
        created_at TIMESTAMPTZ
    )
WHERE staged.file = 'feedback.jsonl'
ORDER BY entry.created_at
ON CONFLICT (content_hash) DO NOTHING;
