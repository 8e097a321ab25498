-- Title:  Snapshots of the three files, what was refused from them, and how they were split.
-- Reads:  nothing.
-- Writes: project.datasets, project.rejects, project.splits.
-- Re-run: safe; existing tables are kept.

CREATE TABLE IF NOT EXISTS project.datasets (
    dataset_id BIGINT PRIMARY KEY,
    data_hash TEXT NOT NULL UNIQUE CHECK (data_hash ~ '^[0-9a-f]{64}$'),
    source TEXT NOT NULL CHECK (source IN ('official', 'demo')),
    files JSONB NOT NULL,
    rows BIGINT NOT NULL CHECK (rows >= 0),
    schema_version INTEGER NOT NULL,
    class_counts JSONB NOT NULL,
    check_results JSONB NOT NULL DEFAULT '[]',
    created_at TIMESTAMPTZ NOT NULL,
    loaded_at TIMESTAMPTZ NOT NULL
);
ALTER TABLE project.datasets ADD COLUMN IF NOT EXISTS workspace TEXT;
COMMENT ON TABLE project.datasets IS 'One row a snapshot of the three files that was ever loaded.';
COMMENT ON COLUMN project.datasets.data_hash IS 'Combined SHA256 of the three files.';
COMMENT ON COLUMN project.datasets.source IS 'official, or demo for synthetic rows.';
COMMENT ON COLUMN project.datasets.files IS 'File name to sha256, bytes and rows.';
COMMENT ON COLUMN project.datasets.rows IS 'Training products in project.items after the load.';
COMMENT ON COLUMN project.datasets.class_counts IS 'prdtypecode to number of products.';
COMMENT ON COLUMN project.datasets.check_results IS 'What sql/20_checks.sql found.';
COMMENT ON COLUMN project.datasets.created_at IS 'When snapshot.json was made.';
COMMENT ON COLUMN project.datasets.workspace IS 'Folder from which it was loaded last.';
COMMENT ON COLUMN project.datasets.loaded_at IS 'When it was loaded last; the latest one is current.';

CREATE TABLE IF NOT EXISTS project.rejects (
    dataset_id BIGINT NOT NULL REFERENCES project.datasets DEFERRABLE INITIALLY DEFERRED,
    file TEXT NOT NULL,
    line BIGINT NOT NULL CHECK (line > 1),
    reason TEXT NOT NULL CHECK (reason <> ''),
    raw TEXT NOT NULL,
    PRIMARY KEY (dataset_id, file, line)
);
COMMENT ON TABLE project.rejects IS 'Rows at fault: left out of items; test rows are flagged only.';
COMMENT ON COLUMN project.rejects.line IS 'Line on which the row begins; the header is line 1.';
COMMENT ON COLUMN project.rejects.reason IS 'Every fault of the row, divided by semicolons.';
COMMENT ON COLUMN project.rejects.raw IS 'The row as CSV, every field quoted.';

CREATE TABLE IF NOT EXISTS project.splits (
    dataset_id BIGINT NOT NULL REFERENCES project.datasets,
    productid BIGINT NOT NULL,
    split TEXT NOT NULL CHECK (split <> ''),
    PRIMARY KEY (dataset_id, productid)
);
COMMENT ON TABLE project.splits IS 'Which product was trained on and which was held out.';
COMMENT ON COLUMN project.splits.split IS 'Name of its part, such as train or holdout.';
