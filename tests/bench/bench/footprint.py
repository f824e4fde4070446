"""What one daemon takes: memory idle, under load and after a million jobs; processor time when idle; the time from its
start to its first result; the size of the programs and of the libraries they load."""
import os
import re
import statistics
import subprocess
import time

from . import machine
from .sides import Daemon

FEW, MANY, CHUNK = 100000, 1000000, 100000
STARTS = 11
REST_S, IDLE_S = 5, 10


def first_result_ms(world):
    """From the start of the process to the commit of the row of a job that waits."""
    log = f"{world.folder}/first-clock"
    side = Daemon(world, commit_clock=log)
    side.clear()
    world.fill(world.works.noop(), 1)
    world.servers.settle_down()
    began = time.time_ns() // 1000
    try:
        side.start()
        side.await_left(0, 30)
    finally:
        side.stop()
    with open(log) as file:
        return (int(file.readline().split()[1]) - began) / 1000


def drain_more(world, side, jobs):
    """Its memory at the end of the last filling, with jobs waiting and all threads at work."""
    for left in range(jobs, 0, -CHUNK):
        world.fill(world.works.noop(), min(left, CHUNK))
        figures = {"load_rss_mib": machine.rss_mib(side.pid()), "load_pss_mib": machine.pss_mib(side.pid())}
        side.await_left(0, 120)
    return figures


def rested_mib(pid):
    """Once it has had nothing to do for a while, and has given back what it could."""
    time.sleep(REST_S)
    return machine.rss_mib(pid)


def memory(world):
    side = Daemon(world)
    few, many = world.size(FEW), world.size(MANY)
    side.clear()
    try:
        side.start()
        pid = side.pid()
        time.sleep(1)
        figures = {"idle_rss_mib": machine.rss_mib(pid), "idle_pss_mib": machine.pss_mib(pid)}
        seconds, before = world.seconds(IDLE_S), machine.fine_cpu_s(pid)
        time.sleep(seconds)
        figures["idle_cpu_percent"] = (machine.fine_cpu_s(pid) - before) / seconds * 100
        drain_more(world, side, few)
        figures["after_few_rss_mib"] = rested_mib(pid)
        figures.update(drain_more(world, side, many - few))
        figures["most_rss_mib"] = machine.status_mib(pid, "VmHWM")
        figures["after_many_rss_mib"] = rested_mib(pid)
        figures["few"], figures["many"] = few, many
        figures["growth"] = figures["after_many_rss_mib"] / figures["after_few_rss_mib"]
    finally:
        side.stop()
    return figures


def stripped_bytes(world, path):
    target = f"{world.folder}/stripped"
    subprocess.run(["strip", "-o", target, path], check=True)
    return os.stat(target).st_size


def libraries(path):
    """What the loader maps besides: name and size."""
    text = subprocess.run(["ldd", path], check=True, stdout=subprocess.PIPE, text=True).stdout
    return {os.path.basename(found): os.stat(found).st_size for found in re.findall(r"(/\S+) \(0x", text)}


def sizes(world):
    figures = {f"{name}_kib": stripped_bytes(world, world.program(f"bin/{name}")) / 1024
               for name in ("stampmilld", "stampmill")}
    loaded = libraries(world.program("bin/stampmilld"))
    return {**figures, "libraries": len(loaded), "libraries_kib": sum(loaded.values()) / 1024}


def footprint(world):
    """Memory, idle processor time, start to first result, sizes."""
    starts = sorted(first_result_ms(world) for _ in range(STARTS))
    return {"first_result_ms": statistics.median(starts), **memory(world), **sizes(world)}
