"""The proxy (tests/chaos/proxy) as a process: one route per daemon and server, commands by its standard input."""
import os
import subprocess
import threading

COUNTS = ("accepted", "cut", "up", "down", "late", "unheard", "swallowed")


class Proxy:
    """Routes are named `redis-0`, `postgres-0`, .. after the daemon that uses them; see proxy/main.c for commands."""

    def __init__(self, program, folder, servers, names):
        self.lock = threading.Lock()
        self.folder = folder
        words = [program]
        for name in names:
            os.makedirs(f"{folder}/{name}", exist_ok=True)
            words.append(f"redis-{name}={self.redis(name)}={servers.redis_socket}")
            words.append(f"postgres-{name}={self.postgres(name)}={servers.pg_socket}")
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        if self.process.stdout.readline() != "ok\n":
            raise SystemExit("chaos: the proxy did not start")

    def redis(self, name):
        return f"{self.folder}/{name}/redis.sock"

    def postgres(self, name):
        return f"{self.folder}/{name}/.s.PGSQL.5432"

    def postgres_folder(self, name):
        return f"{self.folder}/{name}"

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
