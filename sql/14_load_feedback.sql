-- Title:  Corrections that the service wrote to a file while no database answered.
-- Reads:  project.staging_assets: the lines of etl/feedback.py.
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
    encode(sha256(convert_to(staged.line, 'UTF8')), 'hex') AS content_hash
FROM project.staging_assets AS staged
CROSS JOIN
    jsonb_to_record(substr(staged.line, length('feedback ') + 1)::JSONB) AS entry (
        productid BIGINT,
        designation_hash TEXT,
        prdtypecode BIGINT,
        predicted_code BIGINT,
        author TEXT,
        comment TEXT,
        created_at TIMESTAMPTZ
    )
WHERE staged.line LIKE 'feedback {%'
ORDER BY entry.created_at
ON CONFLICT (content_hash) DO NOTHING;
