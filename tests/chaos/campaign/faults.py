"""The faults. Each is one class: how long it lasts (in leases), what it touches (two that touch the same thing do not
overlap), which signs show that it had an effect, how it starts and how it is healed.

`start` and `stop` run on the plan's thread; what they need of the run's dice is drawn in `start`, so that a plan stays
the same whatever the machine's speed.
"""
import os
import signal
import threading
import time

from .pg import Failed
from .resp import Refused

EVERYSEC_S = 2.2        # what `appendfsync everysec` may lose, and a little for our own clocks
REDIS_TROUBLE = ("redis_errors", "jobs_adopted", "jobs_given_up", "producers:unknown")
POSTGRES_TROUBLE = ("postgres_errors",)


class Fault:
    name = ""
    leases = (0.2, 1.5)         # shortest, longest
    touches = frozenset()
    signs = ()
    weight = 1.0
    feature = None
    only = None                 # runs whose Redis syncs so ("always", "everysec"); None: any
    loses = False               # Redis itself may lose what it acknowledged
    outage = None               # "redis" or "postgres": the time back to the full rate is measured
    isolates = False            # a living worker may look dead to others, and be given up

    def __init__(self, world, rng):
        self.world, self.rng = world, rng

    def start(self):
        raise NotImplementedError

    def stop(self):
        pass

    def any_daemon(self):
        return self.rng.choice(self.world.fleet.daemons)


FAULTS = {}


def fault(cls):
    FAULTS[cls.name] = cls
    return cls


# --- daemons ---

@fault
class DaemonKill(Fault):
    """SIGKILL; the supervisor starts another. The time until its entries have new owners is measured."""
    name, leases, touches = "daemon-kill", (0.5, 1.0), frozenset({"daemon"})
    signs, weight = ("jobs_reclaimed", "killed with jobs in hand"), 3.0

    def start(self):
        daemon, world = self.any_daemon(), self.world
        daemon.read_log()
        workers = daemon.workers[-1:]
        if not daemon.signal(signal.SIGKILL):
            return
        same_host = sum(other.host == daemon.host for other in world.fleet.daemons) > 1
        if not same_host:
            daemon.wanted = False       # its successor would find its box: only its silence is to show its death
        threading.Thread(target=self.follow, args=(daemon, workers, same_host), daemon=True).start()

    def follow(self, daemon, workers, same_host):
        in_hand = self.world.watch.recovery(workers, same_host, lambda: self.world.active_faults() <= 1)
        self.world.effects.note("killed with jobs in hand", in_hand)
        if not self.world.ending:       # then the drain decides who runs
            daemon.wanted = True


@fault
class DaemonStopShort(Fault):
    """SIGSTOP for less than a lease: nobody may take anything from it."""
    name, leases, touches = "daemon-stop-short", (0.2, 0.7), frozenset({"daemon"})
    signs, weight = ("daemon stood still",), 1.0

    def start(self):
        self.daemon = self.any_daemon()
        if self.daemon.signal(signal.SIGSTOP):
            self.world.effects.note("daemon stood still")

    def stop(self):
        self.daemon.signal(signal.SIGCONT)


@fault
class DaemonStopLong(DaemonStopShort):
    """SIGSTOP past the lease: it comes back, and owns perhaps nothing any more."""
    name, leases, weight, isolates = "daemon-stop-long", (1.5, 5.0), 1.5, True
    signs = ("jobs_given_up", "jobs_reclaimed", "daemon stood still")


@fault
class DaemonDrain(Fault):
    """TERM under load, as in a rolling restart."""
    name, leases, touches = "daemon-drain", (0.5, 1.5), frozenset({"daemon"})
    signs, weight = ("daemon drained",), 1.0

    def start(self):
        self.daemon = self.any_daemon()
        if self.daemon.signal(signal.SIGTERM):
            self.world.effects.note("daemon drained")


@fault
class AllDaemonsKill(Fault):
    """The whole fleet at once."""
    name, leases, touches = "daemons-kill-all", (0.5, 1.0), frozenset({"daemon"})
    signs, weight = ("jobs_reclaimed",), 1.0

    def start(self):
        for daemon in self.world.fleet.daemons:
            daemon.signal(signal.SIGKILL)


# --- Redis ---

@fault
class RedisStop(Fault):
    """SIGSTOP; past a lease no worker can have beaten, and yet nobody is dead."""
    name, leases, touches = "redis-stop", (0.5, 4.0), frozenset({"redis"})
    signs, outage, weight = REDIS_TROUBLE, "redis", 2.0

    def start(self):
        self.world.servers.signal_redis(signal.SIGSTOP)

    def stop(self):
        self.world.servers.signal_redis(signal.SIGCONT)


@fault
class RedisKill(Fault):
    """SIGKILL, and the same data some time later. What was written is in the page cache; with `appendfsync everysec` the
    writing itself waits while the disk is slow, for two seconds at most."""
    name, leases, touches = "redis-kill", (0.1, 2.0), frozenset({"redis"})
    signs, outage, weight = REDIS_TROUBLE, "redis", 2.0

    def start(self):
        self.world.servers.kill_redis()
        if self.world.settings.fsync == "everysec":
            self.world.losses.append((time.time() - EVERYSEC_S, time.time()))

    def stop(self):
        self.world.servers.start_redis()


@fault
class RedisPowerCut(Fault):
    """The machine of a Redis with `appendfsync everysec` loses power: the last second is not in its file. What it had
    acknowledged in that window may be lost, and what it had settled comes back."""
    name, leases, touches = "redis-power-cut", (0.1, 1.0), frozenset({"redis"})
    signs, only, loses, outage, isolates = REDIS_TROUBLE, "everysec", True, "redis", True
    WINDOW_S = 1.0

    def start(self):
        servers, window = self.world.servers, self.rng.uniform(0.2, self.WINDOW_S)
        servers.signal_redis(signal.SIGSTOP)
        path, until = servers.aof(), time.time()
        size = self.world.sizes.at(until - window)
        servers.kill_redis()
        if size is not None and size < os.path.getsize(path):
            os.truncate(path, size)
            # the size was looked at every so often, and acknowledgements are stamped on arrival
            self.world.losses.append((until - window - 0.3, until + 0.1))

    def stop(self):
        self.world.servers.start_redis()


@fault
class ClientKill(Fault):
    name, leases, touches = "redis-client-kill", (0.1, 0.3), frozenset({"redis clients"})
    signs = ("redis_errors",)

    def start(self):
        quietly(self.world.servers.redis().call, "CLIENT", "KILL", "TYPE", "normal")


@fault
class ScriptFlush(Fault):
    name, leases, touches = "redis-script-flush", (0.1, 0.5), frozenset({"redis scripts"})
    signs, weight = ("redis:NOSCRIPT",), 0.7

    def start(self):
        quietly(self.world.servers.redis().call, "SCRIPT", "FLUSH")


@fault
class GroupDestroy(Fault):
    """Somebody deletes the group: everybody's entries belong to nobody, and are delivered again."""
    name, leases, touches = "redis-group-destroy", (0.3, 1.0), frozenset({"redis group"})
    signs, weight = ("redis:NOGROUP", "redis_errors"), 0.7

    def start(self):
        for queue in self.world.queues:
            quietly(self.world.servers.redis().call, "XGROUP", "DESTROY", f"sm:{{{queue}}}:jobs", "mill")


@fault
class MemoryFull(Fault):
    """`maxmemory` reached: enqueueing is refused, everything else goes on."""
    name, leases, touches = "redis-full", (1.0, 10.0), frozenset({"redis memory", "redis"})
    signs = ("redis:OOM", "producers:refused")

    def start(self):
        quietly(self.world.servers.redis().call, "CONFIG", "SET", "maxmemory", "1")

    def stop(self):
        persistently(self.world.servers.redis, "CONFIG", "SET", "maxmemory", "0")


@fault
class RedisReadOnly(Fault):
    """The master has become a replica, as in the middle of a fail-over."""
    name, leases, touches = "redis-read-only", (0.2, 2.0), frozenset({"redis"})
    signs, outage = ("redis:READONLY", "redis_errors"), "redis"

    def start(self):
        quietly(self.world.servers.redis().call, "REPLICAOF", "127.0.0.1", "1")

    def stop(self):
        persistently(self.world.servers.redis, "REPLICAOF", "NO", "ONE")


@fault
class RedisWipe(Fault):
    """FLUSHALL: what was only in Redis is lost, what is durable is brought back."""
    name, leases, touches = "redis-wipe", (0.3, 1.0), frozenset({"redis", "redis group"})
    signs, loses, feature, weight = ("redis_errors", "redis:NOGROUP", "jobs_given_up"), True, "outbox", 1.0
    isolates = True

    def start(self):
        if quietly(self.world.servers.redis().call, "FLUSHALL") is not None:
            self.world.losses.append((0.0, time.time() + 0.1))      # acknowledgements are stamped on arrival


@fault
class StrangerClaims(Fault):
    """Somebody runs XAUTOCLAIM in our group: entries belong to a consumer that is no worker."""
    name, leases, touches = "redis-stranger-claims", (0.2, 0.5), frozenset({"redis group"})
    signs, feature, weight = ("jobs_given_up", "jobs_reclaimed"), "observed", 0.5

    def start(self):
        for queue in self.world.queues:
            quietly(self.world.servers.redis().call, "XAUTOCLAIM", f"sm:{{{queue}}}:jobs", "mill", "stranger", "0", "0",
                    "COUNT", "20", "JUSTID")


@fault
class StrangerDeletes(Fault):
    """Somebody runs XGROUP DELCONSUMER on a living worker: what it had in hand is in nobody's list."""
    name, leases, touches = "redis-stranger-deletes", (0.2, 0.5), frozenset({"redis group"})
    signs, feature, weight, isolates = ("jobs_given_up",), "orphans", 0.5, True

    def start(self):
        for queue in self.world.queues:
            for worker in [name for daemon in self.world.fleet.daemons for name in daemon.workers[-1:]]:
                quietly(self.world.servers.redis().call, "XGROUP", "DELCONSUMER", f"sm:{{{queue}}}:jobs", "mill",
                        worker)


@fault
class StrangerTrims(Fault):
    """Somebody trims a stream, as XADD with MAXLEN would: the oldest entries are gone, those that run and those that are
    parked, too. Jobs that were only in Redis may be lost, durable ones come back."""
    name, leases, touches = "redis-stranger-trims", (0.2, 0.5), frozenset({"redis group"})
    signs, loses, feature, weight = ("entries were deleted",), True, "outbox", 0.7

    def start(self):
        for queue in self.world.queues:
            part, key, redis = self.rng.random(), f"sm:{{{queue}}}:jobs", self.world.servers.redis()
            length = quietly(redis.call, "XLEN", key)
            gone = length and quietly(redis.call, "XTRIM", key, "MAXLEN", int(length * part))
            if gone:
                self.world.effects.note("entries were deleted", gone)


# --- clocks ---

class ClockJump(Fault):
    """The wall clock of one process is another for a while."""
    touches, leases, feature = frozenset({"clock"}), (0.5, 3.0), "clock"

    def file(self):
        raise NotImplementedError

    def start(self):
        self.path = self.file()
        self.world.set_clock(self.path, self.rng.choice(self.jumps_ms))
        self.world.effects.note("a clock jumped")

    def stop(self):
        self.world.set_clock(self.path, 0)

    signs = ("a clock jumped",)


@fault
class RedisClock(ClockJump):
    """Redis's clock says what is seen and due; a jump of it kills nobody."""
    name, jumps_ms = "clock-redis", (700, 3000, 8000, -700, -3000, -8000)     # what is put off meanwhile waits so much longer

    def file(self):
        return "redis"


@fault
class DaemonClock(ClockJump):
    name, jumps_ms = "clock-daemon", (900, 10000, 3600000, -900, -10000, -3600000)

    def file(self):
        return self.any_daemon().name


# --- PostgreSQL ---

@fault
class PostgresStop(Fault):
    """SIGSTOP of the server and every session: statements hang, connecting hangs."""
    name, leases, touches = "postgres-stop", (0.5, 4.0), frozenset({"postgres"})
    signs, outage, weight = POSTGRES_TROUBLE + ("no row for a while",), "postgres", 2.0

    def start(self):
        self.world.servers.signal_postgres(signal.SIGSTOP, children=True)
        self.world.effects.note("no row for a while")

    def stop(self):
        self.world.servers.signal_postgres(signal.SIGCONT, children=True)


class PostgresEnd(Fault):
    touches, signs, outage = frozenset({"postgres"}), POSTGRES_TROUBLE, "postgres"
    leases = (0.1, 2.5)
    number = None

    def start(self):
        self.world.servers.stop_postgres(self.number)

    def stop(self):
        self.world.servers.start_postgres()


@fault
class PostgresKill(PostgresEnd):
    name, number, weight = "postgres-kill", signal.SIGKILL, 1.5


@fault
class PostgresImmediate(PostgresEnd):
    name, number = "postgres-immediate", signal.SIGQUIT


@fault
class PostgresRestart(PostgresEnd):
    name, number = "postgres-restart", signal.SIGINT


@fault
class BackendsTerminate(Fault):
    name, leases, touches = "postgres-terminate", (0.1, 0.3), frozenset({"postgres"})
    signs = POSTGRES_TROUBLE

    def start(self):
        quietly(self.world.servers.pg(timeout=1.0).query, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = 'stampmill' AND pid <> pg_backend_pid()")


@fault
class PostgresReadOnly(Fault):
    """default_transaction_read_only, as an operator or a fail-over sets it."""
    name, leases, touches = "postgres-read-only", (0.3, 2.5), frozenset({"postgres"})
    signs, outage = POSTGRES_TROUBLE, "postgres"

    def start(self):
        self.set("on")

    def stop(self):
        self.set("off")

    def set(self, value):
        pg = self.world.servers.pg(timeout=2.0)
        for statement in (f"ALTER SYSTEM SET default_transaction_read_only = {value}", "SELECT pg_reload_conf()"):
            persistently(lambda: pg, statement, verb="query")
        pg.close()


@fault
class PostgresLock(Fault):
    """Somebody holds the results table: batches wait."""
    name, leases, touches = "postgres-lock", (0.3, 3.0), frozenset({"postgres"})
    signs, outage = POSTGRES_TROUBLE + ("no row for a while",), "postgres"

    def start(self):
        self.pg = self.world.servers.pg(timeout=1.0)
        quietly(self.pg.query, "BEGIN; LOCK TABLE stampmill.results IN SHARE MODE")
        self.world.effects.note("no row for a while")

    def stop(self):
        quietly(self.pg.query, "ROLLBACK")
        self.pg.close()


@fault
class PostgresSlow(Fault):
    """Every write to the results takes two seconds."""
    name, leases, touches = "postgres-slow", (2.0, 6.0), frozenset({"postgres"})
    signs, outage = ("commits were slow",), "postgres"
    SLOW = """CREATE OR REPLACE FUNCTION chaos.slow() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_sleep(2); RETURN NULL; END $$;
        CREATE TRIGGER chaos_slow BEFORE INSERT ON stampmill.results FOR EACH STATEMENT EXECUTE FUNCTION chaos.slow()"""

    def start(self):
        quietly(self.world.servers.pg().query, self.SLOW)

    def stop(self):
        pg = self.world.servers.pg(timeout=30.0)
        slow = quietly(pg.value, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
        self.world.effects.note("commits were slow", int(slow or 0))
        persistently(lambda: pg, "DROP TRIGGER IF EXISTS chaos_slow ON stampmill.results", verb="query")
        pg.close()


@fault
class PostgresFull(Fault):
    """The disk that holds the tables is full to the last block."""
    name, leases, touches = "postgres-full", (0.5, 3.0), frozenset({"postgres"})
    signs, outage, feature = POSTGRES_TROUBLE, "postgres", "disk"

    def start(self):
        self.world.disk.fill()

    def stop(self):
        self.world.disk.make_room()


# --- the network ---

class ProxyFault(Fault):
    """One rule on the routes of one server, for one daemon or for all."""
    touches, leases, isolates = frozenset({"network"}), (0.3, 3.0), True

    def start(self):
        self.server = self.rng.choice(("redis", "redis", "postgres"))
        names = [daemon.name for daemon in self.world.fleet.daemons]
        everybody = self.rng.random() < 0.5
        chosen = names if everybody else [self.rng.choice(names)]
        self.routes = [f"{self.server}-{name}" for name in chosen] + [self.server] * everybody
        self.apply()

    def apply(self):
        self.set("all", self.rule())

    def rule(self):
        raise NotImplementedError

    def set(self, scope, rule):
        for route in self.routes:
            self.world.proxy.command(f"set {route} {scope} {rule}")

    def stop(self):
        self.set("all", "pass")


@fault
class NetRefuse(ProxyFault):
    """What is connected ends, and connecting fails."""
    name, signs = "net-refuse", ("redis_errors", "postgres_errors")

    def apply(self):
        for route in self.routes:
            self.world.proxy.command(f"refuse {route}")
            self.world.proxy.command(f"kill {route}")

    def stop(self):
        for route in self.routes:
            self.world.proxy.command(f"accept {route}")


@fault
class NetDelay(ProxyFault):
    name, signs = "net-delay", ("redis_errors", "postgres_errors", "proxy:late", "proxy:unheard", "bytes were late")

    def rule(self):
        self.world.effects.note("bytes were late")
        up, down = self.rng.choice(((0, 300), (300, 0), (80, 80), (900, 900), (2500, 0), (0, 2500)))
        return f"delay_up={up} delay_down={down}"


@fault
class NetLateCommand(ProxyFault):
    """What a connection has sent is held back until its client has given it up and made another; then it arrives. The
    server obeys a command whose sender no longer waits for it."""
    name, leases, signs, weight, feature = "net-late-command", (2.2, 4.0), ("proxy:late",), 2.0, "observed"

    def apply(self):
        self.set("old", "delay_up=hold")


@fault
class NetLateReply(ProxyFault):
    name, leases, signs = "net-late-reply", (1.0, 4.0), ("proxy:unheard", "redis_errors", "postgres_errors")

    def apply(self):
        self.set("old", "delay_down=hold")


@fault
class NetCut(ProxyFault):
    """Every connection ends after so many more bytes, counted from a command or from now; each tenth of a second
    somewhere else."""
    name, signs, weight = "net-cut", ("proxy:cut",), 2.5
    VERBS = {"redis": ("XDEL", "XDEL", "XACK", "XREADGROUP", "EVALSHA"), "postgres": ("stampmill.results", "COMMIT")}

    def apply(self):
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.cut, daemon=True)
        self.thread.start()

    def cut(self):
        while not self.ending.is_set():
            self.set("all", self.rule())
            self.ending.wait(0.1)

    def rule(self):
        count = self.rng.randrange(self.rng.choice((60, 400, 3000, 60000)))
        word = self.rng.choice((f"cut_up={count}", f"cut_down={count}"))
        after = f" after={self.rng.choice(self.VERBS[self.server])}" if self.rng.random() < 0.7 else ""
        return word + after

    def stop(self):
        self.ending.set()
        self.thread.join()
        super().stop()


@fault
class NetLostReply(ProxyFault):
    """One connection of a daemon ends within one answer, and nothing else is disturbed: the entries that it named are
    owned, and nobody has heard of them."""
    name, leases, signs, isolates = "net-lost-reply", (0.2, 0.6), ("proxy:cut",), False

    def apply(self):
        daemon = self.rng.choice(self.world.fleet.daemons).name
        self.routes = [f"redis-{daemon}"]
        word = self.rng.choice(("XREADGROUP", "XREADGROUP", "EVALSHA"))
        self.set("all", f"cut_down={self.rng.randrange(1, 400)} after={word} once")


@fault
class NetBlackHole(ProxyFault):
    name, leases, signs = "net-black-hole", (1.0, 4.0), ("proxy:swallowed",)

    def rule(self):
        return "swallow"

    def stop(self):
        for route in self.routes:
            self.world.proxy.command(f"kill {route}")   # its bytes are gone: it can never be whole again
        super().stop()


@fault
class NetThrottle(ProxyFault):
    name, signs = "net-throttle", ("redis_errors", "postgres_errors", "bytes were slow")

    def rule(self):
        self.world.effects.note("bytes were slow")
        return f"rate_up={self.rng.choice((20000, 200000))} rate_down={self.rng.choice((20000, 200000))}"


# --- helpers ---

def quietly(do, *words):
    """Where another fault has the server down, this one had no effect, and that shows."""
    try:
        return do(*words)
    except (OSError, Refused, Failed):
        return None


def persistently(connect, *words, verb="call"):
    """A fault must be healed, also while others go on."""
    until = time.monotonic() + 60
    while True:
        try:
            return getattr(connect(), verb)(*words)
        except (OSError, Refused, Failed):
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
