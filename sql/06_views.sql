-- Title:  Views for people: classes, snapshots, checks, models and corrections.
-- Reads:  project.items, datasets, models, feedback.
-- Writes: views class_distribution, dataset_inventory, latest_checks, latest_models,
--         current_feedback.
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
COMMENT ON VIEW project.dataset_inventory IS 'Every snapshot and which one is current.';
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
COMMENT ON VIEW project.latest_checks IS 'What sql/20_checks.sql found for the current snapshot.';
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
    models.created_at,
    models.artifact_sha256,
    models.served
FROM project.models AS models
INNER JOIN project.datasets AS datasets ON models.dataset_id = datasets.dataset_id
ORDER BY models.kind ASC, models.phase ASC, models.created_at DESC, models.model_id DESC;
COMMENT ON VIEW project.latest_models IS 'The newest model of each kind and phase.';

CREATE OR REPLACE VIEW project.current_feedback AS
SELECT
    latest.feedback_id,
    latest.product,
    latest.productid,
    latest.item_hash,
    latest.designation_hash,
    latest.author,
    latest.prdtypecode,
    latest.predicted_code,
    latest.probability,
    latest.run_id,
    latest.source,
    latest.comment,
    latest.created_at
FROM (
    SELECT DISTINCT ON (product, author)
        feedback_id,
        product,
        productid,
        item_hash,
        designation_hash,
        author,
        prdtypecode,
        predicted_code,
        probability,
        run_id,
        source,
        comment,
        created_at
    FROM project.feedback
    ORDER BY product ASC, author ASC, created_at DESC, feedback_id DESC
) AS latest
WHERE latest.prdtypecode IS NOT NULL;
COMMENT ON VIEW project.current_feedback IS 'What each person says of each product now.';
