-- Title:  The role of service and app, rakuten_app: it reads, and adds what it is told.
-- Reads:  pg_roles.
-- Writes: role rakuten_app without a password (etl/app_role.py), its rights in the schema.
-- Re-run: safe; the rights are given anew, and no others stay. Without CREATEROLE none is made.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rakuten_app') THEN
        CREATE ROLE rakuten_app NOSUPERUSER NOCREATEDB NOCREATEROLE;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'roles may not be created here: service and app ask as the owner';
    WHEN duplicate_object OR unique_violation THEN -- by a load into another database meanwhile
        NULL;
END $$;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rakuten_app') THEN
        RETURN;
    END IF;
    REVOKE ALL ON SCHEMA project FROM rakuten_app;
    REVOKE ALL ON ALL TABLES IN SCHEMA project FROM rakuten_app;
    GRANT USAGE ON SCHEMA project TO rakuten_app;
    GRANT SELECT ON
    project.items, project.test_items, project.datasets, project.models, project.feedback,
    project.feedback_items, project.review_items, project.class_distribution,
    project.dataset_inventory, project.latest_checks, project.latest_models,
    project.current_feedback, project.review_waiting
    TO rakuten_app;
    -- Added to, never changed.
    GRANT INSERT ON
    project.predictions, project.feedback, project.feedback_items, project.drift_reports
    TO rakuten_app;
    -- The queue is made anew from a run's files: nothing is lost with it.
    GRANT INSERT, UPDATE, DELETE ON project.review_items TO rakuten_app;
    -- The page of runs promotes and rolls back.
    GRANT UPDATE (served) ON project.models TO rakuten_app;
END $$;
