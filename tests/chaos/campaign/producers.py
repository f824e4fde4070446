"""Producers: they enqueue as fast as the run wants, and keep what Redis said of every job.

A job is accepted when Redis acknowledged it once. When its fate is unknown (time-out, cut) it is mostly sent again
under the same id, as users are told to; what is left unknown may or may not have a row.
"""
import collections
import random
import threading
import time

from .jobs import ACCEPTED, REFUSED, UNKNOWN
from .resp import Redis, Refused


class Producer(threading.Thread):
    def __init__(self, maker, path, rate, most_waiting, watch, lock):
        super().__init__(daemon=True)
        self.maker, self.rate, self.most_waiting, self.watch = maker, rate, most_waiting, watch
        self.redis = Redis(path, timeout=1.0)
        self.rng = random.Random(maker.rng.random())
        self.lock = lock            # of the maker, shared
        self.jobs = []
        self.again = collections.deque()
        self.twins = []
        self.unknown = self.refused = 0
        self.ending = threading.Event()
        self.failure = None

    def run(self):
        try:
            while not self.ending.is_set():
                began = time.monotonic()
                if self.watch.waiting < self.most_waiting:
                    self.send(self.batch())
                self.ending.wait(max(0.001, 0.05 - (time.monotonic() - began)))
        except Exception as failure:  # the campaign must not pass because nobody enqueued
            self.failure = failure
            raise

    def batch(self):
        batch = [self.again.popleft() for _ in range(min(len(self.again), 50))]
        now = time.monotonic()
        due = [twin for twin in self.twins if twin[0] <= now]
        self.twins = [twin for twin in self.twins if twin[0] > now]
        batch = [job for job in batch + [job for _, job in due] if job.words is not None]
        size = 0
        with self.lock:
            while len(batch) < self.rate * 0.05 and size < 1 << 20:
                job = self.maker.job()
                size += sum(len(word) for word in job.words)
                self.jobs.append(job)
                batch.append(job)
        return batch

    def send(self, batch):
        for job in batch:
            job.tries += 1
            job.sent = time.time()
        for job, reply in zip(batch, self.redis.pipeline([job.words for job in batch])):
            if isinstance(reply, Refused):
                self.refused += 1
                self.once_more(job, 0.9)
            elif isinstance(reply, OSError):
                self.unknown += 1
                if job.state == REFUSED:
                    job.state = UNKNOWN
                if job.id is not None:
                    self.once_more(job, 0.9)
            else:
                self.accepted(job, reply.decode())

    def once_more(self, job, chance):
        if self.rng.random() < chance:
            self.again.append(job)

    def accepted(self, job, entry):
        job.state = ACCEPTED
        job.entries.append(entry)
        job.acked.append(time.time())
        self.watch.follow(job, entry)
        if job.again_at is not None:
            self.twins.append((time.monotonic() + job.again_at, job))
            job.again_at = None
        elif not any(job is twin for _, twin in self.twins):
            job.words = None        # nobody needs its bytes any more

    def stop(self):
        """Ends, after what is still to be sent again was given its chance."""
        self.ending.set()
        self.join()
        self.redis.timeout = 10.0
        for _ in range(20):
            rest = [*self.again, *(job for _, job in self.twins)]
            self.again.clear()
            self.twins = []
            if not rest:
                break
            self.send([job for job in rest if job.words is not None])
        self.redis.close()
