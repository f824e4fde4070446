"""What is sampled while the run goes on, on connections that no fault of the proxy touches.

- Of every acknowledged entry: when it was first seen to be gone from its stream. Its row must have been committed by
  then (checks.py compares with PostgreSQL's own commit times), so a settle before its commit shows wherever PostgreSQL
  lags.
- Of pending entries: how often they were delivered. Reading them again (XREADGROUP with an id) shows there.
- How many entries wait, which paces the producers; how many rows the daemons have committed, which gives the rates;
  how many of them were given up by others while they lived.
- After a SIGKILL: until when the dead worker's entries were still its own.
"""
import collections
import os
import random
import threading
import time

from .resp import Refused

GONE = """#!lua flags=no-writes
local gone = {}
for i, id in ipairs(ARGV) do
  if #redis.call('XRANGE', KEYS[1], id, id) == 0 then gone[#gone + 1] = i end
end
return gone"""
OLDEST, ANYWHERE, PENDING, LARGE = 1000, 200, 300, 65536


class Watch(threading.Thread):
    def __init__(self, servers, queues, fleet):
        super().__init__(daemon=True)
        self.servers, self.queues, self.fleet = servers, queues, fleet
        self.redis = servers.redis(timeout=0.5)
        self.open = {queue: collections.deque() for queue in queues}
        self.gone = []              # (job, entry, when it was seen to be gone)
        self.delivered_again = set()
        self.incarnations = {queue: set() for queue in queues}
        self.waiting = 0
        self.rates = []             # (monotonic, committed so far, given up and renamed so far)
        self.recoveries = []        # (seconds, same host, alone)
        self.ending = threading.Event()
        self.rng = random.Random(1)

    def follow(self, job, entry, size):
        """Large ones are left out: to ask whether they are there, Redis would copy them each time."""
        if size < LARGE:
            self.open[job.queue].append((job, entry))

    def run(self):
        while not self.ending.wait(0.1):
            self.fleet.poll_metrics()
            counters = self.fleet.counters()
            committed = sum(counters.get(name, 0) for name in ("jobs_succeeded", "jobs_dead", "jobs_cancelled"))
            try:
                self.look()
            except OSError:
                pass
            self.rates.append((time.monotonic(), committed, counters.get("identities_taken", 0)))

    def look(self):
        waiting = 0
        for queue in self.queues:
            key = f"sm:{{{queue}}}:jobs"
            some = self.pick(queue)
            length, gone, pending, incarnation = self.redis.pipeline([
                ("XLEN", key), ("EVAL", GONE, 1, key, *(entry for _, entry in some)),
                ("XPENDING", key, "mill", "-", "+", PENDING), ("HGET", f"sm:{{{queue}}}:meta", "incarnation")])
            if isinstance(incarnation, bytes):
                self.incarnations[queue].add(incarnation.decode())
            seen = time.time()
            if isinstance(length, (OSError, Refused)) or isinstance(gone, (OSError, Refused)):
                self.open[queue].extend(some)
                continue
            if not isinstance(pending, Exception):
                self.delivered_again |= {(queue, entry.decode(), times) for entry, _, _, times in pending if times > 1}
            waiting += length
            lost = {i - 1 for i in gone}
            self.gone += [(job, entry, seen) for i, (job, entry) in enumerate(some) if i in lost]
            self.open[queue].extendleft(reversed([item for i, item in enumerate(some) if i not in lost]))
        self.waiting = waiting

    def pick(self, queue):
        """The oldest, which are gone first, and some from anywhere."""
        line = self.open[queue]
        some = [line.popleft() for _ in range(min(OLDEST, len(line)))]
        if len(line) > ANYWHERE:
            line.rotate(-self.rng.randrange(len(line)))
            some += [line.popleft() for _ in range(ANYWHERE)]
        return some

    def recovery(self, workers, same_host, is_alone):
        """From now until every entry of these workers has another owner; each entry's time is kept. How many there
        were."""
        began = time.monotonic()
        redis = self.servers.redis(timeout=1.0)
        left, alone = None, True
        while time.monotonic() - began < 60:
            alone = alone and is_alone()
            replies = redis.pipeline([("XPENDING", f"sm:{{{queue}}}:jobs", "mill", "-", "+", 2000, worker)
                                      for queue in self.queues for worker in workers])
            if not any(isinstance(reply, Exception) for reply in replies):
                now = {row[0] for reply in replies for row in reply}
                took = time.monotonic() - began
                self.recoveries += [(took, same_host, alone)] * (0 if left is None else len(left - now))
                first = len(now) if left is None else first
                left = now
                if not left:
                    break
            time.sleep(0.01)
        redis.close()
        return first if left is not None else 0

    def stop(self):
        self.ending.set()
        self.join()
        self.redis.close()


class Sizes(threading.Thread):
    """How long Redis's append-only file was at which time: what a power cut may leave of it."""

    def __init__(self, servers):
        super().__init__(daemon=True)
        self.servers = servers
        self.seen = collections.deque(maxlen=500)
        self.ending = threading.Event()

    def run(self):
        while not self.ending.wait(0.02):
            try:
                self.seen.append((time.time(), os.path.getsize(self.servers.aof())))
            except (OSError, IndexError):
                pass

    def at(self, moment):
        """The last size seen before that moment; None when nothing was looked at then."""
        known = [size for when, size in list(self.seen) if moment - 0.5 < when <= moment]
        return known[-1] if known else None

    def stop(self):
        self.ending.set()
        self.join()
