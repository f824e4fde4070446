"""One drain, measured; and rounds of several sides in turn, so that a machine that slows down slows all of them. What is
compared are the figures of one round; of the rounds the median counts."""
import statistics
import sys

from .machine import Stolen

MOST_STOLEN, MOST_REPEATS = 0.05, 5


def steady(measure):
    """Figures of a run with little stolen time, or of the last of five."""
    for _ in range(MOST_REPEATS):
        stolen = Stolen()
        figures = measure()
        figures["stolen"] = stolen.share()
        if figures["stolen"] <= MOST_STOLEN:
            break
    return figures


def measure_once(side, work, jobs):
    servers = side.world.servers
    side.clear()
    side.fill(work, jobs)
    servers.settle_down()
    redis, postgres = servers.redis_cpu_s(), servers.pg_cpu_s()
    try:
        side.start(work, jobs)
        seconds = side.await_drained(60 + jobs / 200)
    finally:
        client = side.stop()
    side.check(work, jobs)
    each = 1e6 / jobs
    return {"jobs": jobs, "jobs_per_s": jobs / seconds, "client_us": client * each,
            "redis_us": (servers.redis_cpu_s() - redis) * each, "postgres_us": (servers.pg_cpu_s() - postgres) * each}


def say(number, of, side, figures):
    print(f"  {number}/{of} {side.name:22} {figures['jobs_per_s']:10,.0f} jobs/s   client {figures['client_us']:.1f}  "
          f"Redis {figures['redis_us']:.1f}  PostgreSQL {figures['postgres_us']:.1f} us/job   "
          f"stolen {figures['stolen']:.1%}", file=sys.stderr)


def rounds(world, sides, work):
    """[(side, jobs)] in turn; the figures of each side, one a round."""
    runs = {side.name: [] for side, _ in sides}
    for number in range(world.options.pairs):
        for side, jobs in sides:
            figures = steady(lambda side=side, jobs=jobs: measure_once(side, work, jobs))
            say(number + 1, world.options.pairs, side, figures)
            runs[side.name].append(figures)
    return runs


def medians(runs):
    return {name: {key: statistics.median(run[key] for run in each) for key in each[0]} for name, each in runs.items()}


def ratio(runs, one, other, key="jobs_per_s"):
    """The median of the rounds' ratios."""
    return statistics.median(a[key] / b[key] for a, b in zip(runs[one], runs[other]))
