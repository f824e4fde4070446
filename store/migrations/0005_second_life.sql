-- Second life: an operator has a job that ended run again, or ends one that has not. One transaction each; whatever
-- stale workers write meanwhile is settled by (life, rank).
--
-- SQLSTATE SM404: there is no such job. SM409: its state does not allow it.

-- Why a row cannot be retried; NULL when it can. A whole envelope begins with its version; one that was cut begins
-- with the name of what is missing, and what is kept of an entry that could not be read is no envelope.
CREATE FUNCTION stampmill.why_not_retried(r stampmill.results, life integer) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN r.state = 'succeeded' THEN
            'has succeeded, and a result never changes; enqueue it again under a new id'
        WHEN r.state = 'waiting' THEN
            'is being retried already: life ' || r.life || ' has not ended'
        WHEN r.life <> why_not_retried.life THEN
            'is in life ' || r.life || ' by now, not ' || why_not_retried.life || ': another has retried it'
        WHEN r.life >= 1000000 THEN 'has had all its lives'
        WHEN r.envelope IS NULL THEN 'was kept without its envelope; enqueue it again under a new id'
        WHEN substring(r.envelope FROM 2 FOR 1) IN ('\xaa', '\xab') THEN
            'was over 1 MiB, and its envelope is kept cut; enqueue it again under a new id'
        WHEN substring(r.envelope FROM 2 FOR 2) <> '\xa176'
             OR (r.attempt = 0 AND r.error_code IN ('bad_envelope', 'too_large', 'unsupported')) THEN
            'could not be read as it was enqueued (' || coalesce(r.error_code, '?') || '); enqueue it again, corrected'
    END
$$;
REVOKE ALL ON FUNCTION stampmill.why_not_retried(stampmill.results, integer) FROM PUBLIC;

-- Gives a dead or cancelled job another life and answers its number. `args` stands instead of the job's own; `life`
-- is the one that is to be ended, where two may ask at once. How the last life ended stays in stampmill.attempts.
CREATE FUNCTION stampmill.retry(id uuid, args jsonb DEFAULT NULL, life integer DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    r   stampmill.results;
    why text;
BEGIN
    SELECT * INTO r FROM stampmill.results AS res WHERE res.id = retry.id FOR UPDATE;
    IF NOT FOUND AND EXISTS (SELECT FROM stampmill.outbox AS o WHERE o.id = retry.id) THEN
        RAISE EXCEPTION '% has not ended', retry.id USING ERRCODE = 'SM409';
    ELSIF r.id IS NULL THEN
        RAISE EXCEPTION '%: no job by this id has ended', retry.id USING ERRCODE = 'SM404';
    END IF;
    why := stampmill.why_not_retried(r, retry.life);
    IF why IS NOT NULL THEN
        RAISE EXCEPTION '% %', retry.id, why USING ERRCODE = 'SM409';
    END IF;
    IF retry.args IS NOT NULL THEN
        PERFORM stampmill.check_args(retry.args);
    END IF;
    INSERT INTO stampmill.attempts (id, started_at, finished_at, cpu_us, life, attempt, worker, error_code, error_text)
    VALUES (r.id, coalesce(r.started_at, r.finished_at), r.finished_at, r.cpu_us, r.life, r.attempt, r.worker,
            coalesce(r.error_code, r.state::text), r.error_text)
    ON CONFLICT DO NOTHING;
    UPDATE stampmill.results AS res SET life = r.life + 1, state = 'waiting' WHERE res.id = r.id;
    INSERT INTO stampmill.outbox (id, created_at, due_at, bytes, life, queue, type, args, envelope)
    VALUES (r.id, r.enqueued_at, now(), octet_length(r.envelope) + coalesce(octet_length(retry.args::text), 0) + 64,
            r.life + 1, r.queue, r.type, retry.args, r.envelope)
    ON CONFLICT ON CONSTRAINT outbox_pkey DO UPDATE SET
        due_at = excluded.due_at, asked_at = NULL, entry_ms = NULL, entry_seq = NULL, bytes = excluded.bytes,
        life = excluded.life, max_attempts = NULL, epoch = NULL, args = excluded.args, tags = NULL, input = NULL,
        envelope = excluded.envelope, created_at = excluded.created_at;
    PERFORM stampmill.wake_relay();
    RETURN r.life + 1;
END
$$;
REVOKE ALL ON FUNCTION stampmill.retry(uuid, jsonb, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION stampmill.retry(uuid, jsonb, integer) TO stampmill_admin;

-- Msgpack: a text, and bytes.
CREATE FUNCTION stampmill.msg(value text) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$ SELECT '\xdb'::bytea || int4send(octet_length(value)) || convert_to(value, 'UTF8') $$;
CREATE FUNCTION stampmill.msg(value bytea) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$ SELECT '\xc6'::bytea || int4send(octet_length(value)) || value $$;
CREATE FUNCTION stampmill.msg(value bigint) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$ SELECT '\xd3'::bytea || int8send(value) $$;
REVOKE ALL ON FUNCTION stampmill.msg(text), stampmill.msg(bytea), stampmill.msg(bigint) FROM PUBLIC;

-- The envelope that is kept of a durable job which ended without a worker having had it: as a worker would keep it,
-- without the input where that makes it more than 1 MiB.
CREATE FUNCTION stampmill.envelope_of(o stampmill.outbox) RETURNS bytea
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN o.envelope IS NOT NULL THEN o.envelope ELSE (
        SELECT set_byte('\x80'::bytea, 0, 128 + count(*)::int) || string_agg(name || value, '' ORDER BY at)
        FROM (VALUES
            (1, CASE WHEN o.bytes > 1048576 THEN '\xab'::bytea || convert_to('x_input_cut', 'UTF8') END,
                stampmill.msg(octet_length(o.input)::bigint)),
            (2, '\xa176'::bytea, '\x01'::bytea),
            (3, stampmill.msg('id'), stampmill.msg(uuid_send(o.id))),
            (4, stampmill.msg('type'), stampmill.msg(o.type)),
            (5, stampmill.msg('args'), stampmill.msg(o.args::text)),
            (6, CASE WHEN o.bytes <= 1048576 THEN stampmill.msg('input') END, stampmill.msg(o.input)),
            (7, stampmill.msg('max_attempts'), stampmill.msg(o.max_attempts::bigint)),
            (8, stampmill.msg('tags'), stampmill.msg(o.tags::text)),
            (9, stampmill.msg('enqueued_ms'), stampmill.msg(floor(extract(epoch FROM o.created_at) * 1000)::bigint))
        ) AS field(at, name, value) WHERE name || value IS NOT NULL) END
$$;
REVOKE ALL ON FUNCTION stampmill.envelope_of(stampmill.outbox) FROM PUBLIC;

-- Ends a durable job that has not ended, whether a worker has it or not: its cancelled row is written first, or a
-- Redis that is wiped later would bring it back. False when there is no such job, because it has ended or because it
-- is not durable. A result that is being computed still wins; what is in Redis is dropped by stampmill job cancel.
CREATE FUNCTION stampmill.cancel(id uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    o stampmill.outbox;
BEGIN
    PERFORM FROM stampmill.results AS res WHERE res.id = cancel.id FOR UPDATE; -- in the order of retry
    SELECT * INTO o FROM stampmill.outbox AS box WHERE box.id = cancel.id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO stampmill.results AS r (id, enqueued_at, finished_at, cpu_us, life, attempt, state, queue, type, worker,
                                        error_code, error_text, tags, envelope)
    VALUES (o.id, o.created_at, now(), 0, o.life, 0, 'cancelled', o.queue, o.type, 'stampmill.cancel', 'cancelled',
            'cancelled by request', o.tags, stampmill.envelope_of(o))
    ON CONFLICT (id) DO UPDATE SET
        finished_at = excluded.finished_at, started_at = NULL, cpu_us = 0, life = excluded.life, attempt = 0,
        state = excluded.state, worker = excluded.worker, error_code = excluded.error_code,
        error_text = excluded.error_text, envelope = excluded.envelope
    WHERE r.state <> 'succeeded' AND (excluded.life, excluded.state) > (r.life, r.state);
    DELETE FROM stampmill.outbox AS box WHERE box.id = o.id;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION stampmill.cancel(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION stampmill.cancel(uuid) TO stampmill_admin;

COMMENT ON FUNCTION stampmill.retry(uuid, jsonb, integer) IS
    'Gives a dead or cancelled job another life, perhaps with other arguments, and answers its number';
COMMENT ON FUNCTION stampmill.cancel(uuid) IS 'Ends a durable job that has not ended; false when there is none';
