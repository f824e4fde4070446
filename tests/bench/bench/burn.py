"""Stamps: jobs that use the processor for 1, 5 and 20 ms, on one stamp and on as many as there are cores."""
from . import drain, machine
from .sides import Daemon

JOBS = {1: 4000, 5: 1000, 20: 400}


def burn(world):
    """debug.burn of 1, 5 and 20 ms on 1..N stamps."""
    cores = machine.description()["cores"]
    figures = {}
    for ms, jobs in JOBS.items():
        sides = [Daemon(world, f"{n} stamps", flags=["--worker.stamps", str(n)]) for n in range(1, cores + 1)]
        runs = drain.rounds(world, [(side, world.size(jobs)) for side in sides], world.works.burn(ms))
        figures[f"{ms} ms"] = drain.medians(runs)
        for n in range(2, cores + 1):
            figures[f"{ms} ms"][f"{n} stamps"]["times"] = drain.ratio(runs, f"{n} stamps", "1 stamps")
    return figures
