-- Title:  One table of checks; any failure refuses the whole load.
-- Reads:  project.staging_*, items, test_items, assets, datasets, checked_*, load_settings.
-- Writes: project.datasets.check_results; empties staging.
-- Re-run: safe; results are written only where they differ.

CREATE TEMPORARY TABLE load_checks ON COMMIT DROP AS
WITH counted AS (
    SELECT
        (SELECT count(*) FROM project.staging_x_train) AS x_train,
        (SELECT count(*) FROM project.staging_y_train) AS y_train,
        (SELECT count(*) FROM project.staging_x_test) AS x_test,
        (SELECT count(*) FROM project.items) AS items,
        (SELECT count(DISTINCT items.productid) FROM project.items) AS product_ids,
        (SELECT count(DISTINCT items.row_index) FROM project.items) AS row_indices,
        (SELECT count(*) FROM project.test_items) AS test_items,
        (SELECT count(test_items.fault) FROM project.test_items) AS test_faults,
        (SELECT count(*) FROM project.assets) AS assets,
        (SELECT count(assets.fault) FROM project.assets) AS asset_faults,
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
        ) AS rejected,
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
        ) AS rejected_labels,
        (
            SELECT count(*) FROM checked_products AS product
            WHERE product.fault LIKE '%no row in %'
        ) AS lonely_products,
        (
            SELECT count(*) FROM checked_labels AS label
            WHERE label.fault LIKE '%no row in %'
        ) AS lonely_labels,
        (
            SELECT count(*) FROM checked_products AS product
            WHERE product.file = 'X_train_update.csv' AND product.fault LIKE '%row index is%'
        ) AS bad_product_indices,
        (
            SELECT count(*) FROM checked_labels AS label
            WHERE label.fault LIKE '%row index is%'
        ) AS bad_label_indices,
        (
            SELECT count(*) FROM project.items
            WHERE items.prdtypecode NOT IN (
                SELECT unnest(settings.codes) FROM load_settings AS settings
            )
        ) AS unknown_codes,
        (
            SELECT count(*) FROM project.items
            WHERE NOT EXISTS (
                SELECT 1 FROM project.assets
                WHERE
                    assets.productid = items.productid
                    AND assets.imageid = items.imageid
                    AND assets.part = 'train'
            )
        ) AS items_without_image
),

previous AS (
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
),

shares AS (
    -- Half the sum of absolute differences: the share of products that changed their class.
    SELECT
        max(previous.rows) AS previous_rows,
        0.5 * sum(
            abs(
                coalesce(then_counted.value::DOUBLE PRECISION / nullif(previous.rows, 0), 0)
                - coalesce(distribution.share, 0)
            )
        ) AS moved
    FROM previous
    CROSS JOIN jsonb_each_text(previous.class_counts) AS then_counted
    FULL JOIN project.class_distribution AS distribution
        ON then_counted.key = distribution.prdtypecode::TEXT
),

listed AS (
    SELECT
        counted.*,
        settings.*,
        coalesce(shares.previous_rows, 0) AS previous_rows,
        coalesce(shares.moved, 0) AS moved,
        floor(settings.max_reject_rate * counted.x_train) AS reject_limit,
        concat_ws(
            ', ',
            settings.snapshot #>> '{files,X_train_update.csv,rows}',
            settings.snapshot #>> '{files,Y_train_CVw08PX.csv,rows}',
            settings.snapshot #>> '{files,X_test_update.csv,rows}'
        ) AS snapshot_rows
    FROM counted
    CROSS JOIN load_settings AS settings
    CROSS JOIN shares
)

SELECT
    checks.place,
    checks.title,
    checks.expected,
    checks.observed,
    checks.status
FROM listed
CROSS JOIN LATERAL (
    VALUES
    (
        1,
        'rows read, as counted in snapshot.json',
        listed.snapshot_rows,
        concat_ws(', ', listed.x_train, listed.y_train, listed.x_test),
        CASE
            WHEN
                listed.snapshot_rows
                = concat_ws(', ', listed.x_train, listed.y_train, listed.x_test)
                THEN 'ok'
            ELSE 'FAIL'
        END
    ),
    (
        2,
        'X_train rows = typed + rejected',
        listed.x_train::TEXT,
        format('%s + %s', listed.items, listed.rejected),
        CASE WHEN listed.x_train = listed.items + listed.rejected THEN 'ok' ELSE 'FAIL' END
    ),
    (
        3,
        'Y_train rows = typed + rejected',
        listed.y_train::TEXT,
        format('%s + %s', listed.items, listed.rejected_labels),
        CASE WHEN listed.y_train = listed.items + listed.rejected_labels THEN 'ok' ELSE 'FAIL' END
    ),
    (
        4,
        'X_test rows = typed',
        listed.x_test::TEXT,
        listed.test_items::TEXT,
        CASE WHEN listed.x_test = listed.test_items THEN 'ok' ELSE 'FAIL' END
    ),
    (
        5,
        'X_train and Y_train joined completely',
        '0 rows without a partner',
        format(
            '%s products, %s labels',
            greatest(listed.lonely_products - listed.bad_label_indices, 0),
            greatest(listed.lonely_labels - listed.bad_product_indices, 0)
        ),
        CASE
            WHEN
                listed.lonely_products <= listed.bad_label_indices
                AND listed.lonely_labels <= listed.bad_product_indices
                THEN 'ok'
            ELSE 'FAIL'
        END
    ),
    (
        6,
        'rejected training rows',
        format('at most %s (validation.max_reject_rate)', listed.reject_limit),
        listed.rejected::TEXT,
        CASE
            WHEN listed.rejected = 0 THEN 'ok'
            WHEN listed.rejected <= listed.reject_limit THEN 'warn'
            ELSE 'FAIL'
        END
    ),
    (
        7,
        'flagged test rows',
        '0',
        listed.test_faults::TEXT,
        CASE WHEN listed.test_faults = 0 THEN 'ok' ELSE 'warn' END
    ),
    (
        8,
        'productid and row_index unique in items',
        listed.items::TEXT,
        format('%s and %s', listed.product_ids, listed.row_indices),
        CASE
            WHEN listed.items = listed.product_ids AND listed.items = listed.row_indices THEN 'ok'
            ELSE 'FAIL'
        END
    ),
    (
        9,
        'some product to train on',
        'at least 1',
        listed.items::TEXT,
        CASE WHEN listed.items > 0 THEN 'ok' ELSE 'FAIL' END
    ),
    (
        10,
        'codes known to the labels map',
        '0 products with another code',
        listed.unknown_codes::TEXT,
        CASE WHEN listed.unknown_codes = 0 THEN 'ok' ELSE 'FAIL' END
    ),
    (
        11,
        'class shares against the snapshot before',
        'at most 0.100 moved',
        CASE
            WHEN listed.previous_rows = 0 THEN 'no snapshot before'
            WHEN least(listed.previous_rows, listed.items) < 1000 THEN 'fewer than 1000 rows'
            ELSE round(listed.moved::NUMERIC, 3)::TEXT
        END,
        CASE
            WHEN least(listed.previous_rows, listed.items) < 1000 THEN 'skip'
            WHEN listed.moved <= 0.1 THEN 'ok'
            WHEN listed.accept_new_shares THEN 'warn'
            ELSE 'FAIL'
        END
    ),
    (
        12,
        'training products with their image',
        listed.items::TEXT,
        CASE
            WHEN listed.assets = 0 THEN 'no images'
            ELSE (listed.items - listed.items_without_image)::TEXT
        END,
        CASE
            WHEN listed.assets = 0 THEN 'skip'
            WHEN listed.items_without_image = 0 THEN 'ok'
            ELSE 'warn'
        END
    ),
    (
        13,
        'unreadable images',
        '0',
        listed.asset_faults::TEXT,
        CASE
            WHEN listed.assets = 0 THEN 'skip'
            WHEN listed.asset_faults = 0 THEN 'ok'
            ELSE 'warn'
        END
    )
) AS checks (place, title, expected, observed, status);

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
TRUNCATE TABLE project.staging_assets;
