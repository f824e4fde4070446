-- Ending durable jobs that have not ended: one (stampmill.cancel) or many of a queue (stampmill.purge). The cancelled
-- row is written first, or a Redis that is wiped later would bring the job back.

-- As in 0005, but planned once a session and not once a row: a body in plpgsql, and a msg() that is inlined into it.
CREATE OR REPLACE FUNCTION stampmill.msg(value text) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT '\xdb'::bytea || pg_catalog.int4send(pg_catalog.octet_length(value)) || pg_catalog.convert_to(value, 'UTF8') $$;
CREATE OR REPLACE FUNCTION stampmill.msg(value bytea) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT '\xc6'::bytea || pg_catalog.int4send(pg_catalog.octet_length(value)) || value $$;
CREATE OR REPLACE FUNCTION stampmill.msg(value bigint) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT '\xd3'::bytea || pg_catalog.int8send(value) $$;

CREATE OR REPLACE FUNCTION stampmill.envelope_of(o stampmill.outbox) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    whole CONSTANT boolean := o.bytes <= 1048576;
BEGIN
    IF o.envelope IS NOT NULL THEN
        RETURN o.envelope;
    END IF;
    RETURN (
        SELECT set_byte('\x80'::bytea, 0, 128 + count(*)::int) || string_agg(name || value, '' ORDER BY at)
        FROM (VALUES
            (1, CASE WHEN NOT whole THEN '\xab'::bytea || convert_to('x_input_cut', 'UTF8') END,
                stampmill.msg(octet_length(o.input)::bigint)),
            (2, '\xa176'::bytea, '\x01'::bytea),
            (3, stampmill.msg('id'), stampmill.msg(uuid_send(o.id))),
            (4, stampmill.msg('type'), stampmill.msg(o.type)),
            (5, stampmill.msg('args'), stampmill.msg(o.args::text)),
            (6, CASE WHEN whole THEN stampmill.msg('input') END, stampmill.msg(o.input)),
            (7, stampmill.msg('max_attempts'), stampmill.msg(o.max_attempts::bigint)),
            (8, stampmill.msg('tags'), stampmill.msg(o.tags::text)),
            (9, stampmill.msg('enqueued_ms'), stampmill.msg(floor(extract(epoch FROM o.created_at) * 1000)::bigint))
        ) AS field(at, name, value) WHERE name || value IS NOT NULL);
END
$$;

-- Ends one; false when there is no such job in the outbox, or when its terminal row stands already and only the
-- outbox did not know: then that stays as it is. With `queue` it must be of this queue, and its entry in Redis still
-- the one that was seen (NULL: none). Locks the result first, then the outbox, as retry does.
CREATE FUNCTION stampmill.end_cancelled(id uuid, by_whom text, why text, queue text DEFAULT NULL,
                                        entry_ms bigint DEFAULT NULL, entry_seq bigint DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    r stampmill.results;
    o stampmill.outbox;
BEGIN
    SELECT * INTO r FROM stampmill.results AS res WHERE res.id = end_cancelled.id FOR UPDATE;
    SELECT * INTO o FROM stampmill.outbox AS box WHERE box.id = end_cancelled.id FOR UPDATE;
    IF o.id IS NULL OR (end_cancelled.queue IS NOT NULL AND (o.queue <> end_cancelled.queue
            OR (o.entry_ms, o.entry_seq) IS DISTINCT FROM (end_cancelled.entry_ms, end_cancelled.entry_seq))) THEN
        RETURN false;
    END IF;
    DELETE FROM stampmill.outbox AS box WHERE box.id = o.id;
    IF r.state = 'succeeded' OR (r.state IN ('dead', 'cancelled') AND r.life >= o.life) THEN
        RETURN false;
    END IF;
    INSERT INTO stampmill.results AS res (id, enqueued_at, finished_at, cpu_us, life, attempt, state, queue, type, worker,
                                          error_code, error_text, tags, envelope)
    VALUES (o.id, o.created_at, now(), 0, o.life, 0, 'cancelled', o.queue, o.type, by_whom, 'cancelled', why, o.tags,
            stampmill.envelope_of(o))
    ON CONFLICT (id) DO UPDATE SET
        finished_at = excluded.finished_at, started_at = NULL, cpu_us = 0, life = excluded.life, attempt = 0,
        state = excluded.state, worker = excluded.worker, error_code = excluded.error_code,
        error_text = excluded.error_text, envelope = excluded.envelope
    WHERE res.state <> 'succeeded' AND (excluded.life, excluded.state) > (res.life, res.state);
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION stampmill.end_cancelled(uuid, text, text, text, bigint, bigint) FROM PUBLIC;

CREATE OR REPLACE FUNCTION stampmill.cancel(id uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN stampmill.end_cancelled(cancel.id, 'stampmill.cancel', 'cancelled by request');
END
$$;

-- Ends those of these jobs of a queue whose entries are still the ones that were seen; answers which. One by one in the
-- order of their ids, as batches of results are written: any other order deadlocks.
CREATE FUNCTION stampmill.purge(queue text, ids uuid[], entry_ms bigint[], entry_seq bigint[]) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    job record;
BEGIN
    FOR job IN SELECT * FROM unnest(ids, entry_ms, entry_seq) AS a(id, ms, seq) ORDER BY a.id LOOP
        IF stampmill.end_cancelled(job.id, 'stampmill.purge', 'purged with its queue', queue, job.ms, job.seq) THEN
            RETURN NEXT job.id;
        END IF;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION stampmill.purge(text, uuid[], bigint[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION stampmill.purge(text, uuid[], bigint[], bigint[]) TO stampmill_admin;

COMMENT ON FUNCTION stampmill.purge(text, uuid[], bigint[], bigint[]) IS
    'Ends durable jobs of a queue that wait, for stampmill queue purge; answers which';
