-- Title:  The image manifest to project.assets.
-- Reads:  project.staging_lines: those of images_manifest.json.
-- Writes: project.assets.
-- Re-run: safe; only entries that differ are written, those of vanished files are deleted.

CREATE TEMPORARY TABLE wanted_assets ON COMMIT DROP AS
SELECT
    entry.path,
    entry.part,
    entry.imageid,
    entry.productid,
    entry.bytes,
    entry.sha256,
    entry.width,
    entry.height,
    entry.fingerprint,
    entry.same_as,
    entry.fault
FROM project.staging_lines AS staged
CROSS JOIN
    jsonb_to_record(rtrim(staged.line, ',')::JSONB) AS entry (
        path TEXT,
        part TEXT,
        imageid BIGINT,
        productid BIGINT,
        bytes BIGINT,
        sha256 TEXT,
        width INTEGER,
        height INTEGER,
        fingerprint TEXT,
        same_as TEXT,
        fault TEXT
    )
WHERE staged.file = 'images_manifest.json' AND staged.line LIKE '{%';

DELETE FROM project.assets AS current
WHERE NOT EXISTS (
    SELECT 1 FROM wanted_assets AS wanted
    WHERE wanted.path = current.path
);

INSERT INTO project.assets AS current (
    path,
    part,
    imageid,
    productid,
    bytes,
    sha256,
    width,
    height,
    fingerprint,
    same_as,
    fault
)
SELECT
    path,
    part,
    imageid,
    productid,
    bytes,
    sha256,
    width,
    height,
    fingerprint,
    same_as,
    fault
FROM (
    SELECT wanted.* FROM wanted_assets AS wanted
    EXCEPT
    SELECT present.* FROM project.assets AS present
) AS differing
ON CONFLICT (path) DO UPDATE SET
    part = excluded.part,
    imageid = excluded.imageid,
    productid = excluded.productid,
    bytes = excluded.bytes,
    sha256 = excluded.sha256,
    width = excluded.width,
    height = excluded.height,
    fingerprint = excluded.fingerprint,
    same_as = excluded.same_as,
    fault = excluded.fault;
