-- Title:  One table of checks; any failure refuses the whole load.
-- Reads:  project.staging_*, items, test_items, assets, datasets, checked_*, load_settings.
-- Writes: project.datasets.check_results; empties staging.
-- Re-run: safe; results are written only where they differ.

-- Numbers that several checks share, in one row. A training row is rejected for its own fault or
-- for that of its partner in the other file.
CREATE TEMPORARY TABLE counted ON COMMIT DROP AS
SELECT
    (SELECT count(*) FROM project.staging_x_train) AS x_train,
    (SELECT count(*) FROM project.staging_y_train) AS y_train,
    (SELECT count(*) FROM project.staging_x_test) AS x_test,
    (SELECT count(*) FROM project.items) AS items,
    (SELECT count(*) FROM project.test_items) AS test_items,
    (SELECT count(*) FROM project.assets) AS assets,
    (
        SELECT count(*) FROM checked_products AS product
        WHERE
            product.file = 'X_train_update.csv'
            AND (
                product.fault <> ''
                OR EXISTS (
                    SELECT 1 FROM checked_labels AS label
                    WHERE label.row_index = product.row_index AND label.fault <> ''
                )
            )
    ) AS rejected_products,
    (
        SELECT count(*) FROM checked_labels AS label
        WHERE
            label.fault <> ''
            OR EXISTS (
                SELECT 1 FROM checked_products AS product
                WHERE
                    product.file = 'X_train_update.csv'
                    AND product.row_index = label.row_index
                    AND product.fault <> ''
            )
    ) AS rejected_labels;

-- Rows without a partner in the other file, less those that a faulty row index there explains.
CREATE TEMPORARY TABLE unmatched ON COMMIT DROP AS
WITH training_rows AS (
    SELECT
        'X' AS file,
        fault
    FROM checked_products
    WHERE file = 'X_train_update.csv'
    UNION ALL
    SELECT
        'Y' AS file,
        fault
    FROM checked_labels
)

SELECT
    greatest(
        count(*) FILTER (WHERE file = 'X' AND fault LIKE '%no row in %')
        - count(*) FILTER (WHERE file = 'Y' AND fault LIKE '%row index is%'),
        0
    ) AS products,
    greatest(
        count(*) FILTER (WHERE file = 'Y' AND fault LIKE '%no row in %')
        - count(*) FILTER (WHERE file = 'X' AND fault LIKE '%row index is%'),
        0
    ) AS labels
FROM training_rows;

-- The share of products that changed their class since the last other snapshot of this source:
-- half the sum of absolute differences.
CREATE TEMPORARY TABLE shares ON COMMIT DROP AS
WITH previous AS (
    SELECT
        datasets.class_counts,
        datasets.rows
    FROM project.datasets
    INNER JOIN load_settings AS settings
        ON
            datasets.dataset_id <> settings.dataset_id
            AND datasets.source = settings.snapshot ->> 'source'
    ORDER BY datasets.loaded_at DESC
    LIMIT 1
)

SELECT
    coalesce(max(previous.rows), 0) AS previous_rows,
    coalesce(
        0.5 * sum(
            abs(
                coalesce(then_counted.value::DOUBLE PRECISION / nullif(previous.rows, 0), 0)
                - coalesce(distribution.share, 0)
            )
        ),
        0
    ) AS moved
FROM previous
CROSS JOIN jsonb_each_text(previous.class_counts) AS then_counted
FULL JOIN project.class_distribution AS distribution
    ON then_counted.key = distribution.prdtypecode::TEXT;

-- One check a SELECT: what is expected beside what was observed.
CREATE TEMPORARY TABLE load_checks ON COMMIT DROP AS
WITH snapshot AS (
    SELECT
        concat_ws(
            ', ',
            snapshot #>> '{files,X_train_update.csv,rows}',
            snapshot #>> '{files,Y_train_CVw08PX.csv,rows}',
            snapshot #>> '{files,X_test_update.csv,rows}'
        ) AS rows
    FROM load_settings
),

staged AS (
    SELECT concat_ws(', ', x_train, y_train, x_test) AS rows
    FROM counted
),

allowed AS (
    SELECT floor(settings.max_reject_rate * counted.x_train) AS rejects
    FROM counted
    CROSS JOIN load_settings AS settings
),

with_image AS (
    SELECT count(*) AS items
    FROM project.items
    WHERE EXISTS (
        SELECT 1 FROM project.assets
        WHERE
            assets.productid = items.productid
            AND assets.imageid = items.imageid
            AND assets.part = 'train'
    )
)

SELECT
    1 AS place,
    'rows read, as counted in snapshot.json' AS title,
    snapshot.rows AS expected,
    staged.rows AS observed,
    CASE WHEN snapshot.rows = staged.rows THEN 'ok' ELSE 'FAIL' END AS status
FROM snapshot
CROSS JOIN staged

UNION ALL

SELECT
    2 AS place,
    'X_train rows = typed + rejected' AS title,
    x_train::TEXT AS expected,
    format('%s + %s', items, rejected_products) AS observed,
    CASE WHEN x_train = items + rejected_products THEN 'ok' ELSE 'FAIL' END AS status
FROM counted

UNION ALL

SELECT
    3 AS place,
    'Y_train rows = typed + rejected' AS title,
    y_train::TEXT AS expected,
    format('%s + %s', items, rejected_labels) AS observed,
    CASE WHEN y_train = items + rejected_labels THEN 'ok' ELSE 'FAIL' END AS status
FROM counted

UNION ALL

SELECT
    4 AS place,
    'X_test rows = typed' AS title,
    x_test::TEXT AS expected,
    test_items::TEXT AS observed,
    CASE WHEN x_test = test_items THEN 'ok' ELSE 'FAIL' END AS status
FROM counted

UNION ALL

SELECT
    5 AS place,
    'X_train and Y_train joined completely' AS title,
    '0 rows without a partner' AS expected,
    format('%s products, %s labels', products, labels) AS observed,
    CASE WHEN products = 0 AND labels = 0 THEN 'ok' ELSE 'FAIL' END AS status
FROM unmatched

UNION ALL

SELECT
    6 AS place,
    'rejected training rows' AS title,
    format('at most %s (validation.max_reject_rate)', allowed.rejects) AS expected,
    counted.rejected_products::TEXT AS observed,
    CASE
        WHEN counted.rejected_products = 0 THEN 'ok'
        WHEN counted.rejected_products <= allowed.rejects THEN 'warn'
        ELSE 'FAIL'
    END AS status
FROM counted
CROSS JOIN allowed

UNION ALL

SELECT
    7 AS place,
    'flagged test rows' AS title,
    '0' AS expected,
    count(fault)::TEXT AS observed,
    CASE WHEN count(fault) = 0 THEN 'ok' ELSE 'warn' END AS status
FROM project.test_items

UNION ALL

SELECT
    8 AS place,
    'productid and row_index unique in items' AS title,
    count(*)::TEXT AS expected,
    format('%s and %s', count(DISTINCT productid), count(DISTINCT row_index)) AS observed,
    CASE
        WHEN count(*) = count(DISTINCT productid) AND count(*) = count(DISTINCT row_index) THEN 'ok'
        ELSE 'FAIL'
    END AS status
FROM project.items

UNION ALL

SELECT
    9 AS place,
    'some product to train on' AS title,
    'at least 1' AS expected,
    items::TEXT AS observed,
    CASE WHEN items > 0 THEN 'ok' ELSE 'FAIL' END AS status
FROM counted

UNION ALL

SELECT
    10 AS place,
    'codes known to the labels map' AS title,
    '0 products with another code' AS expected,
    count(*)::TEXT AS observed,
    CASE WHEN count(*) = 0 THEN 'ok' ELSE 'FAIL' END AS status
FROM project.items
WHERE prdtypecode NOT IN (SELECT unnest(settings.codes) FROM load_settings AS settings)

UNION ALL

SELECT
    11 AS place,
    'class shares against the snapshot before' AS title,
    'at most 0.100 moved' AS expected,
    CASE
        WHEN shares.previous_rows = 0 THEN 'no snapshot before'
        WHEN least(shares.previous_rows, counted.items) < 1000 THEN 'fewer than 1000 rows'
        ELSE round(shares.moved::NUMERIC, 3)::TEXT
    END AS observed,
    CASE
        WHEN least(shares.previous_rows, counted.items) < 1000 THEN 'skip'
        WHEN shares.moved <= 0.1 THEN 'ok'
        WHEN settings.accept_new_shares THEN 'warn'
        ELSE 'FAIL'
    END AS status
FROM shares
CROSS JOIN counted
CROSS JOIN load_settings AS settings

UNION ALL

SELECT
    12 AS place,
    'training products with their image' AS title,
    counted.items::TEXT AS expected,
    CASE WHEN counted.assets = 0 THEN 'no images' ELSE with_image.items::TEXT END AS observed,
    CASE
        WHEN counted.assets = 0 THEN 'skip'
        WHEN counted.items = with_image.items THEN 'ok'
        ELSE 'warn'
    END AS status
FROM counted
CROSS JOIN with_image

UNION ALL

SELECT
    13 AS place,
    'unreadable images' AS title,
    '0' AS expected,
    count(fault)::TEXT AS observed,
    CASE
        WHEN count(*) = 0 THEN 'skip'
        WHEN count(fault) = 0 THEN 'ok'
        ELSE 'warn'
    END AS status
FROM project.assets;

WITH results AS (
    SELECT
        jsonb_agg(
            jsonb_build_object(
                'check', title, 'expected', expected, 'observed', observed, 'status', status
            )
            ORDER BY place
        ) AS check_results
    FROM load_checks
)

UPDATE project.datasets AS dataset
SET check_results = results.check_results
FROM results
CROSS JOIN load_settings AS settings
WHERE
    dataset.dataset_id = settings.dataset_id
    AND dataset.check_results IS DISTINCT FROM results.check_results;

DO $$
DECLARE
    failures TEXT;
BEGIN
    SELECT string_agg(format('%s: expected %s, found %s', title, expected, observed), E'\n')
    INTO failures
    FROM load_checks
    WHERE status = 'FAIL';
    IF failures IS NOT NULL THEN
        RAISE EXCEPTION E'the load is refused\n%', failures;
    END IF;
END $$;

TRUNCATE TABLE project.staging_x_train RESTART IDENTITY;
TRUNCATE TABLE project.staging_y_train RESTART IDENTITY;
TRUNCATE TABLE project.staging_x_test RESTART IDENTITY;
TRUNCATE TABLE project.staging_lines;
