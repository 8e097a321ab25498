-- Title:  Products: labelled, unlabelled, those that left, and the images on disk.
-- Reads:  nothing.
-- Writes: project.items, test_items, items_history, assets.
-- Re-run: safe; existing tables are kept.

CREATE TABLE IF NOT EXISTS project.items (
    productid BIGINT PRIMARY KEY,
    row_index BIGINT NOT NULL,
    imageid BIGINT NOT NULL,
    designation TEXT NOT NULL CHECK (designation <> ''),
    description TEXT CHECK (description <> ''),
    prdtypecode BIGINT NOT NULL,
    row_hash TEXT NOT NULL,
    dataset_id BIGINT NOT NULL REFERENCES project.datasets DEFERRABLE INITIALLY DEFERRED
);
COMMENT ON TABLE project.items IS 'Labelled products of the current snapshot.';
COMMENT ON COLUMN project.items.imageid IS 'Image id; the file is image_{imageid}_product_{productid}.jpg.';
COMMENT ON COLUMN project.items.description IS 'Description, as it stands in the file; NULL if missing.';
COMMENT ON COLUMN project.items.row_hash IS 'MD5 of the columns above; only rows that differ are written.';
COMMENT ON COLUMN project.items.dataset_id IS 'Snapshot that brought the row in its present form.';

CREATE TABLE IF NOT EXISTS project.test_items (
    row_index BIGINT PRIMARY KEY,
    productid BIGINT,
    imageid BIGINT,
    designation TEXT NOT NULL,
    description TEXT CHECK (description <> ''),
    fault TEXT,
    row_hash TEXT NOT NULL,
    dataset_id BIGINT NOT NULL REFERENCES project.datasets DEFERRABLE INITIALLY DEFERRED
);
COMMENT ON TABLE project.test_items IS 'Unlabelled products; every row of X_test, at fault or not.';
COMMENT ON COLUMN project.test_items.row_index IS 'Row index in X_test: the key of a submission.';
COMMENT ON COLUMN project.test_items.productid IS 'Product id; NULL when it is no number.';
COMMENT ON COLUMN project.test_items.imageid IS 'Image id; NULL when it is no number.';
COMMENT ON COLUMN project.test_items.fault IS 'What is wrong with the row; NULL when nothing is.';

CREATE TABLE IF NOT EXISTS project.items_history (
    history_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    part TEXT NOT NULL CHECK (part IN ('train', 'test')),
    productid BIGINT,
    row_index BIGINT NOT NULL,
    imageid BIGINT,
    designation TEXT NOT NULL,
    description TEXT,
    prdtypecode BIGINT,
    row_hash TEXT NOT NULL,
    dataset_id BIGINT NOT NULL REFERENCES project.datasets DEFERRABLE INITIALLY DEFERRED,
    left_dataset_id BIGINT NOT NULL REFERENCES project.datasets DEFERRABLE INITIALLY DEFERRED,
    left_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE project.items_history IS 'Rows that left the files, and former texts and labels of those that changed.';
COMMENT ON COLUMN project.items_history.part IS 'train for items, test for test_items.';
COMMENT ON COLUMN project.items_history.prdtypecode IS 'Category code; NULL for test rows.';
COMMENT ON COLUMN project.items_history.left_dataset_id IS 'Snapshot in which it was missing, or another.';

CREATE TABLE IF NOT EXISTS project.assets (
    path TEXT PRIMARY KEY,
    part TEXT NOT NULL CHECK (part IN ('train', 'test')),
    imageid BIGINT,
    productid BIGINT,
    bytes BIGINT NOT NULL CHECK (bytes >= 0),
    sha256 TEXT CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    width INTEGER CHECK (width > 0),
    height INTEGER CHECK (height > 0),
    fingerprint TEXT,
    same_as TEXT,
    fault TEXT CHECK (fault <> ''),
    CHECK (fault IS NOT NULL OR fingerprint IS NOT NULL)
);
COMMENT ON TABLE project.assets IS 'Images on disk, from images_manifest.json.';
COMMENT ON COLUMN project.assets.path IS 'Path relative to the workspace, or URL.';
COMMENT ON COLUMN project.assets.part IS 'train or test: the folder it lies in.';
COMMENT ON COLUMN project.assets.imageid IS 'Image id in its name; NULL when the name has none.';
COMMENT ON COLUMN project.assets.productid IS 'Product id in its name; NULL when the name has none.';
COMMENT ON COLUMN project.assets.sha256 IS 'SHA256 of the file; NULL when it could not be read.';
COMMENT ON COLUMN project.assets.fingerprint IS 'Of the content box: pHash and thumbnail, in hex.';
COMMENT ON COLUMN project.assets.same_as IS 'Path of the first image that this one equals.';
COMMENT ON COLUMN project.assets.fault IS 'Why it is unreadable; NULL when it is fine.';
