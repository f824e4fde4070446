"""The history, checked after the drain. Each check is a function that yields violations in words."""
import json
import time

from . import history
from .faults import FAULTS
from .jobs import ACCEPTED, REFUSED, UNKNOWN, Want, derived_id
from .record import Record

EARLY_S = 0.003         # clocks are read at different moments, in whole milliseconds
LEAST_OF_BACKOFF = 0.8  # plus or minus 20 %
AFTER_LEASES = 4        # a judge needs two, and the worker hears of it with its next beat
STALL_S = 0.45          # between two samples of ours, a tenth of a second apart, for which no daemon waits for a server
CANCEL_S = 1.0          # looked up each 200 ms, and the machine's cores are lost for a while


class Evidence:
    """All that is known after the drain."""

    def __init__(self, world):
        self.world = world
        pg = world.servers.pg(timeout=120)
        self.rows, self.attempts = history.rows(pg), history.attempts(pg)
        self.changed, self.commits = history.changed_successes(pg), history.first_commits(pg)
        self.cancelled = history.first_cancelled(pg)
        self.revived = history.revived(pg)
        pg.close()
        self.jobs = [job for producer in world.producers for job in producer.jobs]
        self.ids = self._ids()
        self.record = Record(world.servers.aof(), world.sizes.clock())

    def _ids(self):
        """Which ids a job's rows may have: its own, or one derived from each of its entries."""
        known = {}
        for job in self.jobs:
            for name in [job.id] if job.id else self.derived(job):
                known[name] = job
        return known

    def derived(self, job):
        return [derived_id(incarnation, job.queue, entry)
                for incarnation in self.world.watch.incarnations[job.queue] for entry in job.entries]

    def entries_of(self, job):
        """Queue and id of all its entries, also of those of which nobody was told."""
        return ({(job.queue, entry) for entry in job.entries} | set(self.record.of.get(job.id, ()))) - self.record.twice

    def row(self, job):
        if job.id:
            return self.rows.get(job.id)
        return next((self.rows[name] for name in self.derived(job) if name in self.rows), None)

    def lost_by_redis(self, job):
        """Each of its entries was wiped, or was taken within a window in which Redis may lose what it acknowledged, and is
        not in its file."""
        return not job.durable and bool(job.entries) and all(
            known.wiped or (job.queue, entry) in self.record.twice if (known := self.record.entries.get((job.queue, entry)))
            else self.may_be_unrecorded(self.taken_at(at, entry)) for at, entry in zip(job.acked, job.entries))

    def taken_at(self, acked, entry):
        """When Redis took the entry: it says so itself, and its producer heard of it later, on a busy machine much later."""
        return acked if self.world.clocks_jumped else min(acked, int(entry.split("-")[0]) / 1000)

    def cut_off(self, begin, end):
        """Whether a worker may have been cut off from Redis in between."""
        ahead = time.time() - time.monotonic()      # a step's times are monotonic
        return any((FAULTS[step.name].isolates or FAULTS[step.name].outage == "redis")
                   and step.began + ahead < end and begin < step.healed + ahead + CANCEL_S for step, _ in self.world.applied)

    def may_be_purged(self, job):
        return any(purge.covers(job) for purge in self.world.operator.purges)

    def may_be_cancelled(self, job):
        return job.may_be_cancelled or self.may_be_purged(job)

    def fell_into_loss(self, at):
        return any(begin <= at <= end for begin, end in self.world.losses)

    def may_be_unrecorded(self, at):
        """A power cut took what Redis did then out of its file."""
        return any(0 < begin <= at <= end for begin, end in self.world.losses)


def every_accepted_job_has_its_row(e):
    for job in e.jobs:
        if job.state == ACCEPTED and e.row(job) is None and not e.lost_by_redis(job) and (
                job.durable or not e.may_be_purged(job)):
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
        if row is None or (row.state == "cancelled" and e.may_be_cancelled(job)):
            continue
        if row.life > 1:
            want = Want(result={"attempt": row.attempt})    # the operator gave it arguments that do not fail
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
    """When an entry was deleted, its row had been committed; but a purge leaves plain jobs no row."""
    for job in e.jobs:
        if not job.durable and e.may_be_purged(job):
            continue
        row = e.row(job)
        committed = None if row is None else e.commits.get(row.id)
        for queue, entry in e.entries_of(job) if committed is not None else ():
            known = e.record.entries.get((queue, entry))
            if known is not None and known.gone is not None and committed > known.gone:
                yield (f"early settle: entry {queue}/{entry} of job {job.n} ({job.kind}, {row.id}) was gone "
                       f"{(committed - known.gone) * 1000:.0f} ms before its row was committed")


def redis_is_told_in_the_right_order(e):
    """By Redis's own record: deleted, then acknowledged; and nobody is struck off who still owns something."""
    yield from e.record.broken


def a_failure_is_its_owners(e):
    """A failure counts only where its worker still owned an entry of the job when the run had ended."""
    for job in e.jobs if not e.world.clocks_jumped else ():
        row = e.row(job)
        failures = [] if row is None else [(what, finished, worker) for _, _, what, _, finished, worker
                                           in e.attempts.get(row.id, ())]
        if row is not None and row.state == "dead" and row.finished is not None:
            failures.append(("burial", row.finished, row.worker))
        owners = [owner for entry in e.entries_of(job) if entry in e.record.entries
                  for owner in e.record.entries[entry].owners] if failures else []
        for what, finished, worker in failures:
            if worker.startswith("stampmill."):     # the operator's, of a life before
                continue
            if owners and not e.may_be_unrecorded(finished) and not any(
                    name == worker and until >= finished for name, until in owners):
                until = max((until for name, until in owners if name == worker), default=None)
                yield (f"stale failure: {what} of job {job.n} ({job.kind}, {row.id}) by {worker}, which "
                       + ("never owned it" if until is None else f"had lost it {(finished - until) * 1000:.0f} ms before"))


def what_has_ended_is_not_relayed_again(e):
    for job, life in e.revived:
        yield f"relayed again: durable job {job} was due again in life {life} though its result was there"


def faults_use_no_attempt(e):
    """The number of the attempt, and the failed attempts that are kept, are those that the job itself brought about."""
    for job in e.jobs:
        row = e.row(job)
        if row is None or ((row.state == "cancelled" or row.life > 1) and e.may_be_cancelled(job)):
            continue        # cancelled, or cancelled and then given another life
        wanted = 1 if row.life > 1 else job.want.attempt
        used = {attempt for life, attempt, *_ in e.attempts.get(row.id, ()) if life == row.life}
        if row.state == "succeeded" and job.tries == 1 and used != set(range(1, row.attempt)):
            yield (f"attempt: job {job.n} ({job.kind}, {row.id}) succeeded in attempt {row.attempt}, and attempts "
                   f"{sorted(used)} of that life failed")
            continue
        if wanted is not None and row.attempt != wanted or row.life not in job.lives:
            yield (f"attempt: job {job.n} ({job.kind}, {row.id}) ended in life {row.life}, attempt {row.attempt}, "
                   f"not {wanted}")
        kept = sorted({(attempt, code) for life, attempt, code, *_ in e.attempts.get(row.id, ()) if life == 1})
        if wanted is not None and kept != sorted(job.want.failures):
            yield f"attempt: job {job.n} ({job.kind}, {row.id}) has failed attempts {kept}, not {job.want.failures}"


def nothing_starts_early(e):
    """A delayed job not before its time, by the entry's own time; a retry not before its back-off."""
    if e.world.clocks_jumped:
        return      # there is no time to compare with
    for job in e.jobs:
        row = e.row(job)
        if row is None or row.started is None or job.state != ACCEPTED:
            continue
        due = job.due
        if job.in_ms and job.entries and job.tries == len(job.entries):
            due = (min(int(entry.split("-")[0]) for entry in job.entries) + job.in_ms) / 1000
        if due is not None and row.started < due - EARLY_S:
            yield f"early: job {job.n} ({row.id}) started {(due - row.started) * 1000:.0f} ms before it was due"
        if job.backoff and job.tries == 1 and row.life == 1:
            yield from early_retries(job, row, e.attempts.get(row.id, ()))


def early_retries(job, row, attempts):
    """Each attempt against the earliest end of the one before it."""
    first, longest = job.backoff
    ends, begins = {}, {row.attempt: row.started}
    for _, attempt, _, started, finished, _ in attempts:
        ends[attempt] = min(finished, ends.get(attempt, finished))
        begins[attempt] = min(started, begins.get(attempt, started))
    for attempt, finished in ends.items():
        wait = min(first * 2 ** (attempt - 1), longest) * LEAST_OF_BACKOFF / 1000
        if attempt + 1 in begins and begins[attempt + 1] < finished + wait - EARLY_S:
            yield (f"early: attempt {attempt + 1} of job {job.n} ({row.id}) began {(begins[attempt + 1] - finished) * 1000:.0f} "
                   f"ms after attempt {attempt} ended, not {wait * 1000:.0f}")


def what_is_cancelled_does_not_start(e):
    """Not later than a second after Redis had the request, where only entries were there that existed then."""
    for job in e.jobs:
        row = e.row(job)
        if row is None or job.cancelled_at is None or row.state == "cancelled" or e.world.clocks_jumped:
            continue
        known = job.tries == len(job.acked) and all(at < job.cancelled_at for at in job.acked)
        if known and not e.fell_into_loss(job.cancelled_at) and row.started and (
                row.started > job.cancelled_at + CANCEL_S and not e.cut_off(job.cancelled_at, row.started)):
            yield (f"cancel: job {job.n} ({job.kind}, {row.id}) was cancelled {row.started - job.cancelled_at:.2f} s "
                   f"before it started, and ended as {row.state}")


def what_has_ended_durably_stays_so(e):
    """A durable job that was cancelled or purged does not start any more once the operator was told so, whatever is
    wiped. A Redis that is rolled back brings entries back, and may run one once more; so may the XADD of a relay that the
    network has held up until after the request."""
    rolled_back = [(begin, end) for begin, end in e.world.losses if begin > 0]
    held_up = any(step.name == "net-late-command" for step, _ in e.world.applied)
    for job in e.jobs:
        row = e.row(job)
        ended = e.cancelled.get(job.id)
        if not job.durable or row is None or ended is None or job.lives != {1} or e.world.clocks_jumped:
            continue
        if job.tries != len(job.acked) or any(at > ended for at in job.acked):
            continue        # enqueued again since
        if held_up and any(int(entry.split("-")[0]) / 1000 > ended for _, entry in e.record.of.get(job.id, ())):
            continue
        told = [purge.ended for purge in e.world.operator.purges if purge.done and purge.queue == job.queue
                and purge.began <= ended <= purge.ended] + [job.cancelled_at or 0]
        told = min((at for at in told if at >= ended), default=None)
        if told is None or row.started is None or row.started <= told + CANCEL_S:
            continue
        if not any(begin <= told and end >= ended for begin, end in rolled_back):
            yield (f"revived: durable job {job.n} ({job.kind}, {row.id}) started {row.started - told:.2f} s after it was "
                   f"cancelled or purged, and ended as {row.state}")


def nothing_is_read_again(e):
    for queue, entry, times in sorted(e.world.watch.delivered_again)[:20]:
        yield f"read again: entry {queue}/{entry} was delivered {times} times, where its owner changes but once"


def no_living_worker_is_given_up(e):
    """A Redis or a PostgreSQL that was away, full or restarted kills nobody. What stops a daemon or cuts it off may, and
    so may a machine whose cores were lost for a while."""
    excused = [(step.began, step.healed + AFTER_LEASES * e.world.settings.lease_ms / 1000)
               for step, _ in e.world.applied if FAULTS[step.name].isolates]
    rates = e.world.rates.seen
    excused += [(before[0] - 1, after[0] + 2) for before, after in zip(rates, rates[1:]) if after[0] - before[0] > STALL_S]
    for before, after in zip(rates, rates[1:]):
        if after[2] > before[2] and not any(begin <= after[0] <= end for begin, end in excused):
            active = [step.name for step, _ in e.world.applied if step.began - 1 <= after[0] <= step.healed + 5]
            yield f"given up: a living worker was taken for dead, with no more than {', '.join(active) or 'nothing'} around"


def postgres_refuses_nothing(e):
    """Nothing that is enqueued here makes a row that PostgreSQL cannot take."""
    refused = e.world.fleet.counters().get("results_refused", 0)
    if refused:
        yield f"refused: {refused} rows were refused by PostgreSQL"


def redis_holds_nothing(e):
    for line in e.world.left_in_redis:
        yield f"left: {line}"


def daemons_end_as_they_should(e):
    for _, index, code, ours in e.world.fleet.ends:
        if not e.world.may_end(code, ours):
            yield f"exit: daemon {index} ended with {code}, which nobody asked for (see daemon-{index}.log)"
    for line in e.world.fleet.alarms:
        yield f"alarm: {line}"


# what holds at any time
ALWAYS = (a_succeeded_row_never_changes, nothing_settles_before_its_commit, redis_is_told_in_the_right_order,
          a_failure_is_its_owners, what_has_ended_is_not_relayed_again, nothing_is_read_again)
# .. and once everything has ended
CHECKS = ALWAYS + (every_accepted_job_has_its_row, every_row_has_its_job, every_content_is_right, faults_use_no_attempt,
                   nothing_starts_early, what_is_cancelled_does_not_start, what_has_ended_durably_stays_so,
                   no_living_worker_is_given_up, postgres_refuses_nothing, redis_holds_nothing, daemons_end_as_they_should)


def run(world, of=CHECKS):
    evidence = Evidence(world)
    return [violation for check in of for violation in check(evidence)], evidence
