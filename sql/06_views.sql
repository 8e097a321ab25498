-- Title:  Views for people: classes, snapshots, checks and models.
-- Reads:  project.items, datasets, models.
-- Writes: views class_distribution, dataset_inventory, latest_checks, latest_models.
-- Re-run: safe; views are replaced by themselves.

CREATE OR REPLACE VIEW project.class_distribution AS
SELECT
    prdtypecode,
    count(*) AS products,
    count(*)::DOUBLE PRECISION / sum(count(*)) OVER () AS share
FROM project.items
GROUP BY prdtypecode
ORDER BY products DESC, prdtypecode ASC;
COMMENT ON VIEW project.class_distribution IS 'Products a category, most frequent first.';
COMMENT ON COLUMN project.class_distribution.prdtypecode IS 'Category code.';
COMMENT ON COLUMN project.class_distribution.products IS 'Products of the category.';
COMMENT ON COLUMN project.class_distribution.share IS 'Their share of all products.';

CREATE OR REPLACE VIEW project.dataset_inventory AS
SELECT
    dataset_id,
    data_hash,
    source,
    rows,
    created_at,
    loaded_at,
    loaded_at = max(loaded_at) OVER () AS is_current
FROM project.datasets
ORDER BY dataset_id;
COMMENT ON VIEW project.dataset_inventory IS 'Every snapshot and which one is in force.';
COMMENT ON COLUMN project.dataset_inventory.dataset_id IS 'Number of the snapshot.';
COMMENT ON COLUMN project.dataset_inventory.data_hash IS 'Combined SHA256 of the three files.';
COMMENT ON COLUMN project.dataset_inventory.source IS 'official or demo.';
COMMENT ON COLUMN project.dataset_inventory.rows IS 'Training products.';
COMMENT ON COLUMN project.dataset_inventory.created_at IS 'When snapshot.json was made.';
COMMENT ON COLUMN project.dataset_inventory.loaded_at IS 'When it came into force.';
COMMENT ON COLUMN project.dataset_inventory.is_current IS 'Whether project.items holds it now.';

CREATE OR REPLACE VIEW project.latest_checks AS
SELECT
    listed.result ->> 'check' AS "check",
    listed.result ->> 'expected' AS expected,
    listed.result ->> 'observed' AS observed,
    listed.result ->> 'status' AS status
FROM project.dataset_inventory AS inventory
INNER JOIN project.datasets AS datasets ON inventory.dataset_id = datasets.dataset_id
CROSS JOIN jsonb_array_elements(datasets.check_results) WITH ORDINALITY AS listed (result, place)
WHERE inventory.is_current
ORDER BY listed.place;
COMMENT ON VIEW project.latest_checks IS 'What sql/20_checks.sql found for the snapshot in force.';
COMMENT ON COLUMN project.latest_checks.check IS 'What was looked at.';
COMMENT ON COLUMN project.latest_checks.expected IS 'What it should be.';
COMMENT ON COLUMN project.latest_checks.observed IS 'What it is.';
COMMENT ON COLUMN project.latest_checks.status IS 'ok, warn, skip, or FAIL (which refuses the load).';

CREATE OR REPLACE VIEW project.latest_models AS
SELECT DISTINCT ON (models.kind, models.phase)
    models.model_id,
    models.run_id,
    models.kind,
    models.phase,
    datasets.data_hash,
    datasets.source,
    models.artifact,
    models.scores,
    models.created_at
FROM project.models AS models
INNER JOIN project.datasets AS datasets ON models.dataset_id = datasets.dataset_id
ORDER BY models.kind ASC, models.phase ASC, models.created_at DESC, models.model_id DESC;
COMMENT ON VIEW project.latest_models IS 'The newest model of each kind and phase.';
COMMENT ON COLUMN project.latest_models.model_id IS 'Number of the model.';
COMMENT ON COLUMN project.latest_models.run_id IS 'Training run.';
COMMENT ON COLUMN project.latest_models.kind IS 'model.name of the configuration.';
COMMENT ON COLUMN project.latest_models.phase IS 'holdout or final.';
COMMENT ON COLUMN project.latest_models.data_hash IS 'Snapshot it was trained on.';
COMMENT ON COLUMN project.latest_models.source IS 'official or demo.';
COMMENT ON COLUMN project.latest_models.artifact IS 'File name under artifacts/.';
COMMENT ON COLUMN project.latest_models.scores IS 'Score name to value.';
COMMENT ON COLUMN project.latest_models.created_at IS 'When it was trained.';
