"""The proxy (tests/chaos/proxy) as a process: one route per daemon and server, commands by its standard input."""
import os
import subprocess
import threading

COUNTS = ("accepted", "cut", "up", "down", "late", "unheard", "swallowed", "heard")


class Proxy:
    """All daemons have one address for each server; the routes `redis-0`, `postgres-0`, .. take the connections of one
    daemon, told by its pid. proxy/main.c has the commands."""

    def __init__(self, program, folder, servers, names):
        self.lock = threading.Lock()
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.redis = f"{folder}/redis.sock"
        redis, postgres = f"{servers.redis_socket}=resp", f"{servers.pg_socket}=postgres"
        words = [program, f"redis={self.redis}={redis}", f"postgres={folder}/.s.PGSQL.5432={postgres}"]
        for name in names:
            words += [f"redis-{name}=={redis}", f"postgres-{name}=={postgres}"]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        if self.process.stdout.readline() != "ok\n":
            raise SystemExit("chaos: the proxy did not start")

    def belongs(self, name, pid):
        """What this process will connect goes through the routes of that daemon."""
        for server in ("redis", "postgres"):
            self.command(f"peer {server}-{name} {pid}")

    def command(self, text):
        with self.lock:
            self.process.stdin.write(text + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline().strip()
        if answer in ("", "error"):
            raise RuntimeError(f"proxy: {text!r}: {answer or 'it has ended'}")
        return answer

    def count(self, route="*"):
        return dict(zip(COUNTS, map(int, self.command(f"count {route}").split())))

    def heal(self):
        self.command("set * all pass")
        self.command("accept *")

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)
