-- Title:  Indexes that loading keeps up; the text index comes after the load (30_text_search.sql).
-- Reads:  the tables of project.
-- Writes: indexes.
-- Re-run: safe; existing indexes are kept.

CREATE INDEX IF NOT EXISTS items_prdtypecode ON project.items (prdtypecode);
CREATE INDEX IF NOT EXISTS assets_product ON project.assets (productid, imageid);
CREATE INDEX IF NOT EXISTS predictions_created_at ON project.predictions (created_at);
CREATE INDEX IF NOT EXISTS feedback_product ON project.feedback (product);
CREATE INDEX IF NOT EXISTS drift_reports_lot ON project.drift_reports (lot, report_date);
