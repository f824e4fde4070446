"""From the moment a job was due to the committer's clock after COMMIT returned. An open loop: what is due is sent,
however late, and its latency counts from then. One job in a hundred is also watched by a connection of its own, which
asks until the row is there: the two must agree.

200 jobs/s: debug.noop, against a bare pipeline and the peers, in turn. 50 % and 80 % of capacity: json. Capacity is the
highest rate that was held with the producer running: the last job was sent in time and the queue was empty a second later.
"""
import statistics
import subprocess
import sys
import time

from .drain import measure_once, steady
from .machine import Broken
from .sides import Daemon

RATE, SECONDS = 200, 20
CAPACITY_SECONDS, CAPACITY_STEPS, SHARES = 30, 5, (0.5, 0.8)
WARM_S = 1.0            # not counted
LATE_US = 500000        # a producer later than that did not hold its rate
WATCHED = 100
DISAGREE_MS = 5


class Schedule:
    def __init__(self, rate, seconds):
        self.rate, self.jobs = rate, max(1, int(rate * seconds))
        self.began_us = time.time_ns() // 1000 + 300000

    def words(self):
        return [str(self.began_us), repr(float(self.rate)), str(self.jobs)]

    def due_us(self, number):
        return self.began_us + int(number * 1e6 / self.rate)

    def counts(self, number):
        return number >= self.rate * WARM_S or self.jobs < 2 * self.rate * WARM_S


def read_log(path):
    """Lines of "NUMBER US"."""
    with open(path) as file:
        return [tuple(map(int, line.split())) for line in file]


def percentile(values, share):
    return values[min(len(values) - 1, int(share * len(values)))]


def summary(schedule, clock):
    if len({number for number, _ in clock}) != schedule.jobs:
        raise Broken(f"{len(clock)} commits were noted of {schedule.jobs}")
    values = sorted((us - schedule.due_us(number)) / 1000 for number, us in clock if schedule.counts(number))
    return {"p50_ms": percentile(values, 0.5), "p99_ms": percentile(values, 0.99), "p999_ms": percentile(values, 0.999)}


# --- what is measured ---

def await_group(world):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if world.servers.redis("EXISTS", "sm:{default}:jobs"):
            time.sleep(0.3)
            return
        time.sleep(0.01)
    raise Broken("the daemon did not start")


class Watch:
    """The witness, running beside."""

    def __init__(self, world, schedule):
        self.process = subprocess.Popen([world.program("bench/bench_witness"), world.servers.pg_url, *schedule.words(),
                                         str(WATCHED)], stdout=subprocess.PIPE, text=True)

    def compare(self, schedule, clock):
        seen = [tuple(map(int, line.split())) for line in self.process.communicate()[0].splitlines()]
        if self.process.returncode != 0:
            raise Broken("the witness failed")
        at = dict(clock)
        behind = sorted((us - at[number]) / 1000 for number, us in seen)
        if not behind:
            return {"watched": 0}
        middle = statistics.median(behind)
        if min(map(abs, behind)) > DISAGREE_MS:     # the witness itself may have had to wait for a core
            raise Broken(f"the witness never saw a row within {DISAGREE_MS} ms of the committer's clock")
        waits = sorted((us - schedule.due_us(number)) / 1000 for number, us in seen)
        return {"watched": len(seen), "witness_behind_ms": middle, "witness_p50_ms": percentile(waits, 0.5),
                "witness_p99_ms": percentile(waits, 0.99)}


def pace(world, schedule, work):
    """How late the last job was sent, us."""
    done = subprocess.run([world.program("bench/bench_pace"), world.servers.redis_url, *schedule.words(), *work.words()],
                          check=True, stdout=subprocess.PIPE, text=True)
    return int(done.stdout)


def daemon_run(world, rate, seconds, work):
    log = f"{world.folder}/commit-clock"
    side = Daemon(world, commit_clock=log)
    side.clear()
    world.servers.settle_down()
    try:
        side.start()
        await_group(world)
        schedule = Schedule(rate, seconds)
        watch = Watch(world, schedule)
        late = pace(world, schedule, work)
        side.await_left(0, 60)
    finally:
        side.stop()
    clock = read_log(log)
    return {**summary(schedule, clock), **watch.compare(schedule, clock), "late_us": late}


def pipe_run(world, rate, seconds):
    log = f"{world.folder}/pipe-clock"
    Daemon(world).clear()
    world.servers.settle_down()
    schedule = Schedule(rate, seconds)
    watch = Watch(world, schedule)
    done = subprocess.run([world.program("bench/bench_pipe"), world.servers.socket, world.servers.pg_url, *schedule.words(),
                           log], check=True, stdout=subprocess.PIPE, text=True)
    clock = read_log(log)
    return {**summary(schedule, clock), **watch.compare(schedule, clock), "late_us": int(done.stdout)}


def peer_run(world, peer, rate, seconds, work):
    side = peer.side(rows=True)
    log = f"{world.folder}/peer-clock"
    open(log, "w").close()
    side.clear()
    world.servers.settle_down()
    schedule = Schedule(rate, seconds)
    try:
        began = time.monotonic()
        side.start(work, schedule.jobs, log)
        side.await_ready()
        figures = {"start_ms": (time.monotonic() - began) * 1000}
        time.sleep(1)
        figures["idle_rss_mib"] = side.rss_mib()
        schedule.began_us, figures["late_us"] = side.pace(work, rate, schedule.jobs)
        side.await_drained(120)
    finally:
        side.stop()
    return {**summary(schedule, read_log(log)), **figures}


def say(name, figures):
    watched = f"   witness {figures['witness_behind_ms']:+.2f} ms" if figures.get("watched") else ""
    print(f"  {name:30} p50 {figures['p50_ms']:.2f}  p99 {figures['p99_ms']:.2f}  p99.9 {figures['p999_ms']:.2f} ms{watched}"
          f"   stolen {figures['stolen']:.1%}", file=sys.stderr)


def median_of(runs):
    return {key: statistics.median(run[key] for run in runs) for key in runs[0] if all(key in run for run in runs)}


# --- 200 jobs/s ---

def latency(world):
    """At 200 jobs/s: p50, p99, p99.9, against a bare pipeline and the peers."""
    noop, seconds = world.works.noop(), world.seconds(SECONDS)
    ways = {"stampmill": lambda: daemon_run(world, RATE, seconds, noop), "bare": lambda: pipe_run(world, RATE, seconds)}
    for peer in world.peers:
        ways[peer.name] = lambda peer=peer: peer_run(world, peer, RATE, seconds, noop)
    runs = {name: [] for name in ways}
    for number in range(world.options.pairs):
        for name, way in ways.items():
            runs[name].append(steady(way))
            say(f"{number + 1}/{world.options.pairs} {name}, {RATE}/s", runs[name][-1])
    figures = {name: median_of(each) for name, each in runs.items()}
    for name in list(ways)[1:]:
        for key in ("p50_ms", "p99_ms"):
            figures[name][f"stampmill_times_{key[:3]}"] = statistics.median(
                mine[key] / other[key] for mine, other in zip(runs["stampmill"], runs[name]))
    return figures


# --- shares of capacity ---

def is_held(world, rate, seconds, work):
    side = Daemon(world)
    side.clear()
    world.servers.settle_down()
    try:
        side.start()
        await_group(world)
        schedule = Schedule(rate, seconds)
        late = pace(world, schedule, work)
        left = world.servers.waiting()
        until = time.monotonic() + 1
        while world.servers.waiting() > 0 and time.monotonic() < until:
            time.sleep(0.01)
        held = late < LATE_US and world.servers.waiting() == 0
        print(f"  {rate:,.0f}/s for {seconds:.0f} s: {'held' if held else 'not held'}, the last job {late / 1000:.1f} ms "
              f"late, {left:,} left then", file=sys.stderr)
        side.await_left(0, 120)
    finally:
        side.stop()
    return held


def highest_rate(world, work):
    """By halves, from nothing to somewhat more than a filled queue is drained at."""
    low, high = 0.0, 1.2 * measure_once(Daemon(world), work, world.size(30000))["jobs_per_s"]
    for _ in range(CAPACITY_STEPS):
        middle = (low + high) / 2
        if is_held(world, middle, world.seconds(CAPACITY_SECONDS), work):
            low = middle
        else:
            high = middle
    if low == 0:
        raise Broken("no rate was held")
    return low


def capacity(world):
    """json at 50 % and 80 % of the highest rate held for 30 s: the best of the runs."""
    work = world.works.json()
    rate = highest_rate(world, work)
    figures = {"jobs_per_s": rate}
    for share in SHARES:
        runs = []
        for number in range(world.options.pairs):
            runs.append(steady(lambda share=share: daemon_run(world, share * rate, world.seconds(SECONDS), work)))
            say(f"{number + 1}/{world.options.pairs} json, {share * rate:,.0f}/s", runs[-1])
        figures[f"{share:.0%}"] = {**median_of(runs), "best_p99_ms": min(run["p99_ms"] for run in runs)}
    return figures
