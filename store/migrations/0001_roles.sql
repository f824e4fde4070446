-- The schema, and the four roles that logins are given (none of them can log in itself). Roles belong to the
-- whole cluster: a second database finds them there, and the one that comes second in a race may lose it quietly.
CREATE SCHEMA IF NOT EXISTS stampmill;
COMMENT ON SCHEMA stampmill IS 'Stampmill: results of background jobs';

DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['stampmill_producer', 'stampmill_worker', 'stampmill_reader', 'stampmill_admin'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA stampmill TO stampmill_producer, stampmill_worker, stampmill_reader, stampmill_admin;

-- Which of the files in store/migrations/ were applied; made before the first of them by the one who migrates.
GRANT SELECT ON stampmill.migrations TO stampmill_producer, stampmill_worker, stampmill_reader, stampmill_admin;
COMMENT ON TABLE stampmill.migrations IS 'The migrations that were applied, by number';
