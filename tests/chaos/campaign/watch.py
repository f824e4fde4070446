"""What is sampled while the run goes on, on connections that no fault of the proxy touches.

- Of pending entries: how often they were delivered. Reading them again (XREADGROUP with an id) shows there.
- How many entries wait, which paces the producers.
- How many rows the daemons have committed, which gives the rates; how many of them were given up by others while they
  lived.
- After a SIGKILL: until when the dead worker's entries were still its own.
- How long Redis's file was at which time (record.py).
"""
import bisect
import math
import os
import threading
import time

from .resp import Refused

PENDING = 300


class Watch(threading.Thread):
    def __init__(self, servers, queues):
        super().__init__(daemon=True)
        self.servers, self.queues = servers, queues
        self.redis = servers.redis(timeout=0.5)
        self.delivered_again = set()
        self.incarnations = {queue: set() for queue in queues}
        self.waiting = 0
        self.recoveries = []        # (seconds, same host, alone)
        self.ending = threading.Event()

    def run(self):
        while not self.ending.wait(0.1):
            try:
                self.look()
            except OSError:
                pass

    def look(self):
        waiting = 0
        for queue in self.queues:
            key = f"sm:{{{queue}}}:jobs"
            length, pending, incarnation = self.redis.pipeline([
                ("XLEN", key), ("XPENDING", key, "mill", "-", "+", PENDING),
                ("HGET", f"sm:{{{queue}}}:meta", "incarnation")])
            if isinstance(incarnation, bytes):
                self.incarnations[queue].add(incarnation.decode())
            if not isinstance(pending, Exception):
                self.delivered_again |= {(queue, entry.decode(), times) for entry, _, _, times in pending if times > 1}
            if not isinstance(length, Exception):
                waiting += length
        self.waiting = waiting

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


class Sampler(threading.Thread):
    """Does something every so often, whatever else waits for a server."""
    every_s = 0.1

    def __init__(self):
        super().__init__(daemon=True)
        self.ending = threading.Event()

    def run(self):
        while not self.ending.wait(self.every_s):
            self.sample()

    def sample(self):
        raise NotImplementedError

    def stop(self):
        self.ending.set()
        self.join()


class Rates(Sampler):
    def __init__(self, fleet):
        super().__init__()
        self.fleet = fleet
        self.seen = []              # (monotonic, committed so far, given up and renamed so far)

    def sample(self):
        self.fleet.poll_metrics()
        counters = self.fleet.counters()
        committed = sum(counters.get(name, 0) for name in ("jobs_succeeded", "jobs_dead", "jobs_cancelled"))
        self.seen.append((time.monotonic(), committed, counters.get("identities_taken", 0)))


class Sizes(Sampler):
    """How long Redis's append-only file was at which time: what a power cut may leave of it, and by when what stands in
    it was done."""
    every_s = 0.01

    def __init__(self, servers):
        super().__init__()
        self.servers = servers
        self.seen = []              # (time, size)

    def sample(self):
        try:
            size = os.path.getsize(self.servers.aof())
            self.seen.append((time.time(), size))       # the time after the size, so that it was so long by then
        except (OSError, IndexError):
            pass

    def at(self, moment):
        """The last size seen before that moment; None when nothing was looked at then."""
        known = [size for when, size in self.seen[-500:] if moment - 0.5 < when <= moment]
        return known[-1] if known else None

    def clock(self):
        """A function: by when the file was so long, for good. Infinity when that was not seen."""
        grown = []
        for when, size in self.seen:
            while grown and grown[-1][1] > size:
                grown.pop()             # what it had then was cut off
            grown.append((when, size))
        sizes = [size for _, size in grown]

        def when(size):
            at = bisect.bisect_left(sizes, size)
            return grown[at][0] if at < len(grown) else math.inf
        return when
