-- Title:  Corrections that the service wrote to a file while no database answered.
-- Reads:  project.staging_lines: those of feedback.jsonl, checked by etl/feedback.py.
-- Writes: project.feedback.
-- Re-run: safe; a line that was loaded before is known by its hash.

INSERT INTO project.feedback (
    productid,
    designation_hash,
    prdtypecode,
    predicted_code,
    author,
    comment,
    created_at,
    content_hash
)
SELECT
    entry.productid,
    entry.designation_hash,
    entry.prdtypecode,
    entry.predicted_code,
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
        prdtypecode BIGINT,
        predicted_code BIGINT,
        author TEXT,
        comment TEXT,
        created_at TIMESTAMPTZ
    )
WHERE staged.file = 'feedback.jsonl'
ORDER BY entry.created_at
ON CONFLICT (content_hash) DO NOTHING;
