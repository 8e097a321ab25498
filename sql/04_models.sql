-- Title:  What training and serving write.
-- Reads:  nothing.
-- Writes: project.models, predictions, feedback_items, feedback, drift_reports.
-- Re-run: safe; existing tables are kept.

CREATE TABLE IF NOT EXISTS project.models (
    model_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    phase TEXT NOT NULL,
    dataset_id BIGINT NOT NULL REFERENCES project.datasets,
    config_digest TEXT,
    artifact TEXT,
    artifact_sha256 TEXT CHECK (artifact_sha256 ~ '^[0-9a-f]{64}$'),
    scores JSONB NOT NULL DEFAULT '{}',
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    UNIQUE (run_id, kind, phase)
);
ALTER TABLE project.models ADD COLUMN IF NOT EXISTS served BOOLEAN NOT NULL DEFAULT FALSE;
COMMENT ON TABLE project.models IS 'One row a trained model.';
COMMENT ON COLUMN project.models.run_id IS 'Training run, as in artifacts/manifest.json.';
COMMENT ON COLUMN project.models.kind IS 'model.name of the configuration.';
COMMENT ON COLUMN project.models.phase IS 'holdout for the scored model, final for the served one.';
COMMENT ON COLUMN project.models.artifact IS 'File name under artifacts/runs/<run_id>/.';
COMMENT ON COLUMN project.models.served IS 'Whether its run is the champion: promotion and rollback tell.';

CREATE TABLE IF NOT EXISTS project.predictions (
    prediction_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    productid BIGINT,
    designation_hash TEXT NOT NULL,
    prdtypecode BIGINT NOT NULL,
    probability DOUBLE PRECISION NOT NULL CHECK (probability BETWEEN 0 AND 1),
    needs_review BOOLEAN NOT NULL,
    top_k JSONB NOT NULL DEFAULT '[]',
    run_id TEXT NOT NULL,
    profile JSONB NOT NULL DEFAULT '{}',
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE project.predictions IS 'What the service answered.';
COMMENT ON COLUMN project.predictions.productid IS 'Product, where the request named one.';
COMMENT ON COLUMN project.predictions.designation_hash IS 'SHA256 of the title; the text is not kept.';
COMMENT ON COLUMN project.predictions.probability IS 'Calibrated probability of that code.';
COMMENT ON COLUMN project.predictions.needs_review IS 'Whether it was under the decision threshold.';
COMMENT ON COLUMN project.predictions.top_k IS 'List of code and probability, best first.';
COMMENT ON COLUMN project.predictions.profile IS 'Monitored signals of the product.';

CREATE TABLE IF NOT EXISTS project.feedback_items (
    item_hash TEXT PRIMARY KEY CHECK (item_hash ~ '^[0-9a-f]{64}$'),
    designation TEXT NOT NULL,
    description TEXT NOT NULL,
    image_sha256 TEXT NOT NULL CHECK (image_sha256 ~ '^([0-9a-f]{64})?$'),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE project.feedback_items IS 'Products that people corrected, as they were seen.';
COMMENT ON COLUMN project.feedback_items.item_hash IS 'SHA256 of the other three.';
COMMENT ON COLUMN project.feedback_items.image_sha256 IS 'Names its file in data/feedback/, or "".';

CREATE TABLE IF NOT EXISTS project.feedback (
    feedback_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    productid BIGINT,
    designation_hash TEXT,
    prdtypecode BIGINT,
    predicted_code BIGINT,
    author TEXT NOT NULL DEFAULT '',
    comment TEXT NOT NULL DEFAULT '',
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
ALTER TABLE project.feedback
ADD COLUMN IF NOT EXISTS content_hash TEXT UNIQUE,
ADD COLUMN IF NOT EXISTS item_hash TEXT REFERENCES project.feedback_items,
ADD COLUMN IF NOT EXISTS probability DOUBLE PRECISION CHECK (probability BETWEEN 0 AND 1),
ADD COLUMN IF NOT EXISTS run_id TEXT NOT NULL DEFAULT '',
ADD COLUMN IF NOT EXISTS source TEXT NOT NULL DEFAULT '',
ADD COLUMN IF NOT EXISTS product TEXT NOT NULL
GENERATED ALWAYS AS (coalesce(productid::TEXT, item_hash, designation_hash)) STORED,
ALTER COLUMN prdtypecode DROP NOT NULL,
DROP CONSTRAINT IF EXISTS feedback_check; -- of earlier versions
COMMENT ON TABLE project.feedback IS 'What people said of labels; rows are added, never changed.';
COMMENT ON COLUMN project.feedback.productid IS 'Product, where it has an id.';
COMMENT ON COLUMN project.feedback.designation_hash IS 'SHA256 of the title: rows of earlier versions.';
COMMENT ON COLUMN project.feedback.prdtypecode IS 'Code that the author gives; NULL withdraws.';
COMMENT ON COLUMN project.feedback.predicted_code IS 'What the model answered then.';
COMMENT ON COLUMN project.feedback.content_hash IS 'SHA256 of its line of feedback.jsonl.';
COMMENT ON COLUMN project.feedback.item_hash IS 'Content of the product, where it was kept.';
COMMENT ON COLUMN project.feedback.probability IS 'Of that answer.';
COMMENT ON COLUMN project.feedback.run_id IS 'Run that answered.';
COMMENT ON COLUMN project.feedback.source IS 'app, review, batch or api.';
COMMENT ON COLUMN project.feedback.product IS 'What names the product.';

CREATE TABLE IF NOT EXISTS project.drift_reports (
    report_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lot TEXT NOT NULL,
    report_date DATE NOT NULL DEFAULT current_date,
    run_id TEXT,
    rows BIGINT NOT NULL CHECK (rows >= 0),
    alert BOOLEAN NOT NULL,
    findings JSONB NOT NULL DEFAULT '[]',
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE project.drift_reports IS 'One row a batch that was compared with the reference.';
COMMENT ON COLUMN project.drift_reports.report_date IS 'Day of the report, as in its file name.';
COMMENT ON COLUMN project.drift_reports.run_id IS 'Training run whose reference was used.';
COMMENT ON COLUMN project.drift_reports.findings IS 'Statistic, value, threshold and verdict of each test.';
