"""What all subjects share: the options, the programs, the servers, a folder that goes away."""
import os
import shutil
import subprocess
import sys
import tempfile

from .servers import ROOT, Servers
from .works import Works


class World:
    def __init__(self, options):
        self.options = options
        self.servers = None
        self.folder = tempfile.mkdtemp(prefix="sm-bench.")
        self.works = Works(self.folder)
        self.peers = []                 # those that were installed; peers.py
        self.missing = {}               # what could not be measured, and why

    def build(self):
        folder = self.options.build
        if not os.path.exists(f"{folder}/build.ninja"):
            subprocess.run(["cmake", "--preset", "release", "-S", ROOT], check=True, cwd=ROOT, stdout=sys.stderr)
        subprocess.run(["cmake", "--build", folder, "--target", "bench"], check=True, stdout=sys.stderr)

    def start(self):
        self.servers = Servers()
        subprocess.run([self.program("bin/stampmill"), "db", "migrate", "--postgres.url", self.servers.pg_url], check=True,
                       stdout=subprocess.DEVNULL)

    def program(self, name):
        return f"{self.options.build}/{name}"

    def has_type(self, name):
        done = subprocess.run([self.program("bin/stampmill"), "job", "add", name, "--help"], check=False,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return done.returncode == 0

    def fill(self, work, jobs):
        subprocess.run([self.program("bench/bench_fill"), self.servers.redis_url, str(jobs), *work.words()], check=True)

    def size(self, jobs):
        """So many jobs, or that part of them which --size asks for."""
        return max(1, round(jobs * self.options.size))

    def seconds(self, seconds):
        return max(2.0, seconds * self.options.size)

    def close(self):
        if self.servers is not None:
            self.servers.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
