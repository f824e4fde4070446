-- One row per job, written once it has ended. Fixed-width columns come first and what is mostly NULL comes last,
-- so that the row of a small job is about 150 bytes; wait and run times are derived in the view stampmill.jobs.
--
-- Partitioned by id: version 7 ids begin with the time, so that a partition is a day of jobs and old days can be
-- dropped whole. Ids of other versions are spread at random and nearly all of them fall into `early` and `late`,
-- outside the days, so that `other`, which is searched when a day is made, stays small.

-- Within one life a greater rank stands (the order of the labels is the rank); succeeded is above all.
CREATE TYPE stampmill.job_state AS ENUM ('waiting', 'dead', 'cancelled', 'succeeded');

CREATE TABLE stampmill.results (
    id           uuid NOT NULL,
    enqueued_at  timestamptz NOT NULL,
    started_at   timestamptz,
    finished_at  timestamptz NOT NULL,
    cpu_us       bigint NOT NULL,
    life         integer NOT NULL,
    attempt      integer NOT NULL,
    state        stampmill.job_state NOT NULL,
    queue        text NOT NULL,
    type         text NOT NULL,
    worker       text NOT NULL,
    result       jsonb,
    body         bytea,
    content_type text,
    error_code   text,
    error_text   text,
    tags         jsonb,
    envelope     bytea,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);

-- No ordinary index on every row: two of them cost up to half of the throughput.
CREATE INDEX results_unsucceeded ON stampmill.results (finished_at, id) WHERE state <> 'succeeded';
CREATE INDEX results_tags ON stampmill.results USING gin (tags jsonb_path_ops) WHERE tags IS NOT NULL;
CREATE INDEX results_finished ON stampmill.results USING brin (finished_at) WITH (pages_per_range = 32);

-- lz4 costs a fraction of pglz; servers built without it keep pglz.
DO $$
BEGIN
    ALTER TABLE stampmill.results ALTER COLUMN result SET COMPRESSION lz4;
    ALTER TABLE stampmill.results ALTER COLUMN body SET COMPRESSION lz4;
    ALTER TABLE stampmill.results ALTER COLUMN envelope SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END
$$;

CREATE TABLE stampmill.attempts (
    id          uuid NOT NULL,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    cpu_us      bigint NOT NULL,
    life        integer NOT NULL,
    attempt     integer NOT NULL,
    worker      text NOT NULL,
    error_code  text NOT NULL,
    error_text  text,
    PRIMARY KEY (id, life, attempt, worker)
);

-- What users read. Results stay for the retention time; while a job is unfinished it has no row here.
CREATE VIEW stampmill.jobs AS
SELECT id, queue, type, state, life, attempt, result, body, content_type, error_code, error_text,
       enqueued_at, started_at, finished_at,
       started_at - enqueued_at AS wait_time,
       finished_at - started_at AS run_time,
       cpu_us * interval '1 microsecond' AS cpu_time,
       worker, tags
FROM stampmill.results;

GRANT SELECT, INSERT, UPDATE ON stampmill.results TO stampmill_worker;
GRANT SELECT, INSERT ON stampmill.attempts TO stampmill_worker;
GRANT SELECT ON stampmill.results, stampmill.attempts, stampmill.jobs TO stampmill_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON stampmill.results, stampmill.attempts TO stampmill_admin;
GRANT SELECT ON stampmill.jobs TO stampmill_worker, stampmill_admin;

COMMENT ON TYPE stampmill.job_state IS 'How a job ended; waiting: an operator asked for another life';
COMMENT ON TABLE stampmill.results IS 'One row per ended job, as workers write it; read the view stampmill.jobs';
COMMENT ON COLUMN stampmill.results.envelope IS 'The job as it was enqueued, msgpack; kept of jobs that did not succeed';
COMMENT ON TABLE stampmill.attempts IS 'One row per failed attempt of a job';
COMMENT ON COLUMN stampmill.attempts.id IS 'The job';
COMMENT ON COLUMN stampmill.attempts.started_at IS 'When the attempt began';
COMMENT ON COLUMN stampmill.attempts.finished_at IS 'When it failed';
COMMENT ON COLUMN stampmill.attempts.cpu_us IS 'Processor time it used, microseconds';
COMMENT ON COLUMN stampmill.attempts.life IS 'From 1; one more each time an operator retries the job';
COMMENT ON COLUMN stampmill.attempts.attempt IS 'From 1 within its life';
COMMENT ON COLUMN stampmill.attempts.worker IS 'The worker process that ran it';
COMMENT ON COLUMN stampmill.attempts.error_code IS 'What failed, by its stable name';
COMMENT ON COLUMN stampmill.attempts.error_text IS 'What failed, in words';
COMMENT ON VIEW stampmill.jobs IS 'One row per ended job';
COMMENT ON COLUMN stampmill.jobs.id IS 'The job''s id, as enqueue returned it';
COMMENT ON COLUMN stampmill.jobs.queue IS 'The queue it came from';
COMMENT ON COLUMN stampmill.jobs.type IS 'What kind of job: parse.csv';
COMMENT ON COLUMN stampmill.jobs.state IS 'succeeded, dead (failed for good), cancelled, or waiting (being retried by an operator)';
COMMENT ON COLUMN stampmill.jobs.life IS 'From 1; one more each time an operator retries the job';
COMMENT ON COLUMN stampmill.jobs.attempt IS 'The attempt that ended it, from 1; 0: it never ran';
COMMENT ON COLUMN stampmill.jobs.result IS 'The structured result; NULL: the type gives none, or the job failed';
COMMENT ON COLUMN stampmill.jobs.body IS 'The result''s bytes; NULL: the type gives none, or the job failed';
COMMENT ON COLUMN stampmill.jobs.content_type IS 'What the body is: application/gzip';
COMMENT ON COLUMN stampmill.jobs.error_code IS 'Why it did not succeed, by its stable name: bad_input; NULL when it succeeded';
COMMENT ON COLUMN stampmill.jobs.error_text IS 'Why it did not succeed, in words: which field or line, what was expected';
COMMENT ON COLUMN stampmill.jobs.enqueued_at IS 'When it was enqueued';
COMMENT ON COLUMN stampmill.jobs.started_at IS 'When the last attempt began; NULL: it never ran';
COMMENT ON COLUMN stampmill.jobs.finished_at IS 'When it ended';
COMMENT ON COLUMN stampmill.jobs.wait_time IS 'From enqueue to the start of the last attempt';
COMMENT ON COLUMN stampmill.jobs.run_time IS 'From the start of the last attempt to its end';
COMMENT ON COLUMN stampmill.jobs.cpu_time IS 'Processor time used by the last attempt';
COMMENT ON COLUMN stampmill.jobs.worker IS 'The worker process that wrote this row';
COMMENT ON COLUMN stampmill.jobs.tags IS 'The tags it was enqueued with, a map of texts';
