"""Throughput by the number of daemons and by the size of a payload; the cost of a job by the backlog it stands in."""
import signal
import statistics
import sys

from . import drain
from .drain import steady
from .machine import children, fine_cpu_s
from .sides import Daemon

JOBS = 300000
PAYLOADS = (100, 1024, 4096, 16384, 65536, 262144, 1048576)
PAYLOAD_JOBS, PAYLOAD_BYTES = 100000, 256 << 20
BACKLOGS = (1000, 10000, 100000, 1000000, 3000000)
MEASURED, SKIPPED = 100000, 20000       # jobs of a deep backlog; those before, while all is still growing
SHALLOW = 100000                        # up to here the whole backlog is drained, several times


def daemons(world):
    """One and two daemons on one queue."""
    sides = [Daemon(world, "1 daemon"), Daemon(world, "2 daemons", daemons=2)]
    runs = drain.rounds(world, [(side, world.size(JOBS)) for side in sides], world.works.noop())
    figures = drain.medians(runs)
    figures["2 daemons"]["times"] = drain.ratio(runs, "2 daemons", "1 daemon")
    return figures


def payload(world):
    """Inputs of 100 bytes to 1 MiB."""
    figures = {}
    for size in PAYLOADS:
        jobs = max(20, world.size(min(PAYLOAD_JOBS, PAYLOAD_BYTES // size)))
        runs = drain.rounds(world, [(Daemon(world), jobs)], world.works.payload(size))
        figures[str(size)] = drain.medians(runs)["stampmill"]
        figures[str(size)]["mib_per_s"] = figures[str(size)]["jobs_per_s"] * size / (1 << 20)
    return figures


# --- backlog ---

def cost_s(world, side):
    """Processor seconds so far of the daemon, Redis and PostgreSQL: what a job costs while no producer runs."""
    return fine_cpu_s(side.pid()) + world.servers.fine_cpu_s()


def shallow_us(world, side, backlog, measured):
    """The daemon is held while the queue is filled; then the whole of it is drained. As often as it takes."""
    side.start()
    world.fill(world.works.noop(), SKIPPED)
    side.await_left(0, 60)
    used, times = 0.0, max(1, measured // backlog)
    for _ in range(times):
        side.processes[0].send_signal(signal.SIGSTOP)
        world.fill(world.works.noop(), backlog)
        before = cost_s(world, side)
        side.processes[0].send_signal(signal.SIGCONT)
        side.await_left(0, 120)
        used += cost_s(world, side) - before
    return used * 1e6 / (times * backlog)


def deep_us(world, side, backlog, measured):
    """A part of it, after the first."""
    world.fill(world.works.noop(), backlog)
    world.servers.settle_down()
    side.start()
    side.await_left(backlog - min(SKIPPED, backlog // 10), 120)
    connections = children(world.servers.pg_pid)
    first, before = world.servers.waiting(), cost_s(world, side)
    side.await_left(max(0, first - measured), 120)
    last, after = world.servers.waiting(), cost_s(world, side)
    if not set(connections) <= set(children(world.servers.pg_pid)):
        print("  a PostgreSQL process ended meanwhile: its processor time is missing", file=sys.stderr)
    return (after - before) * 1e6 / (first - last)


def backlog_once(world, backlog):
    side = Daemon(world)
    side.clear()
    world.servers.settle_down()
    measured = world.size(MEASURED)
    try:
        us = (shallow_us if backlog <= SHALLOW else deep_us)(world, side, backlog, measured)
    finally:
        for process in side.processes:      # what is left of a deep one is not waited for
            process.send_signal(signal.SIGCONT)
        side.stop()
    return {"us_per_job": us}


def backlog(world):
    """The processor time of a job, in all, with 1e3 to 3e6 jobs waiting."""
    depths = sorted({depth if depth <= SHALLOW else max(SHALLOW, world.size(depth)) for depth in BACKLOGS})
    runs = {depth: [] for depth in depths}
    for number in range(world.options.pairs):
        for depth in depths:
            figures = steady(lambda depth=depth: backlog_once(world, depth))
            print(f"  {number + 1}/{world.options.pairs} {depth:9,} waiting   {figures['us_per_job']:.2f} us/job   "
                  f"stolen {figures['stolen']:.1%}", file=sys.stderr)
            runs[depth].append(figures)
    ratios = [runs[depths[-1]][i]["us_per_job"] / min(runs[depth][i]["us_per_job"] for depth in depths[:-1])
              for i in range(world.options.pairs)]
    return {"deepest_times_cheapest": statistics.median(ratios),
            **{str(depth): statistics.median(run["us_per_job"] for run in runs[depth]) for depth in depths}}
