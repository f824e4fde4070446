-- The id of an entry that was enqueued without one: layout version 7, so that it sorts by time. queue/PROTOCOL.md
-- defines it and holds test vectors; the workers compute the same.
CREATE FUNCTION stampmill.job_id(incarnation text, queue text, entry text) RETURNS uuid
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    ms    bigint := (split_part(entry, '-', 1)::numeric % 281474976710656)::bigint; -- low 48 bits
    hash  bytea := sha256(convert_to(incarnation || '/' || queue || '/' || entry, 'UTF8'));
    bytes bytea := substring(int8send(ms) FROM 3 FOR 6) || substring(hash FROM 1 FOR 10);
BEGIN
    bytes := set_byte(bytes, 6, (get_byte(bytes, 6) & 15) | 112);
    bytes := set_byte(bytes, 8, (get_byte(bytes, 8) & 63) | 128);
    RETURN encode(bytes, 'hex')::uuid;
END
$$;
REVOKE ALL ON FUNCTION stampmill.job_id(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION stampmill.job_id(text, text, text)
    TO stampmill_producer, stampmill_worker, stampmill_reader, stampmill_admin;
COMMENT ON FUNCTION stampmill.job_id(text, text, text) IS
    'The job id of a stream entry that carries none: job_id(incarnation, queue, ''1700000000000-0'')';

-- The smallest version 7 id of a moment, as a bound of partitions and of searches by time.
CREATE FUNCTION stampmill.first_id(at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT rpad(lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0'), 32, '0')::uuid
$$;
REVOKE ALL ON FUNCTION stampmill.first_id(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION stampmill.first_id(timestamptz)
    TO stampmill_producer, stampmill_worker, stampmill_reader, stampmill_admin;
COMMENT ON FUNCTION stampmill.first_id(timestamptz) IS 'The smallest version 7 id of a moment';

-- Makes the partitions of today (UTC) and of the days after it that are missing; answers how many it made. Any
-- daemon may call it at any time: one that finds another at work, or must wait more than a second for a lock, makes
-- none and says 0, for rows without a partition of their own go into `other`.
--
-- Made apart and attached: CREATE .. PARTITION OF would lock out every reader and writer of the table. Rows of the
-- day that are in `other` already (a producer's clock ran ahead) are moved, unless they are so many that moving
-- them would hold up the writers: then the day stays in `other`, which costs a slower prune and nothing else.
CREATE FUNCTION stampmill.make_partitions(days_ahead integer DEFAULT 7) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '1s'
AS $$
DECLARE
    most_moved CONSTANT integer := 10000;
    today   date := (now() AT TIME ZONE 'UTC')::date;
    day     date;
    part    text;
    low     uuid;
    high    uuid;
    early   integer;
    made    integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('stampmill.make_partitions')) THEN
        RETURN 0;
    END IF;
    FOR i IN 0 .. least(greatest(days_ahead, 0), 366) LOOP
        day := today + i;
        part := 'results_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass('stampmill.' || part) IS NOT NULL;
        low := stampmill.first_id(day::timestamp AT TIME ZONE 'UTC');
        high := stampmill.first_id((day + 1)::timestamp AT TIME ZONE 'UTC');
        BEGIN
            LOCK TABLE ONLY stampmill.results_other IN ACCESS EXCLUSIVE MODE;
            SELECT count(*) INTO early
            FROM (SELECT FROM stampmill.results_other WHERE id >= low AND id < high LIMIT most_moved + 1) AS few;
            CONTINUE WHEN early > most_moved;
            EXECUTE format('CREATE TABLE stampmill.%I (LIKE stampmill.results INCLUDING DEFAULTS INCLUDING STORAGE '
                           'INCLUDING COMPRESSION)', part);
            IF early > 0 THEN
                EXECUTE format('WITH moved AS (DELETE FROM stampmill.results_other WHERE id >= $1 AND id < $2 '
                               'RETURNING *) INSERT INTO stampmill.%I SELECT * FROM moved', part) USING low, high;
            END IF;
            EXECUTE format('ALTER TABLE stampmill.results ATTACH PARTITION stampmill.%I FOR VALUES FROM (%L) TO (%L)',
                           part, low, high);
            made := made + 1;
        EXCEPTION WHEN lock_not_available OR deadlock_detected OR duplicate_table THEN
            RETURN made;
        END;
    END LOOP;
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION stampmill.make_partitions(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION stampmill.make_partitions(integer) TO stampmill_worker, stampmill_admin;
COMMENT ON FUNCTION stampmill.make_partitions(integer) IS
    'Makes the missing partitions of stampmill.results from today on; called by the daemons';

-- Before the first day and after the last are the ids of other versions than 7.
DO $$
DECLARE
    first_day uuid := stampmill.first_id((now() AT TIME ZONE 'UTC')::date::timestamp AT TIME ZONE 'UTC');
    last_day  uuid := stampmill.first_id('2100-01-01 00:00:00+00');
BEGIN
    CREATE TABLE stampmill.results_other PARTITION OF stampmill.results DEFAULT;
    EXECUTE format('CREATE TABLE stampmill.results_early PARTITION OF stampmill.results FOR VALUES FROM (MINVALUE) '
                   'TO (%L)', first_day);
    EXECUTE format('CREATE TABLE stampmill.results_late PARTITION OF stampmill.results FOR VALUES FROM (%L) '
                   'TO (MAXVALUE)', last_day);
    PERFORM stampmill.make_partitions();
END
$$;
