-- Pruning: results that succeeded are kept for one time, dead and cancelled ones for another; those that an operator has
-- asked to be run again are kept. Daemons call stampmill.prune again and again, one step each, until it has nothing to do.
--
-- A day whose results are old goes as a whole, by dropping its partition: what is still to be kept of it, the buried
-- for the most part, moves into `other`, where that is little. Everything else goes in batches: a day with much to keep,
-- and the ids of other versions than 7. The attempts of a job go before its result, and so does a row of the outbox that a
-- killed worker has left: without its result the job would be taken for one that Redis has lost, and run again.

-- What ended before this time was kept long enough. NULL is for ever, less than an hour an hour.
CREATE FUNCTION stampmill.old(keep interval) RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT CASE WHEN keep IS NULL THEN '-infinity' ELSE now() - greatest(keep, interval '1 hour') END $$;
REVOKE ALL ON FUNCTION stampmill.old(interval) FROM PUBLIC;

-- Deletes these results, as far as they are old, with all that belongs to them; how many.
CREATE FUNCTION stampmill.prune_ids(ids uuid[], old_result timestamptz, old_dead timestamptz) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    old uuid[];
BEGIN
    SELECT array_agg(r.id) INTO old FROM (
        SELECT id FROM stampmill.results WHERE id = ANY (ids)
          AND ((state = 'succeeded' AND finished_at < old_result)
            OR (state IN ('dead', 'cancelled') AND finished_at < old_dead)) ORDER BY id FOR UPDATE) AS r;
    DELETE FROM stampmill.attempts WHERE id = ANY (old);
    PERFORM FROM stampmill.outbox WHERE id = ANY (old) ORDER BY id FOR UPDATE;
    DELETE FROM stampmill.outbox WHERE id = ANY (old);
    DELETE FROM stampmill.results WHERE id = ANY (old);
    RETURN coalesce(cardinality(old), 0);
END
$$;
REVOKE ALL ON FUNCTION stampmill.prune_ids(uuid[], timestamptz, timestamptz) FROM PUBLIC;

-- Of one partition: a batch of results that succeeded. Found by the BRIN index, in the order of the pages.
CREATE FUNCTION stampmill.prune_some(part text, old_result timestamptz, most integer) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    ids uuid[];
BEGIN
    EXECUTE format('SELECT array_agg(few.id) FROM (SELECT id FROM stampmill.%I WHERE state = ''succeeded'' '
                   'AND finished_at < $1 LIMIT $2) AS few', part) INTO ids USING old_result, most;
    RETURN stampmill.prune_ids(ids, old_result, '-infinity');
END
$$;
REVOKE ALL ON FUNCTION stampmill.prune_some(text, timestamptz, integer) FROM PUBLIC;

-- True when what is to be kept of a partition is little enough to be moved.
CREATE FUNCTION stampmill.little_to_keep(part text, old_result timestamptz, old_dead timestamptz) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    most_rows  CONSTANT integer := 1000;
    most_bytes CONSTANT integer := 16777216;
    n     bigint;
    bytes bigint;
BEGIN
    EXECUTE format(
        'SELECT count(*), coalesce(sum(size), 0) FROM ('
        '(SELECT coalesce(pg_column_size(result), 0) + coalesce(pg_column_size(body), 0) AS size FROM stampmill.%1$I '
        'WHERE state = ''succeeded'' AND finished_at >= $1 LIMIT $3) UNION ALL '
        '(SELECT coalesce(pg_column_size(envelope), 0) + coalesce(pg_column_size(error_text), 0) FROM stampmill.%1$I '
        'WHERE state <> ''succeeded'' AND (finished_at >= $2 OR state = ''waiting'') LIMIT $3)) AS kept', part)
        INTO n, bytes USING old_result, old_dead, most_rows + 1;
    RETURN n <= most_rows AND bytes <= most_bytes;
END
$$;
REVOKE ALL ON FUNCTION stampmill.little_to_keep(text, timestamptz, timestamptz) FROM PUBLIC;

-- One step towards the end of a day's partition; how many rows of what, or 0 when nothing can be done now.
CREATE FUNCTION stampmill.prune_day(part text, day date, old_result timestamptz, old_dead timestamptz, most integer,
                                    OUT what text, OUT pruned bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    low  CONSTANT uuid := stampmill.first_id(day::timestamp AT TIME ZONE 'UTC');
    high CONSTANT uuid := stampmill.first_id((day + 1)::timestamp AT TIME ZONE 'UTC');
    gone CONSTANT text := '((p.state = ''succeeded'' AND p.finished_at < $1) OR (p.state IN (''dead'', ''cancelled'') '
                          'AND p.finished_at < $2))';
BEGIN
    pruned := 0;
    IF NOT stampmill.little_to_keep(part, old_result, old_dead) THEN
        IF (day + 3)::timestamp AT TIME ZONE 'UTC' < old_result THEN -- what comes late is not so much later
            what := 'results';
            pruned := stampmill.prune_some(part, old_result, most);
        END IF;
        RETURN;
    END IF;
    what := 'attempts';
    EXECUTE format('DELETE FROM stampmill.attempts WHERE ctid = ANY (ARRAY(SELECT a.ctid FROM stampmill.attempts AS a '
                   'WHERE a.id >= $3 AND a.id < $4 AND EXISTS (SELECT FROM stampmill.%I AS p WHERE p.id = a.id AND '
                   || gone || ') LIMIT $5))', part) USING old_result, old_dead, low, high, most;
    GET DIAGNOSTICS pruned = ROW_COUNT;
    IF pruned > 0 THEN
        RETURN;
    END IF;
    what := 'outbox';
    EXECUTE format('WITH mine AS MATERIALIZED (SELECT o.id FROM stampmill.outbox AS o, stampmill.%I AS p WHERE o.id >= $3 '
                   'AND o.id < $4 AND p.id = o.id AND ' || gone || ' ORDER BY o.id LIMIT $5 FOR UPDATE OF o) '
                   'DELETE FROM stampmill.outbox AS o USING mine AS m WHERE o.id = m.id', part)
        USING old_result, old_dead, low, high, most;
    GET DIAGNOSTICS pruned = ROW_COUNT;
    IF pruned > 0 THEN
        RETURN;
    END IF;
    what := part;
    EXECUTE format('ALTER TABLE stampmill.results DETACH PARTITION stampmill.%I', part);
    IF NOT stampmill.little_to_keep(part, old_result, old_dead) THEN
        RAISE EXCEPTION 'changed meanwhile' USING ERRCODE = 'lock_not_available';
    END IF;
    SELECT greatest(reltuples, 1)::bigint INTO pruned FROM pg_class WHERE oid = format('stampmill.%I', part)::regclass;
    EXECUTE format('INSERT INTO stampmill.results SELECT * FROM stampmill.%I AS p WHERE NOT ' || gone, part)
        USING old_result, old_dead;
    EXECUTE format('DROP TABLE stampmill.%I', part);
END
$$;
REVOKE ALL ON FUNCTION stampmill.prune_day(text, date, timestamptz, timestamptz, integer) FROM PUBLIC;

-- One step: `what` is `results`, `attempts` or `outbox`, of which `pruned` rows were deleted, or the name of a partition
-- that was dropped, with about so many rows. NULL: there is nothing to do; `busy`: somebody else is at it, or holds a
-- lock.
CREATE FUNCTION stampmill.prune(results_keep interval, dead_keep interval, OUT what text, OUT pruned bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '1s'
AS $$
DECLARE
    most       CONSTANT integer := 1000;
    old_result CONSTANT timestamptz := stampmill.old(results_keep);
    old_dead   CONSTANT timestamptz := stampmill.old(dead_keep);
    part       record;
BEGIN
    pruned := 0;
    IF NOT pg_try_advisory_xact_lock(hashtext('stampmill.prune')) THEN
        what := 'busy';
        RETURN;
    END IF;
    FOR part IN SELECT c.relname::text AS name, to_date(right(c.relname, 8), 'YYYYMMDD') AS day
                FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
                WHERE i.inhparent = 'stampmill.results'::regclass AND c.relname ~ '^results_\d{8}$' ORDER BY 1 LOOP
        EXIT WHEN (part.day + 1)::timestamp AT TIME ZONE 'UTC' > old_result;
        SELECT * INTO what, pruned FROM stampmill.prune_day(part.name, part.day, old_result, old_dead, most);
        IF pruned > 0 THEN
            RETURN;
        END IF;
    END LOOP;
    what := 'results';
    pruned := stampmill.prune_ids(ARRAY(
        SELECT id FROM stampmill.results WHERE state <> 'succeeded' AND state <> 'waiting' AND finished_at < old_dead
        ORDER BY finished_at, id LIMIT most), '-infinity', old_dead);
    FOR part IN SELECT unnest(ARRAY['results_early', 'results_late', 'results_other']) AS name LOOP
        EXIT WHEN pruned > 0;
        pruned := stampmill.prune_some(part.name, old_result, most);
    END LOOP;
    IF pruned = 0 THEN
        what := NULL;
    END IF;
EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
    what := 'busy';
    pruned := 0;
END
$$;
REVOKE ALL ON FUNCTION stampmill.prune(interval, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION stampmill.prune(interval, interval) TO stampmill_worker, stampmill_admin;

-- How many results it would delete; reads them all.
CREATE FUNCTION stampmill.prunable(results_keep interval, dead_keep interval) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT (SELECT count(*) FROM stampmill.results WHERE state = 'succeeded'
              AND finished_at < stampmill.old(results_keep))
         + (SELECT count(*) FROM stampmill.results WHERE state IN ('dead', 'cancelled')
              AND finished_at < stampmill.old(dead_keep))
$$;
REVOKE ALL ON FUNCTION stampmill.prunable(interval, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION stampmill.prunable(interval, interval) TO stampmill_admin, stampmill_reader;

COMMENT ON FUNCTION stampmill.prune(interval, interval) IS
    'One step of pruning results older than this, and dead or cancelled ones; called by the daemons';
COMMENT ON FUNCTION stampmill.prunable(interval, interval) IS 'How many results stampmill.prune would delete';
