"""A record of every write to stampmill.results, made by triggers in a schema of the test's own: who was inserted by
which transaction, and what an UPDATE changed; and of durable jobs that were made due again although their result was
there to see."""

SETUP = """
CREATE SCHEMA chaos;
CREATE TABLE chaos.written (id uuid, xid xid, old_state text, new_state text, same boolean,
                            at timestamptz DEFAULT clock_timestamp());
CREATE FUNCTION chaos.inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos.written SELECT id, pg_current_xact_id()::xid, NULL, state::text, NULL FROM fresh;
    RETURN NULL;
END $$;
CREATE FUNCTION chaos.changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos.written
        VALUES (old.id, pg_current_xact_id()::xid, old.state::text,
                CASE WHEN TG_OP = 'DELETE' THEN 'deleted' ELSE new.state::text END,
                CASE WHEN TG_OP = 'DELETE' THEN false ELSE old IS NOT DISTINCT FROM new END);
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_inserted AFTER INSERT ON stampmill.results REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION chaos.inserted();
CREATE TRIGGER chaos_changed AFTER UPDATE OR DELETE ON stampmill.results
    FOR EACH ROW EXECUTE FUNCTION chaos.changed();

CREATE TABLE chaos.revived (id uuid, life integer);
-- STABLE: it sees what the statement that fires the trigger could see, and nothing newer
CREATE FUNCTION chaos.has_ended(job uuid, of_life integer) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM stampmill.results AS r WHERE r.id = job AND (r.state = 'succeeded'
                   OR (r.state IN ('dead', 'cancelled') AND r.life >= of_life)));
END $$;
CREATE FUNCTION chaos.was_revived() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos.revived VALUES (new.id, new.life);
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_revived AFTER UPDATE ON stampmill.outbox FOR EACH ROW
    WHEN (old.epoch IS NOT NULL AND new.epoch IS NULL AND chaos.has_ended(new.id, new.life))
    EXECUTE FUNCTION chaos.was_revived();
"""


def set_up(pg):
    pg.query(SETUP)


# durable jobs that have not ended; rows of ended ones may stay a while after a kill
WAITING = """
SELECT count(*) FROM stampmill.outbox AS o WHERE NOT EXISTS (
    SELECT FROM stampmill.results AS r
    WHERE r.id = o.id AND (r.state = 'succeeded' OR (r.state IN ('dead', 'cancelled') AND r.life >= o.life)))
"""

ROWS = """
SELECT id, queue, type, state, attempt, life, result, encode(sha256(body), 'hex'), error_code,
       extract(epoch FROM started_at), extract(epoch FROM finished_at), worker
FROM stampmill.results
"""


class Row:
    __slots__ = ("id", "queue", "type", "state", "attempt", "life", "result", "body", "error", "started", "finished",
                 "worker")

    def __init__(self, values):
        (self.id, self.queue, self.type, self.state, attempt, life, self.result, self.body, self.error, started,
         finished, self.worker) = values
        self.attempt, self.life = int(attempt), int(life)
        self.started = None if started is None else float(started)
        self.finished = None if finished is None else float(finished)


def rows(pg):
    return {values[0]: Row(values) for values in pg.query(ROWS)}


def attempts(pg):
    """Of each job, by start: (life, attempt, error code, started, finished, worker)."""
    found = {}
    for job, life, attempt, code, started, finished, worker in pg.query(
            "SELECT id, life, attempt, error_code, extract(epoch FROM started_at), extract(epoch FROM finished_at), "
            "worker FROM stampmill.attempts ORDER BY started_at"):
        found.setdefault(job, []).append((int(life), int(attempt), code, float(started), float(finished), worker))
    return found


def revived(pg):
    return [(job, int(life)) for job, life in pg.query("SELECT id, life FROM chaos.revived LIMIT 100")]


def changed_successes(pg):
    return pg.query("SELECT id, new_state, at FROM chaos.written WHERE old_state = 'succeeded' AND NOT same LIMIT 100")


def first_cancelled(pg):
    """When a job's cancelled row was first written."""
    return {job: float(at) for job, at in pg.query(
        "SELECT id, min(extract(epoch FROM at)) FROM chaos.written WHERE new_state = 'cancelled' GROUP BY id")}


def first_commits(pg):
    """When the transaction that first wrote a job's row was committed, by PostgreSQL's own record."""
    return {job: float(at) for job, at in pg.query(
        "SELECT id, min(extract(epoch FROM pg_xact_commit_timestamp(xid))) FROM chaos.written "
        "WHERE old_state IS NULL GROUP BY id") if at is not None}
