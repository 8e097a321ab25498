-- Title:  Staging tables: the files as text, before anything is typed or refused.
-- Reads:  nothing.
-- Writes: project.staging_*, views staged_products and staged_rows.
-- Re-run: safe. They are empty outside a load, and UNLOGGED: a crash can only empty them.

CREATE UNLOGGED TABLE IF NOT EXISTS project.staging_x_train (
    record BIGINT GENERATED ALWAYS AS IDENTITY,
    row_index TEXT,
    designation TEXT,
    description TEXT,
    productid TEXT,
    imageid TEXT
);
COMMENT ON TABLE project.staging_x_train IS 'Rows of X_train_update.csv during a load.';
COMMENT ON COLUMN project.staging_x_train.record IS 'Position in the file, from 1.';
COMMENT ON COLUMN project.staging_x_train.row_index IS 'First, unnamed column as text.';

CREATE UNLOGGED TABLE IF NOT EXISTS project.staging_y_train (
    record BIGINT GENERATED ALWAYS AS IDENTITY,
    row_index TEXT,
    prdtypecode TEXT
);
COMMENT ON TABLE project.staging_y_train IS 'Rows of Y_train_CVw08PX.csv during a load.';

CREATE UNLOGGED TABLE IF NOT EXISTS project.staging_x_test (
    record BIGINT GENERATED ALWAYS AS IDENTITY,
    row_index TEXT,
    designation TEXT,
    description TEXT,
    productid TEXT,
    imageid TEXT
);
COMMENT ON TABLE project.staging_x_test IS 'Rows of X_test_update.csv during a load.';

DROP TABLE IF EXISTS project.staging_assets; -- of earlier versions
CREATE UNLOGGED TABLE IF NOT EXISTS project.staging_lines (
    file TEXT,
    line TEXT
);
COMMENT ON TABLE project.staging_lines IS 'Lines of the two JSON files during a load.';
COMMENT ON COLUMN project.staging_lines.file IS 'images_manifest.json or feedback.jsonl.';
COMMENT ON COLUMN project.staging_lines.line IS 'One JSON object, with a comma after it or not, or a bracket.';

CREATE OR REPLACE VIEW project.staged_products AS
SELECT
    'X_train_update.csv' AS file,
    x_train.record,
    x_train.row_index,
    x_train.designation,
    x_train.description,
    x_train.productid,
    x_train.imageid
FROM project.staging_x_train AS x_train
UNION ALL
SELECT
    'X_test_update.csv' AS file,
    x_test.record,
    x_test.row_index,
    x_test.designation,
    x_test.description,
    x_test.productid,
    x_test.imageid
FROM project.staging_x_test AS x_test;
COMMENT ON VIEW project.staged_products IS 'Both product files under each other.';

CREATE OR REPLACE VIEW project.staged_rows AS
SELECT
    file,
    record,
    project.raw_row(row_index, designation, description, productid, imageid) AS raw
FROM project.staged_products
UNION ALL
SELECT
    'Y_train_CVw08PX.csv' AS file,
    record,
    project.raw_row(row_index, prdtypecode) AS raw
FROM project.staging_y_train;
COMMENT ON VIEW project.staged_rows IS 'Every row of the three files as text.';
