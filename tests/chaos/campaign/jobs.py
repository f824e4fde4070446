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
BACKOFF_MS = 100, 800       # the daemons' own, where a job does not say: the first wait and the longest


class Want:
    """The row that a job must end in."""
    __slots__ = ("state", "attempt", "result", "body", "error", "failures")

    def __init__(self, state="succeeded", attempt=1, result=None, body=None, error=None, failures=()):
        self.state, self.attempt, self.error = state, attempt, error
        self.result = None if result is None else json.dumps(result, sort_keys=True)
        self.body = body            # sha256 of it, or None
        self.failures = failures    # attempt and error code of each row in stampmill.attempts


class Job:
    __slots__ = ("n", "kind", "queue", "id", "want", "spec", "state", "entries", "tries", "in_ms", "due", "acked",
                 "durable", "again_at", "backoff", "cancelled_at", "may_be_cancelled", "lives")

    def __init__(self, n, kind, queue):
        self.n, self.kind, self.queue = n, kind, queue
        self.id = None              # text of the UUID; None: derived from its entry
        self.want = self.spec = None
        self.state = REFUSED        # until something was sent
        self.entries, self.acked = [], []   # entry ids, and when each was acknowledged
        self.tries = 0
        self.in_ms, self.due = 0, None      # of a delay: counted from the entry's time, or a time
        self.durable = False
        self.again_at = None        # when its twin is to be enqueued
        self.backoff = None         # milliseconds: the first wait, and the longest
        self.may_be_cancelled = False
        self.cancelled_at = None    # when Redis had the request
        self.lives = {1}            # those it may have ended in


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
    return ("debug.fail", args, b"", {"backoff_ms": rng.choice((50, 100, 400)), "backoff_max_ms": 800},
            Want(attempt=n + 1, result={"attempt": n + 1}, failures=tuple((i, "io") for i in range(1, n + 1))))


def exhausted(rng, mark):
    n = rng.randrange(1, 4)
    return ("debug.fail", {"how": "temporary"}, b"", {"backoff_ms": 50, "max_attempts": n},
            Want("dead", attempt=n, error="io", failures=tuple((i, "io") for i in range(1, n + 1))))


def again(rng, mark):
    """Asks to be run again until it has expired: that uses no attempt."""
    return ("debug.fail", {"how": "again_in", "in_ms": 150}, b"", {"expires_ms": int(time.time() * 1000) + 1500},
            Want("dead", attempt=None, error="expired"))


def crash(rng, mark):
    """Kills its daemon by a signal, three times; nobody else is charged."""
    return "debug.fail", {"how": "crash"}, b"", {}, Want("dead", attempt=0, error="crashed")


def leave(rng, mark):
    """Ends its daemon without a trace, as an eviction would; it is found out, and nobody else is charged."""
    return "debug.fail", {"how": "exit"}, b"", {}, Want("dead", attempt=0, error="crashed")


def hang(rng, mark):
    return ("debug.fail", {"how": "hang", "on_attempts": [1]}, b"", {"timeout_ms": 300, "backoff_ms": 50},
            Want(attempt=2, result={"attempt": 2}, failures=((1, "timed_out"),)))


def slow_failure(rng, mark):
    """Runs for a while before it fails: where its daemon is stopped meanwhile, its entry may be another's by then."""
    return ("debug.fail", {"how": "temporary", "after_ms": 200, "on_attempts": [1]}, b"", {"backoff_ms": 50},
            Want(attempt=2, result={"attempt": 2}, failures=((1, "io"),)))


def timed(rng, mark):
    """Runs well within its time. Where its daemon is stopped for longer, the attempt is used up, once, or it is not,
    because the entry was another's by then: the checks only want the two accounts of it to agree."""
    return "debug.sleep", {"ms": 250}, b"", {"timeout_ms": 2000, "backoff_ms": 50}, Want(attempt=None)


def unknown_type(rng, mark):
    return "chaos.nobody", mark, b"", {}, Want("dead", attempt=0, error="unknown_type")


def bad_args(rng, mark):
    return "transform.digest", {"algorithm": "sha256"}, b"x", {}, Want("dead", attempt=None, error="bad_args")


class Kind:
    """`most`: how many a run may have, where its settings say so."""

    def __init__(self, make, weight, feature=None, most=None):
        self.make, self.weight, self.feature, self.most, self.name = make, weight, feature, most, make.__name__


KINDS = (
    Kind(small_echo, 50), Kind(medium_echo, 3), Kind(small_digest, 14), Kind(csv, 9), Kind(noop, 10), Kind(sleep, 3),
    Kind(long_sleep, 0.06), Kind(delayed, 5), Kind(permanent, 1.5), Kind(unknown_type, 0.6), Kind(bad_args, 0.6),
    Kind(temporary, 3, "retries"), Kind(exhausted, 1, "retries"), Kind(again, 0.5, "retries"), Kind(timed, 1, "retries"),
    Kind(slow_failure, 1.5, "retries"),
    Kind(big_digest, 0.15, most="big"), Kind(big_echo, 0.05, most="big"),
    Kind(crash, 0.05, "guilt", "crashes"), Kind(leave, 0.02, "guilt", "leaves"), Kind(hang, 0.05, "timeouts", "hangs"),
)
# what stampmill.enqueue can say
DURABLE = {"small_echo", "medium_echo", "small_digest", "csv", "noop", "sleep", "delayed", "permanent", "unknown_type",
           "bad_args", "temporary", "exhausted", "big_digest"}


class Maker:
    """Makes jobs, without end, from the seed."""

    def __init__(self, rng, nonce, queues, features, most, only=()):
        unknown = set(only) - {kind.name for kind in KINDS}
        if unknown:
            raise SystemExit(f"chaos: no kind of job {', '.join(unknown)}; there are: {', '.join(kind.name for kind in KINDS)}")
        self.rng, self.nonce, self.queues, self.most = rng, nonce, queues, dict(most)
        self.kinds = [kind for kind in KINDS if (not only or kind.name in only)
                      and (kind.feature is None or kind.feature in features)
                      and (kind.most is None or self.most.get(kind.most))]
        self.n = 0

    def kind(self, durable):
        kinds = [kind for kind in self.kinds if (not durable or kind.name in DURABLE)
                 and (kind.most is None or self.most[kind.most] > 0)]
        kind = self.rng.choices(kinds, [kind.weight for kind in kinds])[0]
        if kind.most is not None:
            self.most[kind.most] -= 1
        return kind

    def job(self, durable=False):
        rng, kind = self.rng, self.kind(durable)
        self.n += 1
        job = Job(self.n, kind.name, rng.choice(self.queues))
        type_name, args, data, fields, job.want = kind.make(rng, {"nonce": self.nonce, "n": self.n})
        job.spec, job.durable = (type_name, args, data, fields), durable
        job.in_ms = fields.get("in_ms", 0)
        if "backoff_ms" in fields:
            job.backoff = BACKOFF_MS if durable else (fields["backoff_ms"], fields.get("backoff_max_ms", BACKOFF_MS[1]))
        if durable or rng.random() > 0.08:
            job.id = uuid7(rng) if rng.random() < 0.9 else str(uuid.UUID(int=rng.getrandbits(128), version=4))
            if kind.most is None and rng.random() < 0.03:
                job.again_at = rng.uniform(0, 3)
        return job


def xadd(job):
    """The command that enqueues it: flat fields, or an envelope."""
    type_name, args, data, fields = job.spec
    head = ["XADD", f"sm:{{{job.queue}}}:jobs", "*"]
    if job.n % 2:
        flat = {"id": job.id, "type": type_name, "args": json.dumps(args), "input": data or None, **fields}
        return head + [word if isinstance(word, (str, bytes)) else str(word) for key, value in flat.items()
                       if value is not None for word in (key, value)]
    envelope = {"v": 1, "id": job.id and uuid.UUID(job.id).bytes, "type": type_name, "args": args,
                "input": data or None, **fields}
    return head + ["job", pack({key: value for key, value in envelope.items() if value is not None})]


def enqueue(job):
    """The statement that enqueues it durably. A delay is a time here, counted from its first try."""
    type_name, args, data, fields = job.spec
    if job.in_ms and job.due is None:
        job.due = time.time() + job.in_ms / 1000
    values = {"queue": quote(job.queue), "type": quote(type_name), "args": quote(json.dumps(args)) + "::jsonb",
              "input": f"'\\x{data.hex()}'::bytea" if data else None,
              "run_at": f"to_timestamp({job.due:.6f})" if job.due else None,
              "max_attempts": fields.get("max_attempts"), "id": quote(job.id) + "::uuid"}
    return "SELECT stampmill.enqueue(" + ", ".join(f"{name} => {value}" for name, value in values.items()
                                                   if value is not None) + ")"


def quote(text):
    return "'" + text.replace("'", "''") + "'"
