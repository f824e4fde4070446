"""Daemons as real processes. A supervisor starts again what ended, and every end is kept with whether it was ours.

Daemons of one host share a runtime folder, by which death is proven; daemons of other hosts have folders of their own.
`namespaced` ones live in a PID namespace of their own under the same host name and the same folder.
"""
import http.client
import json
import os
import re
import signal
import subprocess
import threading
import time

from .servers import alive

DRAINED, UNREACHABLE, NEVER_RETURNED, HANDED_BACK = 0, 69, 70, 75

# Of daemons that are built with sanitizers: the clock that jumps comes before their runtime; a handler that crashes as it
# was asked to is no finding (one that was not asked to shows by its exit code), nor are the threads of a daemon that ends
# because a handler or a server holds one.
SANITIZERS = {"ASAN_OPTIONS": "verify_asan_link_order=0:handle_segv=0",
              "TSAN_OPTIONS": "handle_segv=0:report_thread_leaks=0"}


class Daemon:
    def __init__(self, fleet, index, host, namespaced):
        self.fleet, self.index, self.host, self.namespaced = fleet, index, host, namespaced
        self.name = str(index)
        self.process = None
        self.log = f"{fleet.folder}/daemon-{index}.log"
        self.read_to = 0
        self.workers, self.port = [], None
        self.wanted = True          # the supervisor starts it again
        self.ours = None            # the signal that we ended it with
        self.restart_at = 0.0
        self.last, self.before = {}, {}     # counters of this process, and the sum of those before it

    def start(self):
        fleet = self.fleet
        words = [fleet.program, "--debug-types", "--redis.url", f"unix://{fleet.proxy.redis}",
                 "--postgres.url", f"postgresql:///stampmill?host={fleet.proxy.folder}&user=stampmill",
                 "--http.listen", "127.0.0.1:0", "--runtime.dir", f"{fleet.folder}/host-{self.host}",
                 "--log.format", "json", *fleet.flags]
        if self.namespaced:
            words = [f"{fleet.programs}/chaos_pidns", *words]
        os.makedirs(f"{fleet.folder}/host-{self.host}", exist_ok=True)
        self.ours, self.port = None, None
        for name, value in self.last.items():
            self.before[name] = self.before.get(name, 0) + value
        self.last = {}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, **SANITIZERS, **fleet.environment(self.name)})
        until = time.monotonic() + 1
        while (pid := self.pid()) is None and self.running() and time.monotonic() < until:
            time.sleep(0.001)
        if pid is not None:
            fleet.proxy.belongs(self.name, pid)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def pid(self):
        """Of the daemon itself, not of the program that made its namespace; None when it has ended."""
        if not self.running():
            return None
        if not self.namespaced:
            return self.process.pid
        try:
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as file:
                children = file.read().split()
        except FileNotFoundError:
            return None
        return int(children[0]) if children else None

    def signal(self, number):
        pid = self.pid()
        if pid is None or not alive(pid):
            return False
        if number in (signal.SIGKILL, signal.SIGTERM):
            self.ours = number
        os.kill(pid, number)
        return True

    def read_log(self):
        """Takes the port and the worker's names from what the log has gained."""
        try:
            with open(self.log, "rb") as file:
                file.seek(self.read_to)
                text = file.read()
        except FileNotFoundError:
            return
        whole = text[:text.rfind(b"\n") + 1]
        self.read_to += len(whole)
        for line in whole.splitlines():
            try:
                words = json.loads(line)
            except ValueError:
                if re.search(rb"broken invariant|Sanitizer|runtime error", line):
                    self.fleet.alarms.append(f"daemon {self.index}: {line.decode('utf-8', 'replace')[:300]}")
                continue
            if "port" in words:
                self.port = words["port"]
            if words.get("event") == "worker started" or "is" in words:    # and a new identity
                self.workers.append(words.get("is") or words["worker"])
            self.fleet.events[words.get("event", "?")] = self.fleet.events.get(words.get("event", "?"), 0) + 1

    def read_metrics(self):
        if self.port is None or not self.running():
            return
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=0.3)
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
            connection.close()
        except (OSError, http.client.HTTPException):
            return
        found = re.findall(r"^stampmill_(\w+)_total (\d+)$", text, re.M)
        self.last = {name: int(value) for name, value in found}
        memory = re.search(r"^process_resident_memory_bytes (\S+)$", text, re.M)
        if memory:
            self.fleet.most_memory = max(self.fleet.most_memory, float(memory.group(1)))


class Fleet:
    def __init__(self, build, folder, proxy, flags, environment, layout):
        self.program, self.programs = f"{build}/bin/stampmilld", f"{build}/chaos"
        self.folder, self.proxy, self.flags, self.environment = folder, proxy, flags, environment
        self.daemons = [Daemon(self, i, host, namespaced) for i, (host, namespaced) in enumerate(layout)]
        self.ends = []              # when, which, exit code, the signal that was ours
        self.alarms = []            # lines of the logs that no daemon may write
        self.events = {}
        self.most_memory = 0.0
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._supervise, daemon=True)

    def start(self):
        for daemon in self.daemons:
            daemon.start()
        self.thread.start()

    def _supervise(self):
        while not self.stopping.wait(0.05):
            for daemon in self.daemons:
                with self.lock:
                    self._look_after(daemon)

    def _look_after(self, daemon):
        if daemon.process is not None and not daemon.running():
            self.ends.append((time.time(), daemon.index, daemon.process.returncode, daemon.ours))
            daemon.process = None
            daemon.restart_at = time.monotonic() + 0.2
        if daemon.process is None and daemon.wanted and time.monotonic() >= daemon.restart_at:
            daemon.start()
        daemon.read_log()

    def poll_metrics(self):
        for daemon in self.daemons:
            daemon.read_metrics()

    def counters(self):
        """The sum over every process there ever was, as far as it was heard."""
        total = {}
        for daemon in self.daemons:
            for part in (daemon.before, daemon.last):
                for name, value in part.items():
                    total[name] = total.get(name, 0) + value
        return total

    def drain(self, limit_s):
        """TERM to all, and their ends awaited; the names of those that did not end."""
        with self.lock:
            for daemon in self.daemons:
                daemon.wanted = False
                daemon.signal(signal.SIGCONT)
                daemon.signal(signal.SIGTERM)
        until = time.monotonic() + limit_s
        while any(daemon.process is not None for daemon in self.daemons) and time.monotonic() < until:
            time.sleep(0.02)
        with self.lock:
            for daemon in self.daemons:
                daemon.read_log()       # what it said when it ended, too
        return [daemon.name for daemon in self.daemons if daemon.process is not None]

    def start_one(self, index):
        with self.lock:
            self.daemons[index].wanted = True
            self.daemons[index].restart_at = 0.0

    def stop(self):
        """Whatever still runs is ended; for the way out."""
        self.stopping.set()
        if self.thread.is_alive():
            self.thread.join()
        for daemon in self.daemons:
            if daemon.running():
                daemon.signal(signal.SIGKILL)
                daemon.process.kill()
                daemon.process.wait()
