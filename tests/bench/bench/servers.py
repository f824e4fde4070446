"""A private Redis and PostgreSQL that end with us: AOF everysec, fsync and synchronous_commit on. The AOF is rewritten
and a checkpoint made before each run, so neither comes by itself in the middle of one."""
import os
import re
import subprocess
import time

from campaign.pg import Pg
from campaign.resp import Redis

from . import machine

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
SCRIPT = f"{ROOT}/ops/private-servers"
REDIS_CONF = ("auto-aof-rewrite-percentage 0",)
PG_CONF = ("shared_buffers=256MB", "max_wal_size=8GB", "checkpoint_timeout=1h")
STREAM = "sm:{default}:jobs"


class Servers:
    def __init__(self):
        words = [word for flag, lines in (("--redis-conf", REDIS_CONF), ("--pg-conf", PG_CONF))
                 for line in lines for word in (flag, line)]
        done = subprocess.run([SCRIPT, "start", "--until-exit", str(os.getpid()), *words], check=True,
                              stdout=subprocess.PIPE, text=True)
        env = dict(line.split("=", 1) for line in done.stdout.splitlines())
        self.dir, self.redis_url, self.pg_url = (env["STAMPMILL_SERVERS"], env["STAMPMILL_REDIS_URL"],
                                                 env["STAMPMILL_DATABASE_URL"])
        self.redis_pid, self.pg_pid = int(env["REDIS_PID"]), int(env["PG_PID"])
        self.socket = self.dir + "/redis.sock"
        self._redis, self._pg = Redis(self.socket, 120.0), Pg(f"{self.dir}/.s.PGSQL.5432", 600.0)

    def redis(self, *words):
        return self._redis.call(*words)

    def sql(self, text):
        return self._pg.query(text)

    def count(self, table):
        return int(self._pg.value(f"SELECT count(*) FROM {table}"))

    def waiting(self):
        """Jobs of Stampmill that are not settled."""
        return self.redis("XLEN", STREAM)

    def info(self, section):
        return self.redis("INFO", section).decode()

    def settle_down(self):
        self.redis("BGREWRITEAOF")
        while re.search(r"aof_rewrite_(in_progress|scheduled):1", self.info("persistence")):
            time.sleep(0.05)
        self.sql("CHECKPOINT")

    # --- processor time ---

    def redis_cpu_s(self):
        return machine.cpu_s(self.redis_pid)

    def pg_cpu_s(self):
        """The postmaster, its children, and those that have ended."""
        return machine.cpu_s(self.pg_pid, ended_children=True) + sum(
            machine.gone(machine.cpu_s, child) for child in machine.children(self.pg_pid))

    def fine_cpu_s(self):
        """Of both, where no process of theirs begins or ends: for short windows."""
        pids = [self.redis_pid, self.pg_pid, *machine.children(self.pg_pid)]
        return sum(machine.gone(machine.fine_cpu_s, pid) for pid in pids)

    def versions(self):
        return {"Redis": re.search(r"redis_version:(\S+)", self.info("server")).group(1),
                "PostgreSQL": self._pg.value("SHOW server_version").split()[0]}

    def stop(self):
        self._redis.close()
        self._pg.close()
        subprocess.run([SCRIPT, "stop", self.dir], check=False)
