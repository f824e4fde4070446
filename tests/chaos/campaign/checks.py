"""The history, checked after the drain. Each check is a function that yields violations in words."""
import json

from . import history
from .jobs import ACCEPTED, REFUSED, UNKNOWN, derived_id

EARLY_S = 0.003         # clocks are read at different moments, in whole milliseconds


class Evidence:
    """All that is known after the drain."""

    def __init__(self, world):
        self.world = world
        pg = world.servers.pg(timeout=120)
        self.rows, self.attempts = history.rows(pg), history.attempts(pg)
        self.changed, self.commits = history.changed_successes(pg), history.first_commits(pg)
        pg.close()
        self.jobs = [job for producer in world.producers for job in producer.jobs]
        self.ids = self._ids()

    def _ids(self):
        """Which ids a job's rows may have: its own, or one derived from each of its entries."""
        known = {}
        for job in self.jobs:
            names = [job.id] if job.id else [derived_id(self.world.incarnations[job.queue], job.queue, entry)
                                             for entry in job.entries]
            for name in names:
                known[name] = job
        return known

    def row(self, job):
        if job.id:
            return self.rows.get(job.id)
        for entry in job.entries:
            found = self.rows.get(derived_id(self.world.incarnations[job.queue], job.queue, entry))
            if found:
                return found
        return None

    def lost_by_redis(self, job, acked=None):
        """Every acknowledgement it had (or this one) fell into a window that Redis lost."""
        return not job.durable and bool(job.acked) and all(
            any(begin <= at <= end for begin, end in self.world.losses)
            for at in (job.acked if acked is None else [acked]))


def every_accepted_job_has_its_row(e):
    for job in e.jobs:
        if job.state == ACCEPTED and e.row(job) is None and not e.lost_by_redis(job):
            yield f"lost: job {job.n} ({job.kind}, {job.id or 'derived id'}, entries {job.queue}/{job.entries}) has no row"


def every_row_has_its_job(e):
    arrived = {content(job.want) for job in e.jobs if job.id is None and job.state == UNKNOWN}
    for row in e.rows.values():
        job = e.ids.get(row.id)
        if job is None and content(row) in arrived:
            continue        # its XADD was not answered, and arrived; the id was made of an entry that nobody knows
        if job is None:
            yield f"foreign: row {row.id} ({row.type}, {row.state}) is of no job that was enqueued"
        elif job.state == REFUSED:
            yield f"foreign: row {row.id} is of job {job.n}, which Redis refused"


def content(row):
    """Of a row, or of the row that a job wants."""
    return row.state, canonical(row.result), row.body, row.error


def canonical(text):
    return None if text is None else json.dumps(json.loads(text), sort_keys=True)


def every_content_is_right(e):
    for job in e.jobs:
        row, want = e.row(job), job.want
        if row is None:
            continue
        for what, got, expected in (("state", row.state, want.state), ("queue", row.queue, job.queue),
                                    ("result", canonical(row.result), want.result), ("body", row.body, want.body),
                                    ("error", row.error, want.error)):
            if got != expected:
                yield (f"content: job {job.n} ({job.kind}, {row.id}): {what} is {str(got)[:200]}, "
                       f"not {str(expected)[:200]}")


def a_succeeded_row_never_changes(e):
    for job, state, at in e.changed:
        yield f"changed: the succeeded row {job} became {state} at {at}"


def nothing_settles_before_its_commit(e):
    """An entry that was seen to be gone has a row that was committed by then."""
    for job, entry, seen in e.world.watch.gone:
        if e.lost_by_redis(job, job.acked[job.entries.index(entry)]):
            continue
        row = e.row(job)
        committed = None if row is None else e.commits.get(row.id)
        if committed is not None and committed > seen:
            yield (f"early settle: entry {job.queue}/{entry} of job {job.n} ({job.kind}, {row.id}) was gone "
                   f"{(committed - seen) * 1000:.0f} ms before its row was committed")


def faults_use_no_attempt(e):
    """The number of the attempt, and the failed attempts that are kept, are those that the job itself brought about."""
    for job in e.jobs:
        row = e.row(job)
        if row is None:
            continue
        if job.want.attempt is not None and row.attempt != job.want.attempt or row.life != 1:
            yield (f"attempt: job {job.n} ({job.kind}, {row.id}) ended in life {row.life}, attempt {row.attempt}, "
                   f"not {job.want.attempt}")
        kept = sorted({(attempt, code) for _, attempt, code, *_ in e.attempts.get(row.id, ())})
        if job.want.attempt is not None and kept != sorted(job.want.failures):
            yield f"attempt: job {job.n} ({job.kind}, {row.id}) has failed attempts {kept}, not {job.want.failures}"


def nothing_starts_early(e):
    """A delayed job not before its time, by the entry's own time; a retry not before its back-off."""
    if e.world.clocks_jumped:
        return      # there is no time to compare with
    for job in e.jobs:
        row = e.row(job)
        if row is None or row.started is None or not job.in_ms or not job.entries:
            continue
        due = min(int(entry.split("-")[0]) for entry in job.entries) / 1000 + job.in_ms / 1000
        if job.state == ACCEPTED and job.tries == len(job.entries) and row.started < due - EARLY_S:
            yield f"early: job {job.n} ({row.id}) started {(due - row.started) * 1000:.0f} ms before it was due"


def nothing_is_read_again(e):
    for queue, entry, times in sorted(e.world.watch.delivered_again)[:20]:
        yield f"read again: entry {queue}/{entry} was delivered {times} times, where its owner changes but once"


def redis_holds_nothing(e):
    for line in e.world.left_in_redis:
        yield f"left: {line}"


def daemons_end_as_they_should(e):
    for _, index, code, ours in e.world.fleet.ends:
        if not e.world.may_end(code, ours):
            yield f"exit: daemon {index} ended with {code}, which nobody asked for (see daemon-{index}.log)"


CHECKS = (every_accepted_job_has_its_row, every_row_has_its_job, every_content_is_right, a_succeeded_row_never_changes,
          nothing_settles_before_its_commit, faults_use_no_attempt, nothing_starts_early, nothing_is_read_again,
          redis_holds_nothing, daemons_end_as_they_should)


def run(world):
    evidence = Evidence(world)
    return [violation for check in CHECKS for violation in check(evidence)], evidence
