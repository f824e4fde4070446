-- Ending durable jobs that have not ended: one (stampmill.cancel) or many of a queue (stampmill.purge). The cancelled
-- row is written first, or a Redis that is wiped later would bring the job back.

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
