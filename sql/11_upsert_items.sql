-- Title:  Staging to typed tables: rows at fault to rejects, rows that differ to items.
-- Reads:  project.staging_*, load_settings.
-- Writes: project.rejects, items, test_items, items_history, assets; rejects as CSV on stdout.
-- Re-run: safe; the same files change no row.
--         src/data/csv_tables.py applies the same rules to the same rows.

-- 1. What each row's faults are: '' for none. Only narrow columns, so that sorts stay in memory.
CREATE TEMPORARY TABLE checked_products ON COMMIT DROP AS
WITH typed AS (
    SELECT
        file,
        record,
        project.to_id(row_index) AS row_index,
        project.to_id(productid) AS productid,
        project.to_id(imageid) AS imageid,
        -- Nothing but white space and what nobody sees, the same list as BLANK in csv_files.py.
        coalesce(designation, '') !~ (
            '[^\u0001-\u0020\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5'
            '\u180b-\u180f\u2000-\u200f'
            '\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0]'
        ) AS is_blank
    FROM project.staged_products
)

SELECT
    file,
    record,
    row_index,
    productid,
    imageid,
    concat_ws(
        '; ',
        CASE
            WHEN row_index IS NULL THEN 'row index is no number'
            WHEN count(*) OVER (PARTITION BY file, row_index) > 1 THEN 'row index is not unique'
        END,
        CASE
            WHEN productid IS NULL THEN 'productid is no number'
            WHEN count(*) OVER (PARTITION BY file, productid) > 1 THEN 'productid is not unique'
        END,
        CASE WHEN imageid IS NULL THEN 'imageid is no number' END,
        CASE WHEN is_blank THEN 'designation is empty' END
    ) AS fault
FROM typed;

CREATE TEMPORARY TABLE checked_labels ON COMMIT DROP AS
WITH typed AS (
    SELECT
        record,
        project.to_id(row_index) AS row_index,
        project.to_code(prdtypecode) AS prdtypecode
    FROM project.staging_y_train
),

known AS (
    SELECT unnest(codes) AS code
    FROM load_settings
)

SELECT
    typed.record,
    typed.row_index,
    typed.prdtypecode,
    concat_ws(
        '; ',
        CASE
            WHEN typed.row_index IS NULL THEN 'row index is no number'
            WHEN count(*) OVER (PARTITION BY typed.row_index) > 1 THEN 'row index is not unique'
        END,
        CASE
            WHEN typed.prdtypecode IS NULL THEN 'prdtypecode is no number'
            WHEN known.code IS NULL THEN 'prdtypecode is unknown'
        END
    ) AS fault
FROM typed
LEFT JOIN known ON typed.prdtypecode = known.code;

ANALYZE checked_products;
ANALYZE checked_labels;

-- 2. Rows of one file that the other one does not know.
UPDATE checked_products AS product
SET fault = concat_ws('; ', nullif(product.fault, ''), 'no row in Y_train_CVw08PX.csv')
WHERE
    product.file = 'X_train_update.csv'
    AND product.row_index IS NOT NULL
    AND NOT EXISTS (
        SELECT 1 FROM checked_labels AS label
        WHERE label.row_index = product.row_index
    );

UPDATE checked_labels AS label
SET fault = concat_ws('; ', nullif(label.fault, ''), 'no row in X_train_update.csv')
WHERE
    label.row_index IS NOT NULL
    AND NOT EXISTS (
        SELECT 1 FROM checked_products AS product
        WHERE
            product.file = 'X_train_update.csv'
            AND product.row_index = label.row_index
    );

-- 3. Rejects, with the line of the file: a quoted field may hold line breaks.
DELETE FROM project.rejects
WHERE dataset_id = (SELECT settings.dataset_id FROM load_settings AS settings);

WITH faults AS (
    SELECT
        file,
        record,
        fault
    FROM checked_products
    WHERE fault <> ''
    UNION ALL
    SELECT
        'Y_train_CVw08PX.csv' AS file,
        record,
        fault
    FROM checked_labels
    WHERE fault <> ''
),

numbered AS (
    SELECT
        file,
        record,
        raw,
        1 + sum(length(raw) - length(replace(raw, E'\n', '')) + 1) OVER before
        + 1 - (length(raw) - length(replace(raw, E'\n', '')) + 1) AS line
    FROM project.staged_rows
    WHERE EXISTS (SELECT 1 FROM faults)
    WINDOW before AS (PARTITION BY file ORDER BY record ROWS UNBOUNDED PRECEDING)
)

INSERT INTO project.rejects (dataset_id, file, line, reason, raw)
SELECT
    settings.dataset_id,
    numbered.file,
    numbered.line,
    faults.fault,
    numbered.raw
FROM numbered
INNER JOIN faults ON numbered.file = faults.file AND numbered.record = faults.record
CROSS JOIN load_settings AS settings;

-- psql's \copy takes one line:
-- noqa: disable=LT05
\copy (SELECT rejects.file, rejects.line, rejects.reason, rejects.raw FROM project.rejects INNER JOIN load_settings USING (dataset_id) ORDER BY rejects.file COLLATE "C", rejects.line) TO pstdout WITH (FORMAT csv, HEADER)
-- noqa: enable=LT05

-- 4. The rows as they should be.
CREATE TEMPORARY TABLE wanted_items ON COMMIT DROP AS
SELECT
    product.productid,
    product.row_index,
    product.imageid,
    staged.designation,
    nullif(staged.description, '') AS description,
    label.prdtypecode,
    md5(
        (
            product.row_index,
            product.imageid,
            staged.designation,
            nullif(staged.description, ''),
            label.prdtypecode
        )::TEXT
    ) AS row_hash
FROM checked_products AS product
INNER JOIN checked_labels AS label
    ON product.row_index = label.row_index AND label.fault = ''
INNER JOIN project.staging_x_train AS staged ON product.record = staged.record
WHERE product.file = 'X_train_update.csv' AND product.fault = '';

CREATE TEMPORARY TABLE wanted_test_items ON COMMIT DROP AS
SELECT
    product.row_index,
    product.productid,
    product.imageid,
    coalesce(staged.designation, '') AS designation,
    nullif(staged.description, '') AS description,
    nullif(product.fault, '') AS fault,
    md5(
        (
            product.productid,
            product.imageid,
            coalesce(staged.designation, ''),
            nullif(staged.description, ''),
            product.fault
        )::TEXT
    ) AS row_hash
FROM checked_products AS product
INNER JOIN project.staging_x_test AS staged ON product.record = staged.record
WHERE product.file = 'X_test_update.csv' AND product.row_index IS NOT NULL;

-- Only the columns that are joined on: statistics of long texts take as long as the rest.
ANALYZE wanted_items (productid, row_hash);
ANALYZE wanted_test_items (row_index, row_hash);

-- 5. Rows that left the files, and former texts and labels of those that changed, are kept.
WITH gone AS (
    DELETE FROM project.items AS current
    WHERE
        NOT EXISTS (
            SELECT 1 FROM wanted_items AS wanted
            WHERE wanted.productid = current.productid
        )
    RETURNING *
),

former AS (
    SELECT gone.* FROM gone
    UNION ALL
    SELECT current.*
    FROM project.items AS current
    INNER JOIN wanted_items AS wanted ON current.productid = wanted.productid
    WHERE
        (current.designation, current.description, current.prdtypecode)
        IS DISTINCT FROM (wanted.designation, wanted.description, wanted.prdtypecode)
)

INSERT INTO project.items_history (
    part,
    productid,
    row_index,
    imageid,
    designation,
    description,
    prdtypecode,
    row_hash,
    dataset_id,
    left_dataset_id
)
SELECT
    'train' AS part,
    former.productid,
    former.row_index,
    former.imageid,
    former.designation,
    former.description,
    former.prdtypecode,
    former.row_hash,
    former.dataset_id,
    settings.dataset_id AS left_dataset_id
FROM former
CROSS JOIN load_settings AS settings
ORDER BY former.row_index;

WITH gone AS (
    DELETE FROM project.test_items AS current
    WHERE
        NOT EXISTS (
            SELECT 1 FROM wanted_test_items AS wanted
            WHERE wanted.row_index = current.row_index
        )
    RETURNING *
),

former AS (
    SELECT gone.* FROM gone
    UNION ALL
    SELECT current.*
    FROM project.test_items AS current
    INNER JOIN wanted_test_items AS wanted ON current.row_index = wanted.row_index
    WHERE
        (current.designation, current.description)
        IS DISTINCT FROM (wanted.designation, wanted.description)
)

INSERT INTO project.items_history (
    part,
    productid,
    row_index,
    imageid,
    designation,
    description,
    row_hash,
    dataset_id,
    left_dataset_id
)
SELECT
    'test' AS part,
    former.productid,
    former.row_index,
    former.imageid,
    former.designation,
    former.description,
    former.row_hash,
    former.dataset_id,
    settings.dataset_id AS left_dataset_id
FROM former
CROSS JOIN load_settings AS settings
ORDER BY former.row_index;

-- 6. Only rows whose hash differs are written.
INSERT INTO project.items AS current (
    productid,
    row_index,
    imageid,
    designation,
    description,
    prdtypecode,
    row_hash,
    dataset_id
)
SELECT
    wanted.productid,
    wanted.row_index,
    wanted.imageid,
    wanted.designation,
    wanted.description,
    wanted.prdtypecode,
    wanted.row_hash,
    settings.dataset_id
FROM wanted_items AS wanted
CROSS JOIN load_settings AS settings
LEFT JOIN project.items AS present
    ON wanted.productid = present.productid AND wanted.row_hash = present.row_hash
WHERE present.productid IS NULL
ON CONFLICT (productid) DO UPDATE SET
    row_index = excluded.row_index,
    imageid = excluded.imageid,
    designation = excluded.designation,
    description = excluded.description,
    prdtypecode = excluded.prdtypecode,
    row_hash = excluded.row_hash,
    dataset_id = excluded.dataset_id;

INSERT INTO project.test_items AS current (
    row_index,
    productid,
    imageid,
    designation,
    description,
    fault,
    row_hash,
    dataset_id
)
SELECT
    wanted.row_index,
    wanted.productid,
    wanted.imageid,
    wanted.designation,
    wanted.description,
    wanted.fault,
    wanted.row_hash,
    settings.dataset_id
FROM wanted_test_items AS wanted
CROSS JOIN load_settings AS settings
LEFT JOIN project.test_items AS present
    ON wanted.row_index = present.row_index AND wanted.row_hash = present.row_hash
WHERE present.row_index IS NULL
ON CONFLICT (row_index) DO UPDATE SET
    productid = excluded.productid,
    imageid = excluded.imageid,
    designation = excluded.designation,
    description = excluded.description,
    fault = excluded.fault,
    row_hash = excluded.row_hash,
    dataset_id = excluded.dataset_id;
