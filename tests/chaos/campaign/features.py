"""What the product does by now. A fault, a kind of job or a check that needs more stays out until its line says so;
`--with` and `--without` switch single ones for one campaign."""

from . import disk

FEATURES = {
    "observed": (True, "a dead worker on another host is found by its silence"),
    "orphans": (False, "entries of no durable job that a foreigner's DELCONSUMER left in nobody's list are found"),
    "retries": (True, "temporary failures are retried with back-off; again_in"),
    "guilt": (True, "crashes are charged by evidence"),
    "timeouts": (True, "a handler that does not return ends its attempt, then its daemon"),
    "cancel": (True, "waiting and running jobs are cancelled"),
    "purge": (True, "a queue is purged now and then"),
    "outbox": (True, "stampmill.enqueue in SQL, relay and reconciler"),
    "clock": (True, "jumps of the wall clock"),
    "disk": (disk.possible(), "PostgreSQL's disk full: wants root and the right to mount"),
}


def choose(plus, minus):
    unknown = [name for name in plus + minus if name not in FEATURES]
    if unknown:
        raise SystemExit(f"chaos: no feature {', '.join(unknown)}; there are: {', '.join(FEATURES)}")
    return {name for name, (on, _) in FEATURES.items() if on or name in plus} - set(minus)
