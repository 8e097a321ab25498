-- Title:  The files into staging, as text; the settings of this load into a temporary table.
-- Reads:  import/*.csv, on standard input the lines of images_manifest.json and feedback.jsonl
--         (FILE, byte 1, LINE), psql variables snapshot, workspace, codes, max_reject_rate,
--         accept_new_shares.
-- Writes: project.staging_*, temporary table load_settings.
-- Re-run: safe; staging is emptied first.

CREATE TEMPORARY TABLE load_settings ON COMMIT DROP AS
WITH given AS (
    SELECT
        :'snapshot'::JSONB AS snapshot,
        :'workspace' AS workspace,
        string_to_array(:'codes', ',')::BIGINT[] AS codes,
        :'max_reject_rate'::DOUBLE PRECISION AS max_reject_rate,
        :'accept_new_shares'::BOOLEAN AS accept_new_shares
)

SELECT
    given.snapshot,
    given.workspace,
    given.codes,
    given.max_reject_rate,
    given.accept_new_shares,
    coalesce(
        (
            SELECT known.dataset_id
            FROM project.datasets AS known
            WHERE known.data_hash = given.snapshot ->> 'data_hash'
        ),
        (SELECT coalesce(max(others.dataset_id), 0) + 1 FROM project.datasets AS others)
    ) AS dataset_id
FROM given;

TRUNCATE TABLE project.staging_x_train RESTART IDENTITY;
TRUNCATE TABLE project.staging_y_train RESTART IDENTITY;
TRUNCATE TABLE project.staging_x_test RESTART IDENTITY;
TRUNCATE TABLE project.staging_lines;

-- psql's \copy takes one line:
-- noqa: disable=LT05
\copy project.staging_x_train (row_index, designation, description, productid, imageid) FROM 'import/X_train_update.csv' WITH (FORMAT csv, HEADER, ENCODING 'UTF8')
\copy project.staging_y_train (row_index, prdtypecode) FROM 'import/Y_train_CVw08PX.csv' WITH (FORMAT csv, HEADER, ENCODING 'UTF8')
\copy project.staging_x_test (row_index, designation, description, productid, imageid) FROM 'import/X_test_update.csv' WITH (FORMAT csv, HEADER, ENCODING 'UTF8')

-- JSON holds no control characters: with these as delimiter and quote a line stays one field.
\copy project.staging_lines (file, line) FROM pstdin WITH (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02', ENCODING 'UTF8')
-- noqa: enable=LT05
