"""What there is to do when a daemon dies: each scenario sets up a lane, and meddles while the doomed daemon works.

`ops`: the operations that it is there for, None: all of them."""
import signal

from campaign.resp import Refused
from campaign.servers import ROOT, read

from .lane import QUEUE, Job

HOUR_MS = 3600000


def echo(n, **fields):
    return Job("debug.echo", {"n": n}, **fields)


def temporary(n, **fields):
    """Fails n times, then it is done."""
    return Job("debug.fail", {"how": "temporary", "on_attempts": list(range(1, n + 1))}, attempt=n + 1,
               failures=[(1, i, "io") for i in range(1, n + 1)], **fields)


def permanent():
    return Job("debug.fail", {"how": "permanent"}, state="dead", error="failed", failures=[(1, 1, "failed")])


def exhausted():
    return Job("debug.fail", {"how": "temporary"}, state="dead", attempt=2, error="io",
               failures=[(1, 1, "io"), (1, 2, "io")], max_attempts=2)


def cancelled(**more):
    return Job("debug.sleep", {"ms": 60000}, state="cancelled", attempt=None, error="cancelled", **more)


class Scenario:
    ops = None

    def begin(self, lane):
        """Before the doomed daemon starts."""

    def meddle(self, lane, doomed):
        """While it works; it may be dead already."""


class Life(Scenario):
    """A job of every kind, from enqueue to its row, by every road."""

    def begin(self, lane):
        for job in (echo(1), echo(2), temporary(1, backoff_ms=20), permanent(), exhausted(), echo(3, in_ms=150)):
            lane.add(job)
        for job in (echo(4), temporary(1), echo(5, run_at="now() + interval '150 ms'")):
            lane.enqueue(job)
        lane.retried()
        suspect = lane.add(echo(6))     # two workers died while it ran: it runs alone
        lane.redis.call("HSET", f"{QUEUE}:tries", suspect.entry, "0 0 0 2 0 0")
        self.to_cancel = [lane.add(cancelled()), lane.add(cancelled(in_ms=HOUR_MS)),
                          lane.enqueue(cancelled(run_at="now() + interval '30 s'"))]

    def meddle(self, lane, doomed):
        lane.until(lambda: doomed.poll() is not None or is_in_flight(lane, self.to_cancel[0]), "a job runs")
        for job in self.to_cancel:
            lane.cli("job", "cancel", job.id)


class Takeover(Scenario):
    """A worker of this host has died with jobs done and running; its box tells."""
    ops = ("queue.reclaim", "queue.census", "queue.tick", "queue.fetch_wait", "queue.owned", "queue.charge")

    def begin(self, lane):
        for job in (echo(1), echo(2), temporary(1, backoff_ms=20), Job("debug.sleep", {"ms": 30})):
            lane.add(job)
        suspect = lane.add(echo(3))
        lane.redis.call("HSET", f"{QUEUE}:tries", suspect.entry, "0 0 0 2 0 0")
        die(lane, "store.commit_start:1:before")


class FoundLater(Takeover):
    """The same, but others took over first, knowing nothing."""
    ops = ("queue.pardon", "queue.reclaim")

    def begin(self, lane):
        super().begin(lane)
        keys = [f"{QUEUE}:{key}" for key in ("jobs", "workers", "tries", "meta")]
        for name in workers(lane):
            lane.redis.call("EVAL", read(f"{ROOT}/queue/scripts/reclaim.lua"), 4, *keys, name, -1, 100, "all", 0)


class LostHost(Scenario):
    """A worker of another host is silent, and owns two entries."""
    ops = ("queue.census", "queue.reclaim", "queue.offers")

    def begin(self, lane):
        lane.add(echo(1))
        lane.add(echo(2))
        lane.redis.call("XGROUP", "CREATE", f"{QUEUE}:jobs", "mill", "0")
        lane.redis.call("XREADGROUP", "GROUP", "mill", "ghost", "COUNT", 2, "STREAMS", f"{QUEUE}:jobs", ">")


class LateReply(Scenario):
    """A reply was lost: an entry is the worker's, and it knows nothing of it."""
    ops = ("queue.take", "queue.owned")

    def begin(self, lane):
        lane.redis.call("HSET", f"{QUEUE}:meta", "paused", 1)       # so that it does not fetch the entry itself

    def meddle(self, lane, doomed):
        lane.until(lambda: doomed.poll() is not None or workers(lane), "a worker beats")
        lane.add(echo(1))
        for name in workers(lane):
            lane.redis.call("XREADGROUP", "GROUP", "mill", name, "COUNT", 1, "STREAMS", f"{QUEUE}:jobs", ">")
        lane.redis.call("HDEL", f"{QUEUE}:meta", "paused")


class GivenUp(Scenario):
    """Others take the worker for dead while a job runs: it goes on under another name."""
    ops = ("queue.rename", "queue.reclaim", "queue.beat", "queue.connect", "queue.settle")

    def begin(self, lane):
        self.slow = lane.add(Job("debug.sleep", {"ms": 400}))

    def meddle(self, lane, doomed):
        lane.until(lambda: doomed.poll() is not None or is_in_flight(lane, self.slow), "a job runs")
        lane.redis.call("DEL", f"{QUEUE}:workers")


class AskedAfter(Scenario):
    """Durable jobs of which Redis has lost one, holds one, and one has ended: a relay asks after them."""
    ops = ("relay.alive", "relay.claim", "outbox.epochs", "outbox.relayed", "outbox.found", "outbox.lost", "outbox.doubt",
           "outbox.epoch", "outbox.ended")

    def begin(self, lane):
        for n in range(3):
            lane.enqueue(echo(n))
        die(lane, "outbox.mark:2:after", "--worker.queues", "elsewhere")     # it moves them, and runs none
        entries = [row[0] for row in lane.redis.call("XRANGE", f"{QUEUE}:jobs", "-", "+")]
        if len(entries) != 3:
            raise RuntimeError(f"{len(entries)} durable jobs were moved")
        lane.redis.call("XDEL", f"{QUEUE}:jobs", entries[0])
        lane.let_an_hour_pass()


def die(lane, doom, *flags):
    """A daemon works until its end there."""
    code = lane.daemon(doom, None, *flags).wait(60)
    if code != -signal.SIGKILL:
        raise RuntimeError(f"{doom}: ended with {code}")


def workers(lane):
    return lane.redis.call("ZRANGE", f"{QUEUE}:workers", 0, -1)


def is_in_flight(lane, job):
    try:
        rows = lane.redis.call("XPENDING", f"{QUEUE}:jobs", "mill", job.entry, job.entry, 1)
    except Refused:
        return False    # there is no group yet
    return bool(rows) and not rows[0][1].startswith(b":")


SCENARIOS = (Life, Takeover, FoundLater, LostHost, LateReply, GivenUp, AskedAfter)
