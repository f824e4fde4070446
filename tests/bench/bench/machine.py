"""What /proc says of processes and of the machine."""
import os
import platform
import re

TICK = os.sysconf("SC_CLK_TCK")


class Broken(Exception):
    """A run that says nothing: its subject is left out, with the reason."""


def read(path):
    with open(path) as file:
        return file.read()


def gone(function, *arguments):
    """What the function says of a process; nothing where it has just ended."""
    try:
        return function(*arguments)
    except (FileNotFoundError, ProcessLookupError):
        return 0


# --- processor time ---

def cpu_s(pid, ended_children=False):
    """User and system time, in ticks; with those of its ended children where asked for."""
    fields = read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15 if ended_children else 13])) / TICK


def fine_cpu_s(pid):
    """The scheduler's own account, in ns, of the threads that live: for short windows."""
    return sum(gone(lambda task: int(read(f"/proc/{pid}/task/{task}/schedstat").split()[0]), task)
               for task in os.listdir(f"/proc/{pid}/task")) / 1e9


def children(pid):
    return [int(word) for word in read(f"/proc/{pid}/task/{pid}/children").split()]


class Stolen:
    """The share of the machine's time that was stolen since this object was made."""

    def __init__(self):
        self.before = self._now()

    @staticmethod
    def _now():
        fields = [int(word) for word in read("/proc/stat").split("\n", 1)[0].split()[1:9]]
        return sum(fields), fields[7]

    def share(self):
        total, stolen = (now - then for now, then in zip(self._now(), self.before))
        return stolen / max(1, total)


# --- memory ---

def status_mib(pid, what):
    return int(re.search(what + r":\s+(\d+)", read(f"/proc/{pid}/status")).group(1)) / 1024


def rss_mib(pid):
    return status_mib(pid, "VmRSS")


def pss_mib(pid):
    return int(re.search(r"^Pss:\s+(\d+)", read(f"/proc/{pid}/smaps_rollup"), re.M).group(1)) / 1024


# --- what this machine is ---

def description():
    model = re.search(r"^model name\s*:\s*(.*)$", read("/proc/cpuinfo"), re.M)
    memory = int(re.search(r"^MemTotal:\s+(\d+)", read("/proc/meminfo"), re.M).group(1)) / 1024 / 1024
    system = re.search(r'^PRETTY_NAME="?(.*?)"?$', read("/etc/os-release"), re.M)
    return {
        "processor": model.group(1).strip() if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory),
        "kernel": platform.release(),
        "system": system.group(1) if system else platform.system(),
    }
