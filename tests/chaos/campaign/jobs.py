"""Kinds of jobs: what is enqueued, and what row must come of it, computed here and not by Stampmill.

Every result names the run (its nonce) and the job's number, so that a row which belongs to another job, or to another
run, is told from the right one. An input's digest is computed when the input is made.
"""
import hashlib
import json
import os
import time
import uuid

from .msgpack import pack

ACCEPTED, UNKNOWN, REFUSED = "accepted", "unknown", "refused"
BIG = 16 << 20


class Want:
    """The row that a job must end in."""
    __slots__ = ("state", "attempt", "result", "body", "error", "failures")

    def __init__(self, state="succeeded", attempt=1, result=None, body=None, error=None, failures=()):
        self.state, self.attempt, self.error = state, attempt, error
        self.result = None if result is None else json.dumps(result, sort_keys=True)
        self.body = body            # sha256 of it, or None
        self.failures = failures    # attempt and error code of each row in stampmill.attempts


class Job:
    __slots__ = ("n", "kind", "queue", "id", "want", "words", "state", "entries", "tries", "in_ms", "acked", "sent",
                 "durable", "again_at", "gap_ms", "cancelled_at")

    def __init__(self, n, kind, queue):
        self.n, self.kind, self.queue = n, kind, queue
        self.id = None              # text of the UUID; None: derived from its entry
        self.want = self.words = None
        self.state = REFUSED        # until something was sent
        self.entries, self.acked = [], []   # entry ids, and when each was acknowledged
        self.tries, self.sent = 0, 0.0
        self.in_ms = self.gap_ms = 0
        self.durable = False
        self.again_at = None        # when its twin is to be enqueued
        self.cancelled_at = None


def uuid7(rng):
    ms = int(time.time() * 1000)
    value = (ms << 80) | (0x7 << 76) | (rng.getrandbits(12) << 64) | (0b10 << 62) | rng.getrandbits(62)
    return str(uuid.UUID(int=value))


def derived_id(incarnation, queue, entry):
    """As queue/PROTOCOL.md defines it."""
    digest = hashlib.sha256(f"{incarnation}/{queue}/{entry}".encode()).digest()
    ms = int(entry.split("-")[0]) & ((1 << 48) - 1)
    data = bytearray(ms.to_bytes(6, "big") + digest[:10])
    data[6] = (data[6] & 15) | 0x70
    data[8] = (data[8] & 63) | 0x80
    return str(uuid.UUID(bytes=bytes(data)))


def sha(data):
    return hashlib.sha256(data).hexdigest()


# --- kinds: each gives type, args, input, further fields and the row to come ---

def echo(rng, mark, size):
    data = rng.randbytes(size) if size < 4096 else os.urandom(size)
    args = {**mark, "sha": sha(data)}
    return "debug.echo", args, data, {}, Want(result=args, body=sha(data) if data else None)


def digest(rng, mark, size):
    data = os.urandom(size)
    return "transform.digest", {"algorithms": ["sha256"]}, data, {}, Want(result={"bytes": size, "sha256": sha(data)})


def csv(rng, mark):
    rows = [{"job": str(mark["n"]), "run": mark["nonce"], "cell": str(rng.randrange(10 ** 6))}
            for _ in range(rng.randrange(1, 40))]
    text = "job,run,cell\n" + "".join(f"{row['job']},{row['run']},{row['cell']}\n" for row in rows)
    counts = {"errors": [], "rows_in": len(rows), "rows_bad": 0, "rows_out": len(rows)}
    return "parse.csv", {"header": True}, text.encode(), {}, Want(result={"rows": rows, **counts})


def small_echo(rng, mark):
    return echo(rng, mark, rng.randrange(0, 300))


def medium_echo(rng, mark):
    return echo(rng, mark, rng.randrange(4096, 200000))


def big_echo(rng, mark):
    return echo(rng, mark, rng.choice((BIG // 16, BIG // 4, BIG - 2048)))


def small_digest(rng, mark):
    return digest(rng, mark, rng.randrange(0, 3000))


def big_digest(rng, mark):
    return digest(rng, mark, rng.choice((BIG // 8, BIG // 2, BIG)))


def noop(rng, mark):
    return "debug.noop", mark, b"", {}, Want()


def sleep(rng, mark):
    return "debug.sleep", {"ms": rng.choice((1, 5, 20, 60, 200))}, b"", {}, Want()


def long_sleep(rng, mark):
    return "debug.sleep", {"ms": rng.choice((1500, 2500))}, b"", {}, Want()


def delayed(rng, mark):
    kind, args, data, fields, want = small_echo(rng, mark)
    return kind, args, data, {"in_ms": rng.randrange(50, 4000)}, want


def permanent(rng, mark):
    return ("debug.fail", {"how": "permanent", "message": mark["nonce"]}, b"", {},
            Want("dead", error="failed", failures=((1, "failed"),)))


def temporary(rng, mark):
    n = rng.randrange(1, 4)
    args = {"how": "temporary", "on_attempts": list(range(1, n + 1))}
    return ("debug.fail", args, b"", {"backoff_ms": rng.choice((20, 100, 400)), "backoff_max_ms": 800},
            Want(attempt=n + 1, result={"attempt": n + 1}, failures=tuple((i, "io") for i in range(1, n + 1))))


def exhausted(rng, mark):
    n = rng.randrange(1, 4)
    return ("debug.fail", {"how": "temporary"}, b"", {"backoff_ms": 50, "max_attempts": n},
            Want("dead", attempt=n, error="io", failures=tuple((i, "io") for i in range(1, n + 1))))


def unknown_type(rng, mark):
    return "chaos.nobody", mark, b"", {}, Want("dead", attempt=0, error="unknown_type")


def bad_args(rng, mark):
    return "transform.digest", {"algorithm": "sha256"}, b"x", {}, Want("dead", attempt=None, error="bad_args")


class Kind:
    def __init__(self, make, weight, feature=None):
        self.make, self.weight, self.feature, self.name = make, weight, feature, make.__name__


KINDS = (
    Kind(small_echo, 50), Kind(medium_echo, 3), Kind(small_digest, 14), Kind(csv, 9), Kind(noop, 10), Kind(sleep, 3),
    Kind(long_sleep, 0.06), Kind(delayed, 5), Kind(permanent, 1.5), Kind(unknown_type, 0.6), Kind(bad_args, 0.6),
    Kind(temporary, 3, "retries"), Kind(exhausted, 1, "retries"),
)
BIG_KINDS = (Kind(big_digest, 3), Kind(big_echo, 1))


class Maker:
    """Makes jobs, without end, from the seed."""

    def __init__(self, rng, nonce, queues, features, most_big):
        self.rng, self.nonce, self.queues, self.most_big = rng, nonce, queues, most_big
        self.kinds = [kind for kind in KINDS if kind.feature is None or kind.feature in features]
        self.weights = [kind.weight for kind in self.kinds]
        self.n = 0

    def job(self):
        rng = self.rng
        big = self.most_big > 0 and rng.random() < 0.002
        if big:
            self.most_big -= 1
            kind = rng.choices(BIG_KINDS, [k.weight for k in BIG_KINDS])[0]
        else:
            kind = rng.choices(self.kinds, self.weights)[0]
        self.n += 1
        job = Job(self.n, kind.name, rng.choice(self.queues))
        type_name, args, data, fields, job.want = kind.make(rng, {"nonce": self.nonce, "n": self.n})
        job.in_ms = fields.get("in_ms", 0)
        if rng.random() > 0.08:
            job.id = uuid7(rng) if rng.random() < 0.9 else str(uuid.UUID(int=rng.getrandbits(128), version=4))
            if not big and rng.random() < 0.03:
                job.again_at = rng.uniform(0, 3)
        job.words = self.words(job, type_name, args, data, fields)
        return job

    def words(self, job, type_name, args, data, fields):
        """The XADD: flat fields or an envelope."""
        head = ["XADD", f"sm:{{{job.queue}}}:jobs", "*"]
        if self.rng.random() < 0.5:
            flat = {"id": job.id, "type": type_name, "args": json.dumps(args), "input": data or None, **fields}
            return head + [word if isinstance(word, (str, bytes)) else str(word) for key, value in flat.items()
                           if value is not None for word in (key, value)]
        envelope = {"v": 1, "id": job.id and uuid.UUID(job.id).bytes, "type": type_name, "args": args,
                    "input": data or None, **fields}
        return head + ["job", pack({key: value for key, value in envelope.items() if value is not None})]
