-- Durable enqueue: a job is a row written in the caller's own transaction. A relay (any daemon) adds it to its
-- queue's stream in Redis and notes the entry; the row stays until the job's terminal row stands, so that whatever
-- Redis loses can be added again. stampmill.enqueue is the only way in.

-- Which database a Redis belongs to: written into sm:{Q}:meta as `home` by the first that relays.
CREATE TABLE stampmill.home (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    id  text NOT NULL
);
INSERT INTO stampmill.home (id) VALUES (replace(gen_random_uuid()::text, '-', ''));

-- Each stretch of a queue's life in Redis over which nothing can have been lost: one incarnation in one run of the
-- server. Rows of the outbox name the epoch that they were last seen in; those of any other but the newest are
-- asked after. A doubted one was caught having lost an entry.
CREATE TABLE stampmill.epochs (
    epoch       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    seen_at     timestamptz NOT NULL DEFAULT now(),
    doubted     boolean NOT NULL DEFAULT false,
    queue       text NOT NULL,
    incarnation text NOT NULL,
    run_id      text NOT NULL
);
CREATE UNIQUE INDEX epochs_current ON stampmill.epochs (queue, incarnation, run_id) WHERE NOT doubted;

CREATE TABLE stampmill.outbox (
    id           uuid NOT NULL,
    created_at   timestamptz NOT NULL,
    due_at       timestamptz NOT NULL,
    asked_at     timestamptz, -- when Redis was last known to hold the entry
    entry_ms     bigint,
    entry_seq    bigint,
    bytes        integer NOT NULL, -- about what it takes in Redis
    life         integer NOT NULL,
    max_attempts integer,
    epoch        integer, -- NULL: not in Redis
    queue        text NOT NULL,
    type         text NOT NULL,
    args         jsonb, -- NULL: those of the envelope
    tags         jsonb,
    input        bytea,
    envelope     bytea, -- of a retried job: as it was enqueued; args above stands instead of its own
    CONSTRAINT outbox_pkey PRIMARY KEY (id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_insert_scale_factor = 0.2);
CREATE INDEX outbox_due ON stampmill.outbox (due_at, id) WHERE epoch IS NULL;
CREATE INDEX outbox_relayed ON stampmill.outbox (epoch, asked_at) WHERE epoch IS NOT NULL;

GRANT SELECT ON stampmill.home TO stampmill_worker, stampmill_admin;
GRANT SELECT, INSERT, UPDATE, DELETE ON stampmill.epochs TO stampmill_worker;
GRANT SELECT, UPDATE, DELETE ON stampmill.outbox TO stampmill_worker;
GRANT SELECT ON stampmill.outbox, stampmill.epochs TO stampmill_reader, stampmill_admin;

-- Wakes the relay when it sleeps, and only then: a NOTIFY in every transaction would make all commits of the database
-- stand in line. The relay that sleeps holds the lock alone; whoever gets it shared, until the end of his transaction,
-- knows that it cannot fall asleep before his row can be seen.
CREATE FUNCTION stampmill.wake_relay() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock_shared(1397575490, 2) THEN
        PERFORM pg_notify('stampmill_outbox', '');
    END IF;
END
$$;
REVOKE ALL ON FUNCTION stampmill.wake_relay() FROM PUBLIC;

-- A new version 7 id.
CREATE FUNCTION stampmill.new_id() RETURNS uuid
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    ms    bigint := floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint;
    bytes bytea := substring(int8send(ms) FROM 3 FOR 6) || substring(uuid_send(gen_random_uuid()) FROM 7 FOR 10);
BEGIN
    RETURN encode(set_byte(bytes, 6, (get_byte(bytes, 6) & 15) | 112), 'hex')::uuid;
END
$$;
REVOKE ALL ON FUNCTION stampmill.new_id() FROM PUBLIC;

-- What queue/fields.def bounds, with the field's name in the message.
CREATE FUNCTION stampmill.check_args(args jsonb) RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    size integer := octet_length(args::text);
BEGIN
    IF jsonb_typeof(args) <> 'object' THEN
        RAISE EXCEPTION 'args: must be a map, not %', jsonb_typeof(args) USING ERRCODE = '22023';
    ELSIF size > 1048576 THEN
        RAISE EXCEPTION 'args: % bytes, at most 1048576; put large data into input', size USING ERRCODE = '22023';
    ELSIF size > 128 AND jsonb_path_exists(args, 'strict $.**{64} ? (@.type() == "object" || @.type() == "array")') THEN
        RAISE EXCEPTION 'args: nested too deep, at most 64' USING ERRCODE = '22023';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION stampmill.check_args(jsonb) FROM PUBLIC;

CREATE FUNCTION stampmill.check_tags(tags jsonb) RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    tag   record;
    count integer := 0;
BEGIN
    IF jsonb_typeof(tags) <> 'object' THEN
        RAISE EXCEPTION 'tags: must be a map of texts, not %', jsonb_typeof(tags) USING ERRCODE = '22023';
    END IF;
    FOR tag IN SELECT key, value FROM jsonb_each(tags) LOOP
        count := count + 1;
        IF count > 16 THEN
            RAISE EXCEPTION 'tags: at most 16' USING ERRCODE = '22023';
        ELSIF octet_length(tag.key) NOT BETWEEN 1 AND 256 THEN
            RAISE EXCEPTION 'tags: a key has % bytes, must be 1 to 256', octet_length(tag.key) USING ERRCODE = '22023';
        ELSIF jsonb_typeof(tag.value) <> 'string' OR octet_length(tag.value #>> '{}') > 256 THEN
            RAISE EXCEPTION 'tags: "%" must be a text of at most 256 bytes', left(tag.key, 40) USING ERRCODE = '22023';
        END IF;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION stampmill.check_tags(jsonb) FROM PUBLIC;

CREATE FUNCTION stampmill.check_job(queue text, type text, input bytea, run_at timestamptz, max_attempts integer, id uuid)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF queue IS NULL OR queue !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' THEN
        RAISE EXCEPTION 'queue: "%" must be 1 to 64 of a-z A-Z 0-9 . _ -, the first a letter or digit',
            coalesce(left(queue, 80), '') USING ERRCODE = '22023';
    ELSIF type IS NULL OR type !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' THEN
        RAISE EXCEPTION 'type: "%" must be 1 to 64 of a-z A-Z 0-9 . _ -, the first a letter or digit',
            coalesce(left(type, 80), '') USING ERRCODE = '22023';
    ELSIF octet_length(input) > 16777216 THEN
        RAISE EXCEPTION 'input: % bytes, at most 16777216', octet_length(input) USING ERRCODE = '22023';
    ELSIF run_at NOT BETWEEN '1970-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999+00' THEN
        RAISE EXCEPTION 'run_at: % must be between the years 1970 and 9999', run_at USING ERRCODE = '22023';
    ELSIF max_attempts NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'max_attempts: % is out of bounds, 1 to 1000', max_attempts USING ERRCODE = '22023';
    ELSIF id = '00000000-0000-0000-0000-000000000000' THEN
        RAISE EXCEPTION 'id: must not be the nil UUID' USING ERRCODE = '22023';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION stampmill.check_job(text, text, bytea, timestamptz, integer, uuid) FROM PUBLIC;

-- Enqueues a job in the caller's transaction: committed, it will run; rolled back, it never was. An id that is known
-- already, as an unfinished durable job or as a result, is not enqueued again: the call answers the id and does
-- nothing, so that a producer may repeat a transaction whose outcome it does not know.
CREATE FUNCTION stampmill.enqueue(queue text, type text, args jsonb DEFAULT '{}', input bytea DEFAULT NULL,
                                  run_at timestamptz DEFAULT NULL, max_attempts integer DEFAULT NULL,
                                  tags jsonb DEFAULT NULL, id uuid DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    job  uuid := coalesce(enqueue.id, stampmill.new_id());
    size integer;
BEGIN
    enqueue.args := coalesce(enqueue.args, '{}');
    PERFORM stampmill.check_job(enqueue.queue, enqueue.type, enqueue.input, enqueue.run_at, enqueue.max_attempts, job);
    PERFORM stampmill.check_args(enqueue.args);
    IF enqueue.tags IS NOT NULL THEN
        PERFORM stampmill.check_tags(enqueue.tags);
    END IF;
    IF enqueue.id IS NOT NULL AND EXISTS (SELECT FROM stampmill.results AS r WHERE r.id = job) THEN
        RETURN job;
    END IF;
    size := coalesce(octet_length(enqueue.input), 0) + octet_length(enqueue.args::text) + 256;
    INSERT INTO stampmill.outbox (id, created_at, due_at, bytes, life, max_attempts, queue, type, args, tags, input)
    VALUES (job, now(), greatest(enqueue.run_at, now()), size, 1, enqueue.max_attempts, enqueue.queue, enqueue.type,
            enqueue.args, enqueue.tags, enqueue.input)
    ON CONFLICT ON CONSTRAINT outbox_pkey DO NOTHING;
    PERFORM stampmill.wake_relay();
    RETURN job;
END
$$;
REVOKE ALL ON FUNCTION stampmill.enqueue(text, text, jsonb, bytea, timestamptz, integer, jsonb, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION stampmill.enqueue(text, text, jsonb, bytea, timestamptz, integer, jsonb, uuid)
    TO stampmill_producer;

-- The epoch of a queue as it is in Redis now; made when it is seen for the first time.
CREATE FUNCTION stampmill.epoch_of(queue text, incarnation text, run_id text) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    found_epoch integer;
BEGIN
    LOOP
        SELECT e.epoch INTO found_epoch FROM stampmill.epochs AS e
        WHERE e.queue = epoch_of.queue AND e.incarnation = epoch_of.incarnation AND e.run_id = epoch_of.run_id
          AND NOT e.doubted;
        EXIT WHEN found_epoch IS NOT NULL;
        INSERT INTO stampmill.epochs (queue, incarnation, run_id)
        VALUES (epoch_of.queue, epoch_of.incarnation, epoch_of.run_id)
        ON CONFLICT DO NOTHING;
    END LOOP;
    RETURN found_epoch;
END
$$;
REVOKE ALL ON FUNCTION stampmill.epoch_of(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION stampmill.epoch_of(text, text, text) TO stampmill_worker;

-- What relays read goes by the two partial indexes, in their order, whatever the statistics say: these change within
-- seconds from all rows waiting to none, and a plan that sorts a backlog of a million for each batch never ends it.

-- Locks rows that are due within a minute, oldest first: at most `most`, about `budget` bytes and at least one row,
-- of no queue in `but`. The join compares lives: a retry may have put another in its place since the snapshot.
CREATE FUNCTION stampmill.take_due(most bigint, budget bigint, but text[])
RETURNS TABLE (id uuid, life integer, max_attempts integer, created_at timestamptz, due_at timestamptz, queue text, type text,
               args text, tags text, input bytea, envelope bytea)
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
    WITH due AS MATERIALIZED (
        SELECT o.id, o.life, o.due_at, o.bytes FROM stampmill.outbox AS o
        WHERE o.epoch IS NULL AND o.due_at <= now() + interval '1 minute' AND o.queue <> ALL (but)
        ORDER BY o.due_at, o.id LIMIT most FOR UPDATE SKIP LOCKED
    ), fit AS (
        SELECT d.id, d.life, d.due_at, sum(d.bytes) OVER (ORDER BY d.due_at, d.id) - d.bytes AS before FROM due AS d
    )
    SELECT o.id, o.life, o.max_attempts, o.created_at, o.due_at, o.queue, o.type, o.args::text, o.tags::text, o.input,
           o.envelope
    FROM fit AS f JOIN stampmill.outbox AS o ON o.id = f.id AND o.life = f.life
    WHERE f.before < budget ORDER BY f.due_at, f.id
$$;
REVOKE ALL ON FUNCTION stampmill.take_due(bigint, bigint, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION stampmill.take_due(bigint, bigint, text[]) TO stampmill_worker;

-- Rows of an epoch that were last asked after at least `silent_ms` ago, longest ago first.
CREATE FUNCTION stampmill.silent_rows(epoch integer, silent_ms bigint, most bigint)
RETURNS TABLE (id uuid, life integer, entry_ms bigint, entry_seq bigint, bytes integer)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
AS $$
    SELECT o.id, o.life, o.entry_ms, o.entry_seq, o.bytes FROM stampmill.outbox AS o
    WHERE o.epoch = silent_rows.epoch AND o.asked_at <= now() - silent_ms * interval '1 millisecond'
    ORDER BY o.asked_at LIMIT most
$$;
REVOKE ALL ON FUNCTION stampmill.silent_rows(integer, bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION stampmill.silent_rows(integer, bigint, bigint) TO stampmill_worker;

COMMENT ON TABLE stampmill.home IS 'The one id by which this database knows its Redis';
COMMENT ON TABLE stampmill.epochs IS 'Stretches of a queue''s life in Redis over which nothing can have been lost';
COMMENT ON TABLE stampmill.outbox IS 'Durable jobs that have not ended; written by stampmill.enqueue';
COMMENT ON FUNCTION stampmill.enqueue(text, text, jsonb, bytea, timestamptz, integer, jsonb, uuid) IS
    'Enqueues a job in the caller''s transaction and answers its id';
