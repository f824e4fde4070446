"""How many jobs a second: queues filled beforehand, drained by each side in turn."""
from . import drain
from .sides import Bare, Daemon

NOOP, JSON, CSV = 300000, 50000, 10000


def compared(world, work, jobs, others=(), peers=()):
    """Medians of each side, and against the daemon the medians of the rounds' ratios."""
    sides = [(side, world.size(jobs)) for side in (Daemon(world), *others)]
    sides += [(side, world.size(min(jobs, side.jobs(work.name)))) for side in peers]
    runs = drain.rounds(world, sides, work)
    figures = drain.medians(runs)
    for name in list(figures)[1:]:
        figures[name]["stampmill_times"] = drain.ratio(runs, "stampmill", name)
        figures[name]["client_us_times"] = drain.ratio(runs, "stampmill", name, "client_us")
    return figures


def noop(world):
    """300,000 debug.noop with 200 bytes of arguments, against the bare reference and the peers."""
    peers = [peer.side(rows) for peer in world.peers for rows in (False, True)]
    return compared(world, world.works.noop(), NOOP, [Bare(world)], peers)


def json(world):
    """A JSON array of 4 KiB, grouped by one field, another one summed."""
    return compared(world, world.works.json(), JSON, peers=[peer.side(rows=True) for peer in world.peers])


def csv(world):
    """A CSV file of 64 KiB parsed to typed rows."""
    return compared(world, world.works.csv(), CSV)
