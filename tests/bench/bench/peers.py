"""Other job systems on the same servers. Each has small programs of ours (tests/bench/peers, with the settings that were
tried) that fill its queue, work it, and enqueue on a schedule. Its workers say ten times a second how many jobs they have
ended, and when the first began and the last ended: only that time counts, not their start."""
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time

from .machine import Broken, rss_mib
from .servers import ROOT
from .sides import Side, has_failed

HERE = f"{ROOT}/tests/bench/peers"
TABLE = """
CREATE SCHEMA IF NOT EXISTS bench;
CREATE TABLE IF NOT EXISTS bench.results (id bigint PRIMARY KEY, type text NOT NULL, state text NOT NULL,
    attempt integer NOT NULL, started_at timestamptz NOT NULL, finished_at timestamptz NOT NULL, result jsonb)"""


SECONDS = 8             # a drain is to last about so long


def run(*words, **how):
    subprocess.run(words, check=True, stdout=sys.stderr, **how)


def said(*words, **how):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, **how).stdout.strip()


class Peer:
    """One of them: how it is installed, and which words start it."""
    name, files = "", ()
    rates = {}              # jobs/s to expect of `noop`, `noop rows`, `json rows`: they set how many jobs a drain has
    settings = {}           # PEER_<NAME> for its program; PROCESSES for us
    tried = tried_rows = () # other settings, without and with rows; subject `settings` measures them

    def __init__(self, world):
        self.world, self.folder, self.version = world, f"{ROOT}/build/peers/{self.name}", ""

    def install(self):
        """Copies our programs, installs what they need, and returns the versions."""
        raise NotImplementedError

    def copy(self):
        os.makedirs(self.folder, exist_ok=True)
        for name in self.files:
            shutil.copy(f"{HERE}/{name}", self.folder)

    def send_words(self, work, verb, *rest):
        return [*self.program(), verb, work.name, *rest]

    def work_words(self, work, rows, log):
        return [*self.program(), "work", work.name, rows, *([log] if log else [])]

    def program(self):
        raise NotImplementedError

    def environment(self, work, rows="", log=None):
        servers = self.world.servers
        return {**os.environ, **{f"PEER_{name}": str(value) for name, value in self.settings.items()},
                "PGHOST": servers.dir, "PGPORT": "5432", "PGUSER": "stampmill", "PGDATABASE": "stampmill",
                "PEER_REDIS": servers.socket, "PEER_INPUTS": " ".join(work.inputs), "PEER_WORK": work.name,
                "PEER_ROWS": rows, "NODE_ENV": "production", **({"PEER_LOG": log} if log else {})}

    def side(self, rows):
        return PeerSide(self.world, self, rows)


class Npm(Peer):
    runtime = "node"

    def install(self):
        run("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", cwd=self.folder)

    def version_of(self, package):
        with open(f"{self.folder}/node_modules/{package}/package.json") as file:
            return json.load(file)["version"]

    def program(self):
        return [self.runtime, "peer.mjs"]


class BullMq(Npm):
    name, files = "bullmq", ("common.mjs", "bullmq/package.json", "bullmq/peer.mjs")
    settings = {"PROCESSES": 1, "CONCURRENCY": 100, "POOL": 10, "PIPE": 0}
    tried = [{"CONCURRENCY": 10}, {"CONCURRENCY": 50}, {"CONCURRENCY": 300}, {"PROCESSES": 2}, {"PIPE": 1}]
    tried_rows = [{"POOL": 5}, {"POOL": 20}, {"POOL": 50}, {"PROCESSES": 2}]
    rates = {"noop": 12500, "noop rows": 4000, "json rows": 3000}

    def install(self):
        super().install()
        return f"{self.version_of('bullmq')} on Node {said('node', '--version')[1:]}"


class BullMqBun(BullMq):
    name, files = "bullmq-bun", ("common.mjs", "bullmq-bun/package.json", "bullmq/peer.mjs")
    package = "@oven/bun-linux-x64" if platform.machine() == "x86_64" else "@oven/bun-linux-aarch64"

    def install(self):
        super().install()
        return f"{self.version_of('bullmq')} on Bun {self.version_of(self.package)}"

    def program(self):
        return [f"{self.folder}/node_modules/{self.package}/bin/bun", "peer.mjs"]


class Graphile(Npm):
    name, files = "graphile", ("common.mjs", "graphile/package.json", "graphile/peer.mjs")
    settings = {"PROCESSES": 1, "CONCURRENCY": 24, "POOL": 10, "BATCH": 500}
    tried = [{"CONCURRENCY": 10}, {"CONCURRENCY": 100}, {"BATCH": 100}, {"BATCH": 2000}, {"PROCESSES": 2}]
    tried_rows = [{"POOL": 20}, {"POOL": 20, "CONCURRENCY": 100}, {"PROCESSES": 2}]
    rates = {"noop": 34000, "noop rows": 5000, "json rows": 3900}

    def install(self):
        super().install()
        return f"{self.version_of('graphile-worker')} on Node {said('node', '--version')[1:]}"


class Asynq(Peer):
    name, files = "asynq", ("asynq/go.mod", "asynq/go.sum", "asynq/main.go")
    settings = {"PROCESSES": 1, "CONCURRENCY": 100, "POOL": 10, "REDIS_POOL": 20, "CHECK_MS": 5}
    tried = [{"CONCURRENCY": 10}, {"CONCURRENCY": 50}, {"CONCURRENCY": 300}, {"REDIS_POOL": 100}, {"PROCESSES": 2},
             {"CHECK_MS": 1000}]
    tried_rows = [{"POOL": 5}, {"POOL": 20}, {"POOL": 50}]
    rates = {"noop": 5300, "noop rows": 2500, "json rows": 2250}

    def install(self):
        run("go", "build", "-o", "peer", ".", cwd=self.folder)
        version = said("go", "list", "-m", "-f", "{{.Version}}", "github.com/hibiken/asynq", cwd=self.folder)
        return f"{version[1:]} on {said('go', 'env', 'GOVERSION')}"

    def program(self):
        return ["./peer"]


class Sidekiq(Peer):
    name, files = "sidekiq", ("sidekiq/common.rb", "sidekiq/boot.rb", "sidekiq/send.rb")
    settings = {"PROCESSES": 2, "CONCURRENCY": 10, "POOL": 10, "YJIT": 0}      # one interpreter is one core
    tried = [{"CONCURRENCY": 5}, {"CONCURRENCY": 25}, {"PROCESSES": 1}, {"YJIT": 1}]
    tried_rows = [{"CONCURRENCY": 5, "POOL": 5}, {"CONCURRENCY": 25, "POOL": 25}]
    rates = {"noop": 11000, "noop rows": 3500, "json rows": 2370}

    def install(self):
        """Debian's packages; ops/lib/packages.sh names them."""
        run("bash", "-c", 'source "$0/ops/lib/packages.sh" && need_packages "${PACKAGES_PEERS[@]}"', ROOT)
        return said("ruby", "-e", "require 'sidekiq'; print Sidekiq::VERSION, ' on Ruby ', RUBY_VERSION")

    def send_words(self, work, verb, *rest):
        return ["ruby", "send.rb", verb, *rest]

    def work_words(self, work, rows, log):
        return ["ruby", *(["--yjit"] if self.settings["YJIT"] else []), "/usr/bin/sidekiq", "--require", "./boot.rb",
                "--concurrency", str(self.settings["CONCURRENCY"]), "--environment", "production", "--timeout", "5"]


PEERS = {peer.name: peer for peer in (BullMq, BullMqBun, Asynq, Sidekiq, Graphile)}


def install(world, names):
    """Those that could be installed; the others are named with the reason."""
    found = []
    for name in names:
        peer = PEERS[name](world)
        try:
            peer.copy()
            peer.version = peer.install()
            found.append(peer)
        except (OSError, subprocess.CalledProcessError) as failure:
            world.missing[name] = f"could not be installed: {failure}"
    if found:
        world.servers.sql(TABLE)
    return found


class PeerSide(Side):
    """A peer's workers, with or without one row per job in bench.results."""
    table, result_rows = "bench.results", "result"

    def __init__(self, world, peer, rows):
        super().__init__(world)
        self.peer, self.with_rows, self.wanted = peer, rows, 0
        self.name = peer.name + (" rows" if rows else "")
        self.told, self.ready = {}, threading.Semaphore(0)

    def jobs(self, work):
        return round(SECONDS * self.peer.rates[f"{work} rows" if self.with_rows else work])

    def clear(self):
        super().clear()
        self.world.servers.sql("DROP SCHEMA IF EXISTS graphile_worker CASCADE")

    def rows(self):
        return super().rows() if self.with_rows else None

    def fill(self, work, jobs):
        run(*self.peer.send_words(work, "fill", str(jobs)), env=self.peer.environment(work), cwd=self.peer.folder)

    def pace(self, work, rate, jobs):
        """When it began, and how late the last job was sent, us. A producer begins once it has loaded its library."""
        return map(int, said(*self.peer.send_words(work, "pace", repr(float(rate)), str(jobs)), cwd=self.peer.folder,
                             env=self.peer.environment(work)).split())

    def start(self, work, jobs, log=None):
        self.wanted, self.told = jobs, {}
        rows = "rows" if self.with_rows else "bare"
        for _ in range(self.peer.settings["PROCESSES"]):
            self.launch(self.peer.work_words(work, rows, log), stdout=subprocess.PIPE, text=True, cwd=self.peer.folder,
                        env=self.peer.environment(work, rows, log))
            threading.Thread(target=self._listen, args=(self.processes[-1],), daemon=True).start()

    def _listen(self, process):
        for line in process.stdout:
            if line == "ready\n":
                self.ready.release()
            elif re.fullmatch(r"\d+ \d+ \d+\n", line):         # else it is of its own log
                self.told[process.pid] = tuple(map(int, line.split()))

    def await_ready(self):
        for _ in self.processes:
            if not self.ready.acquire(timeout=60):
                raise Broken(f"{self.name} did not start")

    def await_drained(self, limit_s):
        """From the beginning of the first job to the end of the last."""
        until = time.monotonic() + limit_s
        while sum(jobs for jobs, _, _ in list(self.told.values())) < self.wanted:
            if time.monotonic() > until or any(map(has_failed, self.processes)):
                raise Broken(f"{self.name} did not drain its queue: {self.told} of {self.wanted}")
            time.sleep(0.02)
        told = list(self.told.values())
        return (max(last for _, _, last in told) - min(first for _, first, _ in told)) / 1e6

    def rss_mib(self):
        return sum(rss_mib(process.pid) for process in self.processes)
