"""One run: private servers, proxy, daemons, producers; the plan; then heal, drain and check."""
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

from . import checks, figures, history, plan
from .disk import Disk
from .effects import Effects, risen
from .faults import FAULTS
from .fleet import DRAINED, HANDED_BACK, NEVER_RETURNED, UNREACHABLE, Fleet
from .jobs import BACKOFF_MS, Maker
from .producers import DurableProducer, Operator, RedisProducer
from .proxy import Proxy
from .resp import Refused
from .servers import Servers
from .watch import Rates, Sizes, Watch

GRACE_S = 1.2           # after its end, a fault's effect may still show


class Unfinished(Exception):
    """The run has no end that can be checked: its drain did not finish, or a daemon is broken."""


class Settings:
    """What the seed decides of a run, besides the plan."""

    def __init__(self, rng, options, features):
        self.fsync = rng.choice(("always", "everysec"))
        self.lease_ms = options.lease_ms
        count = options.daemons or rng.choice((2, 2, 3, 4))
        hosts = 2 if "observed" in features and rng.random() < 0.5 else 1
        namespaced = os.geteuid() == 0 and rng.random() < 0.4
        self.layout = [(i % hosts, namespaced and i % hosts == 0) for i in range(count)]
        self.queues = rng.choice((["default"], ["default", "bulk"]))
        self.stamps = rng.choice((1, 2, 4))
        self.memory = rng.choice(("64MiB", "128MiB", "512MiB"))
        self.rate = options.rate or rng.choice((400, 1000, 2000))
        self.rest_first = rng.random() < 0.7 or options.at_rest    # the living finish before they are told to end
        self.most = {"big": rng.choice((0, 4, 12)), "crashes": rng.choice((0, 0, 2)), "leaves": rng.choice((0, 0, 0, 1)),
                     "hangs": rng.choice((0, 0, 2))}

    def __str__(self):
        hosts = ",".join(f"{host}{'n' if namespaced else ''}" for host, namespaced in self.layout)
        return (f"appendfsync={self.fsync} daemons on hosts {hosts} queues={','.join(self.queues)} "
                f"stamps={self.stamps} memory={self.memory} rate={self.rate} "
                + " ".join(f"{name}={most}" for name, most in self.most.items() if most))


class World:
    def __init__(self, options, features, seed, number, seconds):
        self.options, self.features, self.seed, self.number, self.seconds = options, features, seed, number, seconds
        self.rng = random.Random(f"{seed}/{number}")
        self.settings = Settings(self.rng, options, features)
        self.queues = self.settings.queues
        self.folder = tempfile.mkdtemp(prefix="sm-chaos.")
        os.chmod(self.folder, 0o711)
        self.losses, self.returns, self.left_in_redis, self.applied = [], [], [], []
        self.active, self.active_lock = set(), threading.Lock()
        self.ending = False
        self.operator = None
        self.clocks_jumped = False
        self.steps = plan.make(random.Random(self.rng.getrandbits(64)), seconds, self.settings.lease_ms / 1000,
                               plan.possible(features, self.settings.fsync, options.only))
        self.journal = open(f"{self.folder}/journal", "w", buffering=1)
        self.producers = []
        self.proxy = self.fleet = self.watch = self.disk = None
        self.samplers = ()

    def say(self, text):
        now = time.time()
        self.journal.write(f"{time.strftime('%H:%M:%S', time.localtime(now))}.{int(now * 1000) % 1000:03} {text}\n")
        if self.options.verbose:
            print(f"  {text}", file=sys.stderr)

    # --- building ---

    def build(self):
        programs, settings = self.options.build, self.settings
        self.say(f"run {self.number} of seed {self.seed}: {settings}")
        self.servers = Servers(f"{self.folder}/servers", settings.fsync, self.clock("redis"),
                               self.options.cluster)
        subprocess.run([f"{programs}/bin/stampmill", "db", "migrate", "--postgres.url",
                        f"postgresql:///stampmill?host={self.servers.dir}&user=stampmill"], check=True,
                       stdout=subprocess.DEVNULL)
        pg = self.servers.pg()
        history.set_up(pg)
        if any(step.name == "postgres-full" for step in self.steps):
            self.disk = Disk(f"{self.folder}/disk")
            self.disk.hold_tables(pg)
        pg.close()
        names = [str(i) for i in range(len(settings.layout))]
        self.proxy = Proxy(f"{programs}/chaos/chaos_proxy", f"{self.folder}/proxy", self.servers, names)
        flags = ["--lease", f"{settings.lease_ms}ms", "--worker.stamps", str(settings.stamps), "--worker.memory",
                 settings.memory, "--worker.queues", ",".join(self.queues), "--shutdown_timeout", "10s",
                 "--job.grace", "200ms", "--job.backoff", f"{BACKOFF_MS[0]}ms", "--job.backoff_max", f"{BACKOFF_MS[1]}ms"]
        self.fleet = Fleet(programs, self.folder, self.proxy, flags, self.clock, settings.layout)
        self.watch = Watch(self.servers, self.queues)
        self.rates, self.sizes = self.samplers = Rates(self.fleet), Sizes(self.servers)
        maker = Maker(random.Random(self.rng.getrandbits(64)), f"{self.seed}-{self.number}", self.queues, self.features,
                      settings.most, self.options.kinds)
        kinds = [RedisProducer, DurableProducer if "outbox" in self.features else RedisProducer]
        common = maker, threading.Lock(), settings.rate / 2, settings.rate * 1.5, self.watch
        self.producers = [kind(self.servers, *common) for kind in kinds]
        self.operator = Operator(self.servers, self.producers, self.features, random.Random(self.rng.getrandbits(64)),
                                 f"{programs}/bin/stampmill", self.queues)
        self.effects = Effects(self)

    def clock(self, name):
        """The environment of a process whose wall clock can be set, in the runs where clocks jump."""
        if not any(step.name.startswith("clock-") for step in self.steps):
            return {}
        os.makedirs(f"{self.folder}/clocks", exist_ok=True)
        path = f"{self.folder}/clocks/{name}"
        with open(path, "wb") as file:
            file.write(bytes(8))
        return {"LD_PRELOAD": f"{self.options.build}/chaos/chaos_clock.so", "CHAOS_CLOCK": path}

    def set_clock(self, name, ahead_ms):
        with open(f"{self.folder}/clocks/{name}", "r+b") as file:
            file.write(struct.pack("q", ahead_ms))
        self.clocks_jumped = True

    def begin(self):
        self.fleet.start()
        self.await_beats()
        for thread in (self.watch, *self.samplers, *self.producers, self.operator):
            thread.start()

    def await_beats(self):
        """Until every daemon consumes."""
        redis = self.servers.redis()
        until = time.monotonic() + 30
        for queue in self.queues:
            while (redis.call("ZCARD", f"sm:{{{queue}}}:workers") or 0) < len(self.fleet.daemons):
                if time.monotonic() > until:
                    raise RuntimeError("the daemons do not start; see the logs in " + self.folder)
                time.sleep(0.05)
        redis.close()

    # --- the plan ---

    def active_faults(self):
        with self.active_lock:
            return len(self.active)

    def carry_out(self):
        """Starts and stops the plan's faults in the order of their times; what takes longer than planned (a server
        that starts) moves all that comes after it."""
        began, judges = time.monotonic(), []
        for at, what, step in sorted([(step.at, "start", step) for step in self.steps]
                                     + [(step.until, "stop", step) for step in self.steps], key=lambda item: item[0]):
            late = time.monotonic() - (began + at)
            began += max(0, late)
            time.sleep(max(0, -late))
            self.look_at_threads()
            if self.fleet.alarms:
                raise Unfinished("a daemon has said that it is broken")
            if what == "start":
                self.start_fault(step)
            else:
                judges.append(self.stop_fault(step))
        time.sleep(max(0, began + self.seconds - time.monotonic()))
        for judge in judges:
            judge.join()

    def start_fault(self, step):
        step.fault = FAULTS[step.name](self, random.Random(step.dice))
        with self.active_lock:
            self.active.add(step)
            step.alone = len(self.active) == 1
            for other in self.active - {step}:
                other.alone = False
        step.before, step.began = self.effects.snapshot(), time.monotonic()
        step.fault.start()
        self.say(f"{step.name} begins")

    def stop_fault(self, step):
        step.fault.stop()
        step.healed = time.monotonic()
        with self.active_lock:
            self.active.discard(step)
        self.say(f"{step.name} ends after {step.healed - step.began:.2f} s")
        judge = threading.Thread(target=self.judge, args=(step,))
        judge.start()
        return judge

    def judge(self, step):
        time.sleep(GRACE_S)
        signs = risen(step.before, self.effects.snapshot(), FAULTS[step.name].signs)
        self.applied.append((step, bool(signs)))
        self.say(f"{step.name} had {' '.join(f'{name}+{value}' for name, value in signs.items()) or 'no effect'}")

    def look_at_threads(self):
        for producer in self.producers:
            if producer.failure is not None:
                raise producer.failure

    # --- the end ---

    def heal(self):
        self.ending = True
        self.operator.stop()
        self.proxy.heal()
        for daemon in self.fleet.daemons:
            daemon.signal(signal.SIGCONT)
        for producer in self.producers:
            producer.stop()

    def drain(self):
        """TERM to all, one clean daemon until nothing is left, TERM to it. In half of the runs the living have to finish
        everything first: a clean start heals more than it should have to."""
        redis = self.servers.redis(timeout=5.0)
        limit_s = self.options.drain_seconds
        if self.settings.rest_first:
            self.await_nothing_left(redis, "with all daemons")
        left = self.fleet.drain(limit_s)
        if left:
            raise Unfinished(f"daemons {', '.join(left)} did not end within {limit_s:g} s of TERM")
        before = len(self.fleet.ends)
        self.fleet.start_one(0)
        self.await_nothing_left(redis, "with one clean daemon")
        time.sleep(2 * self.settings.lease_ms / 1000)   # what beats and audits sweep up
        for thread in (self.watch, *self.samplers):
            thread.stop()
        if self.fleet.drain(limit_s) or self.fleet.ends[-1][2] != DRAINED:
            raise Unfinished(f"the clean daemon did not drain: {self.fleet.ends[before:]}")
        self.left_in_redis = list(self.leftovers(redis))
        redis.close()

    def await_nothing_left(self, redis, how):
        """Fails when it gets no shorter for the time a drain may take, or is not done in five times that."""
        limit_s, began = self.options.drain_seconds, time.monotonic()
        shortest, at = None, began
        pg = self.servers.pg() if "outbox" in self.features else None
        while True:
            lengths = redis.pipeline([("XLEN", f"sm:{{{queue}}}:jobs") for queue in self.queues])
            waiting = 0 if pg is None else int(pg.value(history.WAITING))
            if lengths == [0] * len(self.queues) and waiting == 0:
                break
            if all(isinstance(length, int) for length in lengths) and (shortest is None or sum(lengths) + waiting < shortest):
                shortest, at = sum(lengths) + waiting, time.monotonic()
            if self.fleet.alarms or time.monotonic() > min(at + limit_s, began + 5 * limit_s):
                self.describe_queues(redis)
                raise Unfinished(f"for {time.monotonic() - at:.0f} s {how} XLEN is {lengths}, and {waiting} wait in the outbox")
            time.sleep(0.05)
        if pg is not None:
            pg.close()

    def describe_queues(self, redis):
        """What is stuck, for whoever reads the journal."""
        for queue in self.queues:
            key = f"sm:{{{queue}}}:jobs"
            for words in (("XPENDING", key, "mill"), ("XINFO", "CONSUMERS", key, "mill"), ("XINFO", "GROUPS", key),
                          ("XPENDING", key, "mill", "-", "+", "20"), ("ZRANGE", f"sm:{{{queue}}}:later", "0", "20"),
                          ("HGETALL", f"sm:{{{queue}}}:tries"), ("HGETALL", f"sm:{{{queue}}}:meta")):
                self.say(f"{' '.join(words)}: {redis.pipeline([words])[0]}")

    def keep_stacks(self):
        """Where every thread of the daemons is, for whoever looks into a drain that does not finish."""
        for daemon in self.fleet.daemons:
            pid = daemon.pid()
            if pid is not None and shutil.which("gdb"):
                with open(f"{self.folder}/stacks-{daemon.name}", "w") as file:
                    subprocess.run(["gdb", "-p", str(pid), "-batch", "-ex", "thread apply all backtrace"], stdout=file,
                                   stderr=subprocess.STDOUT, timeout=60, check=False)

    def leftovers(self, redis):
        for queue in self.queues:
            pending = redis.call("XPENDING", f"sm:{{{queue}}}:jobs", "mill")
            if pending[0]:
                yield f"{queue}: {pending[0]} pending ids, of {pending[3]}"
            for kind in ("later", "tries", "cancelled"):
                key = f"sm:{{{queue}}}:{kind}"
                if redis.call("EXISTS", key):
                    verb = ("HGETALL", key) if kind == "tries" else ("ZRANGE", key, "0", "9", "WITHSCORES")
                    yield f"{key}: {redis.call(*verb)}"
            if redis.call("ZCARD", f"sm:{{{queue}}}:workers"):
                yield f"sm:{{{queue}}}:workers still names {redis.call('ZRANGE', f'sm:{{{queue}}}:workers', '0', '-1')}"

    def may_end(self, code, ours):
        """Whether a daemon was allowed to end so."""
        if ours == signal.SIGKILL:
            return code in (-signal.SIGKILL, 128 + signal.SIGKILL)
        own = {-signal.SIGSEGV, 1} if self.has("crash", "leave") else set()
        own |= {NEVER_RETURNED} if self.has("hang") else set()
        if ours == signal.SIGTERM:
            return code in {DRAINED, HANDED_BACK, UNREACHABLE} | own
        return code in {UNREACHABLE} | own      # unreachable: it was started while a server was away

    def has(self, *kinds):
        return any(job.kind in kinds for producer in self.producers for job in producer.jobs)

    def measure(self):
        for step, _ in self.applied:
            kind = FAULTS[step.name].outage
            if kind and step.alone:
                later = [other.began for other, _ in self.applied if other.began > step.healed]
                seconds = figures.back_to_full(self.rates.seen, step.began, step.healed, min(later, default=1e18))
                if seconds is not None:
                    self.returns.append((kind, seconds))

    def run(self):
        """Everything; the violations, the drain that did not finish among them."""
        self.build()
        self.begin()
        self.say("all daemons consume")
        try:
            self.carry_out()
            self.heal()
            self.say("healed")
            self.drain()
        except Unfinished as stuck:
            self.say(str(stuck))
            self.keep_stacks()
            alarms = [f"alarm: {line}" for line in self.fleet.alarms]       # then a server may be away still
            return [*(alarms or self.what_is_known()), f"unfinished: {stuck}"]
        self.say("drained")
        self.measure()
        violations, evidence = checks.run(self)
        for purge in self.operator.purges:
            self.say(f"{purge.queue} was purged {'' if purge.done else 'in part '}in {purge.ended - purge.began:.2f} s, "
                     f"ended {time.strftime('%H:%M:%S', time.localtime(purge.ended))}")
        self.say(f"checked: {len(violations)} violations")
        self.keep_history(evidence, violations)
        return violations

    def what_is_known(self):
        """Violations of what holds at any time, where there is no end to check."""
        for thread in (self.watch, *self.samplers):
            thread.stop()
        return checks.run(self, checks.ALWAYS)[0]

    def jobs(self):
        return sum(len(producer.jobs) for producer in self.producers)

    def keep_history(self, evidence, violations):
        """Only where somebody will read it."""
        if not violations:
            return
        with open(f"{self.folder}/history", "w") as file:
            for job in evidence.jobs:
                row = evidence.row(job)
                file.write(json.dumps({
                    "n": job.n, "kind": job.kind, "queue": job.queue, "id": job.id, "state": job.state,
                    "entries": job.entries, "acked": job.acked, "tries": job.tries, "row": row and row.id,
                    "ended": row and row.state, "attempt": row and row.attempt}) + "\n")

    def close(self, keep):
        for thread in (self.watch, *self.samplers):
            if thread is not None and thread.is_alive():
                thread.stop()
        for thread in (*self.producers, self.operator):
            if thread is not None:
                thread.ending.set()
        if self.fleet is not None:
            self.fleet.stop()
        if self.proxy is not None:
            self.proxy.stop()
        if hasattr(self, "servers"):
            for number in (signal.SIGCONT,):
                try:
                    self.servers.signal_redis(number)
                    self.servers.signal_postgres(number, children=True)
                except (OSError, ValueError, IndexError):
                    pass
            self.servers.stop()
        if self.disk is not None:
            self.disk.remove()
        self.journal.close()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
