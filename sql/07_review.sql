-- Title:  The review queue: products that wait for a person's word, and who has which.
-- Reads:  project.current_feedback, feedback_items.
-- Writes: project.review_items; view review_waiting; functions fill_review, lease_review,
--         leave_review, queue_answer.
-- Re-run: safe; the table is kept, view and functions are replaced by themselves.

CREATE TABLE IF NOT EXISTS project.review_items (
    product TEXT PRIMARY KEY,
    source TEXT NOT NULL CHECK (source IN ('answer', 'label', 'drift', 'service')),
    reason TEXT NOT NULL DEFAULT '',
    productid BIGINT,
    code BIGINT,
    probability DOUBLE PRECISION,
    official_code BIGINT,
    priority DOUBLE PRECISION NOT NULL,
    product_group TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT '',
    leased_by TEXT,
    leased_until TIMESTAMPTZ,
    skipped JSONB NOT NULL DEFAULT '{}',
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS review_items_group ON project.review_items (product_group);
COMMENT ON TABLE project.review_items IS 'Products to review. A correction takes one out, its withdrawal puts it back.';
COMMENT ON COLUMN project.review_items.product IS 'The productid, or the item_hash outside the catalogue.';
COMMENT ON COLUMN project.review_items.source IS 'Unsure answer to a test product, doubtful label, drift report, or service.';
COMMENT ON COLUMN project.review_items.reason IS 'What the drift report or the service says beside that.';
COMMENT ON COLUMN project.review_items.code IS 'Code that is likely right.';
COMMENT ON COLUMN project.review_items.probability IS 'Its calibrated probability.';
COMMENT ON COLUMN project.review_items.official_code IS 'Label that the product has.';
COMMENT ON COLUMN project.review_items.priority IS 'Expected gain of a review, as src/serving/review.py has it.';
COMMENT ON COLUMN project.review_items.product_group IS 'Words of the title: copies share them, and count less.';
COMMENT ON COLUMN project.review_items.state IS 'Served run and reports that named it; empty for the service.';
COMMENT ON COLUMN project.review_items.leased_by IS 'Who is looking at it, until leased_until.';
COMMENT ON COLUMN project.review_items.skipped IS 'When each author put it off, in seconds since 1970.';

CREATE OR REPLACE VIEW project.review_waiting AS
SELECT
    waiting.product,
    waiting.source,
    waiting.reason,
    waiting.priority,
    waiting.state,
    waiting.leased_by,
    waiting.leased_until
FROM project.review_items AS waiting
WHERE
    NOT EXISTS (
        SELECT 1
        FROM project.current_feedback AS spoken
        WHERE spoken.product = waiting.product
    )
    AND NOT EXISTS (
        SELECT 1
        FROM project.current_feedback AS spoken
        WHERE spoken.item_hash = waiting.product
    );
COMMENT ON VIEW project.review_waiting IS 'Products to review of which nobody has said the class.';

CREATE OR REPLACE FUNCTION project.fill_review(filled TEXT, items JSONB) RETURNS VOID
LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(hashtext('project.review_items'));
    INSERT INTO project.review_items AS kept (
        product, source, reason, productid, code, probability, official_code, priority,
        product_group, state
    )
    SELECT entry.*, filled
    FROM jsonb_to_recordset(items) AS entry (
        product TEXT, source TEXT, reason TEXT, productid BIGINT, code BIGINT,
        probability DOUBLE PRECISION, official_code BIGINT, priority DOUBLE PRECISION,
        product_group TEXT
    )
    ON CONFLICT (product) DO UPDATE SET
        source = excluded.source,
        reason = excluded.reason,
        productid = excluded.productid,
        code = excluded.code,
        probability = excluded.probability,
        official_code = excluded.official_code,
        priority = excluded.priority,
        product_group = excluded.product_group,
        state = excluded.state;
    DELETE FROM project.review_items
    WHERE source <> 'service' AND state <> filled AND coalesce(leased_until < now(), TRUE);
$$;
COMMENT ON FUNCTION project.fill_review(TEXT, JSONB) IS 'Put the products of a run in the place of those of other runs that nobody has.';

CREATE OR REPLACE FUNCTION project.lease_review(
    filled TEXT, author TEXT, wanted TEXT, minutes DOUBLE PRECISION
) RETURNS TABLE (
    product TEXT, source TEXT, reason TEXT, productid BIGINT, code BIGINT,
    probability DOUBLE PRECISION, official_code BIGINT, priority DOUBLE PRECISION,
    product_group TEXT
)
LANGUAGE sql AS $$
    UPDATE project.review_items AS item
    SET leased_by = author, leased_until = now() + make_interval(secs => 60 * minutes)
    WHERE item.product = (
        SELECT free.product
        FROM project.review_items AS free
        WHERE
            (
                coalesce(free.leased_until < now(), TRUE)
                OR (free.product = wanted AND free.leased_by = author)
            )
            AND (free.state IN (filled, '') OR (free.product = wanted AND free.leased_by = author))
            AND (
                free.product = wanted
                OR free.product IN (SELECT open.product FROM project.review_waiting AS open)
            )
        ORDER BY
            free.product = wanted DESC,
            coalesce((free.skipped ->> author)::DOUBLE PRECISION, 0) ASC,
            free.priority DESC,
            free.product ASC
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    )
    RETURNING
        item.product,
        item.source,
        item.reason,
        item.productid,
        item.code,
        item.probability,
        item.official_code,
        item.priority,
        item.product_group;
$$;
COMMENT ON FUNCTION project.lease_review(TEXT, TEXT, TEXT, DOUBLE PRECISION) IS
'The wanted product, or else the next that nobody has: what the author skipped comes last.';

CREATE OR REPLACE FUNCTION project.leave_review(who TEXT, left_product TEXT, skip BOOLEAN)
RETURNS VOID
LANGUAGE sql AS $$
    UPDATE project.review_items
    SET
        leased_until = NULL,
        skipped = CASE
            WHEN skip THEN skipped || jsonb_build_object(who, extract(EPOCH FROM now()))
            ELSE skipped
        END
    WHERE product = left_product AND leased_by = who;
$$;
COMMENT ON FUNCTION project.leave_review(TEXT, TEXT, BOOLEAN) IS 'End a lease, and note that its author skipped the product.';

CREATE OR REPLACE FUNCTION project.queue_answer(answer JSONB) RETURNS VOID
LANGUAGE sql AS $$
    INSERT INTO project.review_items (
        product, source, reason, code, probability, priority, product_group
    )
    SELECT
        entry.item_hash,
        'service',
        entry.reason,
        entry.code,
        entry.probability,
        entry.priority / 2.0 ^ (
            SELECT least(count(*), 1000) -- two to the 1,024th is no number
            FROM project.review_items AS copies
            WHERE copies.product_group = entry.product_group
        ),
        entry.product_group
    FROM jsonb_to_record(answer) AS entry (
        item_hash TEXT, reason TEXT, code BIGINT, probability DOUBLE PRECISION,
        priority DOUBLE PRECISION, product_group TEXT
    )
    ON CONFLICT (product) DO NOTHING;
$$;
COMMENT ON FUNCTION project.queue_answer(JSONB) IS 'Put a product that the service answered into the queue, once.';
