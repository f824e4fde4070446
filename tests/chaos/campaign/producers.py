"""Producers: they enqueue as fast as the run wants, and keep what they were told of every job.

A job is accepted when it was acknowledged once. When its fate is unknown (time-out, cut) it is mostly sent again under
the same id, as users are told to; what is left unknown may or may not have a row.
"""
import collections
import random
import subprocess
import threading
import time

from .jobs import ACCEPTED, REFUSED, UNKNOWN, enqueue, quote, xadd
from .pg import Failed, Pg
from .resp import Redis, Refused
from .servers import ROOT, read


WORTH_CANCELLING = ("delayed", "sleep", "long_sleep", "temporary")
WORTH_RETRYING = ("permanent", "exhausted")


class Producer(threading.Thread):
    """What all have in common: pace, what is sent again, what is enqueued twice."""
    durable = False

    def __init__(self, maker, lock, rate, most_waiting, watch):
        super().__init__(daemon=True)
        self.maker, self.lock = maker, lock     # shared
        self.rate, self.most_waiting, self.watch = rate, most_waiting, watch
        self.rng = random.Random(maker.rng.random())
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
        batch += [job for at, job in self.twins if at <= now]
        self.twins = [twin for twin in self.twins if twin[0] > now]
        batch = [job for job in batch if job.spec is not None]
        size = 0
        with self.lock:
            while len(batch) < self.rate * 0.05 and size < 1 << 20:
                job = self.maker.job(self.durable)
                size += len(job.spec[2])
                self.jobs.append(job)
                batch.append(job)
        return batch

    def send(self, batch):
        raise NotImplementedError

    def close(self):
        raise NotImplementedError

    def was_refused(self, job):
        self.refused += 1
        if self.rng.random() < 0.9:
            self.again.append(job)

    def is_unknown(self, job):
        self.unknown += 1
        if job.state == REFUSED:
            job.state = UNKNOWN
        if job.id is not None and self.rng.random() < 0.9:
            self.again.append(job)

    def was_accepted(self, job):
        job.state = ACCEPTED
        job.acked.append(time.time())
        if job.again_at is not None:
            self.twins.append((time.monotonic() + job.again_at, job))
            job.again_at = None
        elif not any(job is twin for _, twin in self.twins):
            job.spec = None         # nobody needs its bytes any more

    def stop(self):
        """Ends, after what is still to be sent again was given its chance."""
        self.ending.set()
        self.join()
        for _ in range(20):
            rest = [job for job in [*self.again, *(job for _, job in self.twins)] if job.spec is not None]
            self.again.clear()
            self.twins = []
            if not rest:
                break
            self.send(rest)
        self.close()


class RedisProducer(Producer):
    def __init__(self, servers, *common):
        super().__init__(*common)
        self.redis = Redis(servers.redis_socket, timeout=1.0)

    def send(self, batch):
        for job in batch:
            job.tries += 1
        for job, reply in zip(batch, self.redis.pipeline([xadd(job) for job in batch])):
            if isinstance(reply, Refused):
                self.was_refused(job)
            elif isinstance(reply, OSError):
                self.is_unknown(job)
            else:
                job.entries.append(reply.decode())
                self.was_accepted(job)

    def close(self):
        self.redis.close()


class DurableProducer(Producer):
    """Enqueues in transactions of PostgreSQL, several jobs in each; some are rolled back, and their jobs never were."""
    durable = True

    def __init__(self, servers, *common):
        super().__init__(*common)
        self.pg = Pg(servers.pg_socket, timeout=3.0)

    def send(self, batch):
        while batch:
            some, batch = batch[:20], batch[20:]
            self.transaction(some)

    def transaction(self, batch):
        rolled_back = self.rng.random() < 0.05 and all(job.tries == 0 for job in batch)
        for job in batch:
            job.tries += 1
        statements = ["BEGIN", *(enqueue(job) for job in batch), "ROLLBACK" if rolled_back else "COMMIT"]
        try:
            self.pg.query("; ".join(statements))
        except Failed:
            self.pg.close()         # the transaction is undone
            for job in batch:
                self.was_refused(job)
        except OSError:
            for job in batch:
                if not rolled_back:
                    self.is_unknown(job)
        else:
            for job in batch:
                if not rolled_back:
                    self.was_accepted(job)

    def close(self):
        self.pg.close()


class Purge:
    """One purge of a queue, repeated until it was said to be done."""

    def __init__(self, queue):
        self.queue, self.began, self.ended, self.done = queue, time.time(), None, False

    def covers(self, job):
        """It may have ended the job."""
        return job.queue == self.queue and (not job.acked or any(at <= self.ended + 1 for at in job.acked))


class Operator(threading.Thread):
    """Cancels some jobs that wait or run, gives some dead ones another life, and rarely purges a queue."""

    def __init__(self, servers, producers, features, rng, program, queues):
        super().__init__(daemon=True)
        self.command = [program, "queue", "purge", "--yes", "--redis.url", f"unix://{servers.redis_socket}",
                        "--postgres.url", f"postgresql:///stampmill?host={servers.dir}&user=stampmill"]
        self.queues, self.purges = queues, []
        self.redis, self.pg = Redis(servers.redis_socket, timeout=1.0), Pg(servers.pg_socket, timeout=3.0)
        self.producers, self.features, self.rng = producers, features, rng
        self.script = read(f"{ROOT}/queue/scripts/cancel.lua") if "cancel" in features else None
        self.ending = threading.Event()

    def run(self):
        while not self.ending.wait(self.rng.uniform(0.05, 0.3)):
            jobs = self.rng.choice(self.producers).jobs
            if "purge" in self.features and self.rng.random() < 0.012:
                self.purge(Purge(self.rng.choice(self.queues)))
            elif "cancel" in self.features and self.rng.random() < 0.6:
                self.one_of(jobs[-400:], WORTH_CANCELLING, self.cancel)
            elif "outbox" in self.features:
                self.one_of(jobs[-4000:-100], WORTH_RETRYING, self.retry)

    def one_of(self, jobs, kinds, do):
        fit = [job for job in jobs if job.kind in kinds and job.id is not None and job.state == ACCEPTED
               and not job.may_be_cancelled and job.lives == {1}]
        if fit:
            do(self.rng.choice(fit))

    def cancel(self, job):
        """A durable job in PostgreSQL first, or a wipe would bring it back; then what is in Redis."""
        job.may_be_cancelled = True
        try:
            if job.durable:
                self.pg.query(f"SELECT stampmill.cancel({quote(job.id)}::uuid)")
            keys = [f"sm:{{{job.queue}}}:{kind}" for kind in ("cancelled", "later", "jobs")]
            self.redis.call("EVAL", self.script, len(keys), *keys, job.id, job.entries[0] if job.entries else "")
        except (OSError, Refused, Failed):
            return
        job.cancelled_at = time.time()

    def purge(self, purge):
        """By the command line. Now and then it is killed on its way, or a server is away; then once more."""
        self.purges.append(purge)
        for _ in range(8):
            limit = self.rng.uniform(0.01, 0.3) if self.rng.random() < 0.4 else 30
            try:
                ended = subprocess.run([*self.command, purge.queue], timeout=limit, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, check=False)
                purge.done = ended.returncode in (0, 4)     # 4: a wipe has left nothing that has this name
            except subprocess.TimeoutExpired:
                pass
            purge.ended = time.time()
            if purge.done or self.ending.wait(0.3):
                break

    def retry(self, job):
        """Another life with arguments that do not fail; now and then asked for twice at once."""
        ask = f"SELECT stampmill.retry({quote(job.id)}::uuid, args => '{{\"how\":\"temporary\",\"on_attempts\":[99]}}')"
        try:
            self.pg.query(ask)
        except Failed:
            return              # it has not ended, or not died
        except OSError:
            job.lives |= {2}    # unknown: either life may be its last
            return
        job.lives = {2}
        if self.rng.random() < 0.3:
            try:
                self.pg.query(ask)
            except (OSError, Failed):
                return
            job.lives = {2, 3}

    def stop(self):
        self.ending.set()
        self.join()
        self.redis.close()
        self.pg.close()
