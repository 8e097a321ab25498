-- Title:  The snapshot itself: its hash, its files, its classes.
-- Reads:  load_settings, project.items.
-- Writes: project.datasets.
-- Re-run: safe; the current snapshot is not written again.

INSERT INTO project.datasets AS known (
    dataset_id,
    data_hash,
    source,
    files,
    rows,
    schema_version,
    class_counts,
    created_at,
    loaded_at,
    workspace
)
SELECT
    settings.dataset_id,
    settings.snapshot ->> 'data_hash' AS data_hash,
    settings.snapshot ->> 'source' AS source,
    settings.snapshot -> 'files' AS files,
    (SELECT count(*) FROM project.items) AS rows,
    1 AS schema_version,
    (
        SELECT coalesce(jsonb_object_agg(distribution.prdtypecode, distribution.products), '{}')
        FROM project.class_distribution AS distribution
    ) AS class_counts,
    (settings.snapshot ->> 'created_at')::TIMESTAMPTZ AS created_at,
    now() AS loaded_at,
    settings.workspace
FROM load_settings AS settings
ON CONFLICT (data_hash) DO UPDATE SET
    source = excluded.source,
    rows = excluded.rows,
    class_counts = excluded.class_counts,
    loaded_at = excluded.loaded_at,
    workspace = excluded.workspace
WHERE known.loaded_at < (SELECT max(others.loaded_at) FROM project.datasets AS others)
OR known.source <> excluded.source
OR known.class_counts <> excluded.class_counts
OR known.workspace IS DISTINCT FROM excluded.workspace;
