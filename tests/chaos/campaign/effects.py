"""What a fault did. A fault is effective when one of the signs it names has risen between its start and a moment after
its end: a counter of the daemons, an error that Redis counted, a producer that was refused, bytes the proxy cut."""
import re
import threading

from .resp import Refused


class Effects:
    def __init__(self, world):
        self.world = world
        self.lock = threading.Lock()
        self.noted = {}
        self.errors_before, self.errors, self.run_id = {}, {}, None
        self.redis = world.servers.redis(timeout=0.3)

    def note(self, sign, by=1):
        """A sign that a fault saw for itself."""
        with self.lock:
            self.noted[sign] = self.noted.get(sign, 0) + by

    def _redis_errors(self):
        """Error replies by their first word, summed over Redis's lives."""
        try:
            server, stats = self.redis.pipeline([("INFO", "server"), ("INFO", "errorstats")])
        except OSError:
            return
        if isinstance(stats, (OSError, Refused)) or isinstance(server, (OSError, Refused)):
            return
        run_id = re.search(rb"run_id:(\w+)", server).group(1)
        if run_id != self.run_id:
            for name, value in self.errors.items():
                self.errors_before[name] = self.errors_before.get(name, 0) + value
            self.run_id = run_id
        self.errors = {name.decode(): int(value) for name, value in re.findall(rb"errorstat_(\w+):count=(\d+)", stats)}

    def snapshot(self):
        with self.lock:
            self._redis_errors()
            signs = dict(self.noted)
            for part in (self.errors_before, self.errors):
                for name, value in part.items():
                    signs[f"redis:{name}"] = signs.get(f"redis:{name}", 0) + value
        signs.update(self.world.fleet.counters())
        signs.update({f"proxy:{name}": value for name, value in self.world.proxy.count().items()})
        signs["producers:refused"] = sum(producer.refused for producer in self.world.producers)
        signs["producers:unknown"] = sum(producer.unknown for producer in self.world.producers)
        return signs


def risen(before, after, signs):
    return {sign: after.get(sign, 0) - before.get(sign, 0) for sign in signs if after.get(sign, 0) > before.get(sign, 0)}
