"""A private Redis and PostgreSQL by ops/private-servers, and what a fault may do to their processes.

Redis and PostgreSQL are started by separate calls, so that one can be started again while the other is left alone.
"""
import glob
import os
import re
import signal
import subprocess
import threading
import time

from .pg import Pg
from .resp import Redis

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
SCRIPT = f"{ROOT}/ops/private-servers"
PG_CONF = ("track_commit_timestamp=on", "shared_buffers=64MB", "log_min_messages=log", "deadlock_timeout=200ms")


class Servers:
    def __init__(self, folder, fsync, redis_environment, cluster=None):
        """`cluster`: a folder of private-servers whose stopped PostgreSQL is copied; a new one takes seconds to make."""
        self.dir, self.fsync = folder, fsync
        self.redis_environment = redis_environment
        self.lock = threading.Lock()
        self.redis_socket, self.pg_socket = f"{folder}/redis.sock", f"{folder}/.s.PGSQL.5432"
        self.start_redis()
        if cluster is not None:
            subprocess.run(["cp", "-a", f"{cluster}/pg", f"{folder}/pg"], check=True)
        self.start_postgres()

    def _start(self, *words, environment=None):
        with self.lock:
            done = subprocess.run([SCRIPT, "start", *words, self.dir], env={**os.environ, **(environment or {})},
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"private-servers: {done.stdout}")

    def start_redis(self):
        self._start("--redis-only", "--until-exit", str(os.getpid()),
                    *(word for line in (f"appendfsync {self.fsync}", "auto-aof-rewrite-percentage 0")
                      for word in ("--redis-conf", line)),
                    environment=self.redis_environment)

    def start_postgres(self):
        self._start("--postgres-only", *(word for line in PG_CONF for word in ("--pg-conf", line)))

    def redis(self, timeout=2.0):
        return Redis(self.redis_socket, timeout)

    def pg(self, timeout=10.0):
        return Pg(self.pg_socket, timeout)

    # --- processes ---

    def redis_pid(self):
        return int(read(f"{self.dir}/redis.pid").split()[0])

    def postmaster_pid(self):
        return int(read(f"{self.dir}/pg/postmaster.pid").split()[0])

    def postgres_pids(self):
        """The postmaster and all its children."""
        parent = self.postmaster_pid()
        return [parent, *map(int, read(f"/proc/{parent}/task/{parent}/children").split())]

    def signal_redis(self, number):
        os.kill(self.redis_pid(), number)

    def signal_postgres(self, number, children=False):
        for pid in self.postgres_pids() if children else [self.postmaster_pid()]:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def kill_redis(self):
        pid = self.redis_pid()
        os.kill(pid, signal.SIGKILL)
        wait_gone(pid)

    def stop_postgres(self, number):
        """TERM: smart; INT: fast; QUIT: immediate; KILL: a crash. Waits for its end."""
        pid = self.postmaster_pid()
        os.kill(pid, number)
        wait_gone(pid)

    def aof(self):
        """Redis's append-only file; it is never rewritten here."""
        return sorted(glob.glob(f"{self.dir}/redis/appendonlydir/*.incr.aof"))[-1]

    def stop(self):
        subprocess.run([SCRIPT, "stop", self.dir], check=False)


def read(path):
    with open(path) as file:
        return file.read()


def wait_gone(pid, limit_s=60):
    until = time.monotonic() + limit_s
    while alive(pid):
        if time.monotonic() > until:
            raise RuntimeError(f"process {pid} does not end")
        time.sleep(0.01)


def alive(pid):
    try:
        return re.search(r"^State:\s+[ZX]", read(f"/proc/{pid}/status"), re.M) is None
    except (FileNotFoundError, ProcessLookupError):
        return False
