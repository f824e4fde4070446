"""What drains a queue: the daemon (one or several), the bare reference, a peer. A side enqueues, starts, says whether
it is done, and ends; its processes' whole processor time counts as the client's."""
import os
import signal
import subprocess
import time

from .machine import Broken


def cpu_when_ended(process):
    """Waits for the end; processor seconds of its whole life, and of its children that it waited for."""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime


def has_failed(process):
    """Without reaping it: its processor time is asked for at its end."""
    if process.returncode is not None:
        return process.returncode != 0
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return ended is not None and ended.si_status != 0


class Side:
    """Jobs of Stampmill, in its stream and its table."""
    name, table, result_rows = "", "stampmill.results", "result->'rows'"

    def __init__(self, world):
        self.world, self.processes = world, []
        self.began = 0.0

    def clear(self):
        self.world.servers.redis("FLUSHALL")
        self.world.servers.sql(f"TRUNCATE {self.table}")

    def fill(self, work, jobs):
        self.world.fill(work, jobs)

    def start(self, work, jobs):
        raise NotImplementedError

    def launch(self, words, **how):
        self.processes.append(subprocess.Popen(words, **how))

    def await_drained(self, limit_s):
        """The seconds that it took."""
        self.await_left(0, limit_s)
        return time.monotonic() - self.began

    def await_left(self, left, limit_s):
        until = time.monotonic() + limit_s
        while self.world.servers.waiting() > left:
            if time.monotonic() > until or any(map(has_failed, self.processes)):
                raise Broken(f"{self.name} did not drain the queue")
            time.sleep(0.005)

    def rows(self):
        """How many there must be, or None where this side stores none."""
        return self.world.servers.count(self.table)

    def check(self, work, jobs):
        """One row for each job, and the right results."""
        rows = self.rows()
        if rows is not None and rows != jobs:
            raise Broken(f"{self.name} left {rows} rows of {jobs}")
        if rows is not None and work.sums:
            found = self.world.servers.sql(f"SELECT sum((total->>'total')::float8) FROM {self.table},"
                                           f" jsonb_array_elements({self.result_rows}) AS total")[0][0]
            if found is None or abs(float(found) / work.sum(jobs) - 1) > 1e-9:
                raise Broken(f"the results of {self.name} sum to {found}, not to {work.sum(jobs)}")

    def stop(self):
        """Processor seconds of all its processes."""
        for process in self.processes:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
        used = sum(cpu_when_ended(process) for process in self.processes)
        self.processes = []
        return used


class Daemon(Side):
    def __init__(self, world, name="stampmill", daemons=1, flags=(), commit_clock=None):
        super().__init__(world)
        self.name, self.daemons, self.flags, self.commit_clock = name, daemons, list(flags), commit_clock

    def start(self, work=None, jobs=None):
        world, env = self.world, None
        if self.commit_clock is not None:
            env = {**os.environ, "LD_PRELOAD": world.program("bench/bench_commit_clock.so"),
                   "COMMIT_CLOCK": self.commit_clock}
        words = [world.program("bin/stampmilld"), "--debug-types", "--redis.url", world.servers.redis_url,
                 "--postgres.url", world.servers.pg_url, "--http.listen", "off", "--runtime.dir", world.folder,
                 "--log.level", "warn", *self.flags]
        self.began = time.monotonic()
        for _ in range(self.daemons):
            self.launch(words, env=env)

    def pid(self):
        return self.processes[0].pid


class Bare(Side):
    name = "bare"

    def start(self, work, jobs):
        self.began = time.monotonic()
        self.launch([self.world.program("bench/bench_bare"), self.world.servers.socket, self.world.servers.pg_url,
                     str(jobs)], stdout=subprocess.DEVNULL)

    def stop(self):
        """It ends by itself; the last settle may be answered just after the stream was seen empty."""
        used = sum(cpu_when_ended(process) for process in self.processes)
        self.processes = []
        return used
